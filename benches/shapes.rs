//! Traces of any size, in the shapes that cost differently.

use trace_completion::{
    config::Tracing,
    flow::{
        AgentId, AppSpan, CompletionRequest, FlowRow, KeyRow, L4Protocol, L7Protocol, LogType, RowId, Side,
        SignalSource, SpanKind, SyscallTraceId, TcpSeq, Text, Texts,
    },
};

/// A trace: rows and a question.
pub struct World {
    /// The rows that a search would find.
    pub rows: Vec<FlowRow>,
    /// Their strings.
    pub texts: Texts,
    /// The question.
    pub request: CompletionRequest,
}

/// A shape of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A tree of services, two calls each, half of them instrumented, full paths.
    Tree,
    /// One service that makes all calls one after the other, tied by syscall ids only.
    Wide,
    /// A gateway that passes one header on to all services: all spans share one span id.
    Fan,
    /// Application spans only.
    Apps,
}

/// All shapes.
pub const SHAPES: [Shape; 4] = [Shape::Tree, Shape::Wide, Shape::Fan, Shape::Apps];

const BASE_US: i64 = 1_767_000_000_000_000;
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

struct Builder {
    rows: Vec<FlowRow>,
    spans: Vec<AppSpan>,
    texts: Texts,
    next: u64,
}

/// Where a process runs and what it is in.
#[derive(Clone, Copy)]
struct Process {
    agent: u16,
    id: i32,
    instance: u32,
}

/// What a call carries, and when it happens.
struct Call {
    client: Process,
    server: Process,
    /// Syscall ids that the client, and the server, read and wrote.
    client_ids: [u64; 2],
    server_ids: [u64; 2],
    span_id: String,
    start_us: i64,
    end_us: i64,
}

fn process(number: u64) -> Process {
    Process { agent: (number % 20) as u16 + 1, id: number as i32 + 1000, instance: number as u32 + 1 }
}

impl Builder {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn side(&mut self, process: Process) -> Side {
        let name = self.texts.intern(&format!("pod-{}", process.instance));
        Side {
            process_id: process.id,
            auto_instance_type: 10,
            auto_instance_id: process.instance,
            auto_instance: name,
            auto_service_type: 102,
            auto_service_id: process.instance,
            auto_service: name,
            ..Side::default()
        }
    }

    /// Six captures, from the client's process to the server's.
    fn call(&mut self, call: &Call) {
        let seqs = (self.number() as u32, self.number() as u32);
        let sides = [self.side(call.client), self.side(call.server)];
        let trace_id = if call.span_id.is_empty() { Text::EMPTY } else { self.texts.intern(TRACE_ID) };
        let (span_id, resource) = (self.texts.intern(&call.span_id), self.texts.intern("/api/orders"));
        let points = ["c-p", "c", "c-nd", "s-nd", "s", "s-p"];
        for (at, point) in points.into_iter().enumerate() {
            let ids = match point {
                "c-p" => call.client_ids,
                "s-p" => call.server_ids,
                _ => [0, 0],
            };
            let inward = at as i64 * 10;
            let (start_us, end_us) = (call.start_us + inward, call.end_us - inward);
            let number = self.number();
            let tap_side = self.texts.intern(point);
            let agent = if at < 3 { call.client.agent } else { call.server.agent };
            self.rows.push(FlowRow {
                key: KeyRow {
                    id: RowId(((end_us as u64 / 1_000_000) << 32) | number),
                    kind: LogType::SESSION,
                    signal_source: if at % 5 == 0 { SignalSource::EBPF } else { SignalSource::PACKET },
                    l7_protocol: L7Protocol(20),
                    protocol: L4Protocol::TCP,
                    tap_side,
                    agent: AgentId(agent),
                    start_us,
                    end_us,
                    req_tcp_seq: TcpSeq(seqs.0),
                    resp_tcp_seq: TcpSeq(seqs.1),
                    syscall_request: SyscallTraceId(ids[0]),
                    syscall_response: SyscallTraceId(ids[1]),
                    trace_id,
                    span_id,
                    flow_id: number,
                    ..KeyRow::default()
                },
                duration_us: end_us - start_us,
                request_resource: resource,
                sides,
                ..FlowRow::default()
            });
        }
    }

    fn app(&mut self, span_id: String, parent: &str, kind: SpanKind, start_us: i64, end_us: i64) {
        self.spans.push(AppSpan {
            trace_id: TRACE_ID.to_owned(),
            span_id,
            parent_span_id: parent.to_owned(),
            span_kind: kind,
            start_time_us: start_us,
            end_time_us: end_us,
            ..AppSpan::default()
        });
    }
}

/// A trace of about `spans` spans.
pub fn world(shape: Shape, spans: usize) -> World {
    let mut builder = Builder { rows: Vec::new(), spans: Vec::new(), texts: Texts::new(), next: 0 };
    match shape {
        Shape::Tree => tree(&mut builder, spans),
        Shape::Wide => wide(&mut builder, spans),
        Shape::Fan => fan(&mut builder, spans),
        Shape::Apps => apps(&mut builder, spans),
    }
    let tracing = Tracing::default();
    World {
        rows: builder.rows,
        texts: builder.texts,
        request: CompletionRequest {
            max_iteration: tracing.max_iteration,
            network_delay_us: tracing.network_delay_us,
            host_clock_offset_us: tracing.host_clock_offset_us,
            explain: false,
            app_spans: builder.spans,
        },
    }
}

/// Every second service is instrumented: a call costs six captures and, on average, one application span.
fn tree(builder: &mut Builder, spans: usize) {
    let calls = spans / 7;
    let (start_us, end_us) = (BASE_US, BASE_US + calls as i64 * 10_000 + 1_000_000);
    builder.app("span-root-000000".to_owned(), "", SpanKind::Client, start_us, end_us);
    // Open calls: who is called, by whom, with which span id, and when.
    let mut open =
        std::collections::VecDeque::from([(process(0), String::from("span-root-000000"), start_us, end_us)]);
    for number in 1..=calls as u64 {
        let Some((client, span_id, start_us, end_us)) = open.pop_front() else { break };
        let server = process(number);
        let ids = [builder.number(), builder.number(), builder.number()];
        let client_ids = [builder.number(), builder.number()];
        builder.call(&Call {
            client,
            server,
            client_ids,
            server_ids: [ids[0], ids[2]],
            span_id: span_id.clone(),
            start_us: start_us + 20,
            end_us: end_us - 20,
        });
        let (from, to) = (start_us + 200, end_us - 200);
        let middle = from + (to - from) / 2;
        for (half, (start_us, end_us)) in
            [(from + 10, middle - 10), (middle + 10, to - 10)].into_iter().enumerate()
        {
            let below = if number % 2 == 0 {
                let server_span = format!("span-srv-{number:08}");
                if half == 0 {
                    builder.app(server_span.clone(), &span_id, SpanKind::Server, from, to);
                }
                let client_span = format!("span-cli-{number:06}-{half}");
                builder.app(client_span.clone(), &server_span, SpanKind::Client, start_us, end_us);
                client_span
            } else {
                span_id.clone()
            };
            open.push_back((server, below, start_us, end_us));
        }
    }
}

fn wide(builder: &mut Builder, spans: usize) {
    let calls = spans / 6;
    let (client, service) = (process(0), process(1));
    let end_us = BASE_US + calls as i64 * 1_000 + 1_000_000;
    builder.app("span-root-000000".to_owned(), "", SpanKind::Client, BASE_US, end_us);
    let mut chain = builder.number();
    let last = builder.number();
    builder.call(&Call {
        client,
        server: service,
        client_ids: [0, 0],
        server_ids: [chain, last],
        span_id: "span-root-000000".to_owned(),
        start_us: BASE_US + 20,
        end_us: end_us - 20,
    });
    for number in 0..calls as u64 {
        let next = if number + 1 == calls as u64 { last } else { builder.number() };
        let start_us = BASE_US + 200 + number as i64 * 1_000;
        builder.call(&Call {
            client: service,
            server: process(2),
            client_ids: [chain, next],
            server_ids: [0, 0],
            span_id: String::new(),
            start_us,
            end_us: start_us + 900,
        });
        chain = next;
    }
}

fn fan(builder: &mut Builder, spans: usize) {
    let calls = spans / 6;
    let (client, gateway) = (process(0), process(1));
    let end_us = BASE_US + calls as i64 * 1_000 + 1_000_000;
    let span_id = "span-root-000000".to_owned();
    builder.app(span_id.clone(), "", SpanKind::Client, BASE_US, end_us);
    let ids = [builder.number(), builder.number()];
    let call = Call {
        client,
        server: gateway,
        client_ids: [0, 0],
        server_ids: ids,
        span_id: span_id.clone(),
        start_us: BASE_US + 20,
        end_us: end_us - 20,
    };
    builder.call(&call);
    for number in 0..calls as u64 {
        let start_us = BASE_US + 200 + number as i64 * 1_000;
        builder.call(&Call {
            client: gateway,
            server: process(2 + number),
            client_ids: ids,
            server_ids: [0, 0],
            span_id: span_id.clone(),
            start_us,
            end_us: start_us + 900,
        });
    }
}

fn apps(builder: &mut Builder, spans: usize) {
    let end_us = BASE_US + spans as i64 * 100;
    builder.app("span-0".to_owned(), "", SpanKind::Server, BASE_US, end_us);
    for number in 1..spans {
        let parent = format!("span-{}", (number - 1) / 2);
        let start_us = BASE_US + number as i64;
        builder.app(format!("span-{number}"), &parent, SpanKind::Internal, start_us, end_us - number as i64);
    }
}
