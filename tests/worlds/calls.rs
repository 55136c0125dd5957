//! A random call tree, played call by call. What agents and tracers write about it is in `capture`.

use trace_completion::{
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::StoredRow,
};

use super::{
    Source, TrueSpan, World,
    capture::{Exchange, Log},
    landscape::{Landscape, Protocol},
    options,
    random::Random,
    request_span_name,
};

pub const START: i64 = 1_767_000_000_000_000;

/// Headers that a request carries.
#[derive(Clone, Default, Debug)]
struct Headers {
    trace_id: String,
    span_id: String,
}

/// A thread that serves a request.
struct Serving {
    service: usize,
    /// The innermost true span so far.
    span: Option<usize>,
    /// Headers that its calls carry if it writes no spans of its own.
    received: Headers,
    /// Its own innermost application span.
    app: Option<Headers>,
    /// What the kernel ties its next write to.
    syscall: u64,
    /// The x_request_id of its last call, which its own caller sees in the response.
    x_request_id: String,
}

/// An application span. Who knows it is decided later: the caller, the flow log, or both.
pub struct Application {
    pub span: AppSpan,
    pub client: usize,
    pub server: usize,
    pub service: usize,
    pub truth: usize,
}

struct Life<'a> {
    landscape: &'a Landscape,
    random: &'a mut Random,
    log: Log,
    applications: Vec<Application>,
    calls_left: u32,
}

pub fn world(random: &mut Random) -> World {
    let landscape = Landscape::new(random);
    let calls_left = random.range(1, 8) as u32;
    let log = Log::new(random);
    let mut life = Life { landscape: &landscape, random, log, applications: Vec::new(), calls_left };
    let (start, end) = (START + life.random.range(0, 999_999), life.random.range(1_000, 400_000));
    life.begin(start, start + end);
    let Life { log, applications, .. } = life;
    ask(&landscape, log, applications, random)
}

impl Life<'_> {
    /// The first service begins by itself: what called it is not known.
    fn begin(&mut self, start: i64, end: i64) {
        let trace_id = self.random.hex(32);
        let syscall = self.log.new_id(self.random);
        let mut root = Serving {
            service: 0,
            span: None,
            received: Headers { trace_id, span_id: String::new() },
            app: None,
            syscall,
            x_request_id: String::new(),
        };
        let kind = self.random.pick(&[SpanKind::Internal, SpanKind::Server]);
        self.application(&mut root, kind, 0, 0, start, end);
        self.serve(&mut root, start + 100, end - 100);
    }

    /// Makes its calls one after the other, and sometimes two at the same time.
    fn serve(&mut self, serving: &mut Serving, start: i64, end: i64) {
        let calls = if self.landscape.services[serving.service].calls { self.random.below(4) } else { 0 };
        let slot = (end - start) / (calls as i64 + 1);
        if slot < 60 {
            return;
        }
        for call in 0..calls as i64 {
            if self.calls_left == 0 {
                return;
            }
            self.calls_left -= 1;
            let callee = self.random.below(self.landscape.services.len());
            if callee == serving.service && self.random.chance(80) {
                continue;
            }
            let from = start + call * slot + self.random.range(0, slot / 4);
            let to = start + (call + 1) * slot;
            self.call(serving, callee, from, to);
        }
    }

    /// An application span of the serving process; its calls happen within it from now on.
    fn application(
        &mut self,
        serving: &mut Serving,
        kind: SpanKind,
        client: usize,
        server: usize,
        start: i64,
        end: i64,
    ) {
        let parent_span_id =
            serving.app.as_ref().map_or(serving.received.span_id.clone(), |app| app.span_id.clone());
        if serving.received.trace_id.is_empty() {
            serving.received.trace_id = self.random.hex(32);
        }
        let trace_id = serving.received.trace_id.clone();
        let span_id = self.random.hex(16);
        let clock = self.landscape.host_of(serving.service).clock_us;
        let truth = self.log.span(serving.span);
        self.applications.push(Application {
            span: AppSpan {
                trace_id: trace_id.clone(),
                span_id: span_id.clone(),
                parent_span_id,
                span_kind: kind,
                start_time_us: start + clock,
                end_time_us: end + clock,
                ..AppSpan::default()
            },
            client,
            server,
            service: serving.service,
            truth,
        });
        serving.span = Some(truth);
        serving.app = Some(Headers { trace_id, span_id });
    }

    fn call(&mut self, serving: &mut Serving, callee: usize, start: i64, end: i64) {
        let landscape = self.landscape;
        let (caller, server) = (&landscape.services[serving.service], &landscape.services[callee]);
        // The client's own span is innermost only for this call.
        let (outer_span, outer_app) = (serving.span, serving.app.clone());
        let mut headers = if caller.forwards { serving.received.clone() } else { Headers::default() };
        if caller.instrumented {
            self.application(serving, SpanKind::Client, serving.service, callee, start, end);
            headers = serving.app.clone().unwrap();
        }
        let mut x_request_ids = [String::new(), String::new()];
        if caller.gateway {
            serving.x_request_id = self.random.hex(16);
            x_request_ids[0].clone_from(&serving.x_request_id);
        }
        if !server.protocol.has_headers() {
            headers = Headers::default();
        }
        let syscall = if caller.one_thread { serving.syscall } else { self.log.new_id(self.random) };
        let answer = self.log.new_id(self.random);
        serving.syscall = answer;
        let inbound = self.log.new_id(self.random);

        let mut exchange = Exchange::new(self.random, serving.service, callee, server.protocol);
        exchange.trace_id.clone_from(&headers.trace_id);
        exchange.span_id.clone_from(&headers.span_id);
        let step = ((end - start) / 30).max(1);
        let path =
            self.log.path(self.random, landscape, &exchange, serving.span, start + step, end - step, step);

        let mut served = Serving {
            service: callee,
            span: path.innermost.or(serving.span),
            received: headers,
            app: None,
            syscall: inbound,
            x_request_id: String::new(),
        };
        let (from, to) = (path.start + step, path.end - step);
        if server.instrumented && server.protocol != Protocol::Dns {
            self.application(&mut served, SpanKind::Server, serving.service, callee, from, to);
            if self.random.chance(30) {
                self.application(&mut served, SpanKind::Internal, callee, callee, from + 1, to - 1);
            }
        }
        self.serve(&mut served, from + step, to - step);

        x_request_ids[1] = served.x_request_id;
        exchange.x_request_ids = x_request_ids;
        exchange.client_syscalls = [syscall, answer];
        exchange.server_syscalls = [inbound, served.syscall];
        self.log.write(self.random, landscape, &exchange, &path);
        (serving.span, serving.app) = (outer_span, outer_app);
    }
}

/// Decides which application spans the caller gives, and which are in the flow log.
fn ask(landscape: &Landscape, log: Log, applications: Vec<Application>, random: &mut Random) -> World {
    let Log { mut rows, mut spans, .. } = log;
    let given = random.pick(&[100, 100, 60, 30]);
    let stored = random.pick(&[0, 0, 50, 100]);
    let both = random.chance(20);
    let mut app_spans = Vec::new();
    for (number, application) in applications.into_iter().enumerate() {
        let give = number == 0 || random.chance(given);
        if give {
            spans[application.truth].sources.push(Source::Request(app_spans.len()));
            let name = request_span_name(app_spans.len());
            app_spans.push(AppSpan { name, ..application.span.clone() });
        }
        if (both || !give) && random.chance(stored) {
            let row = stored_span(landscape, &application, rows.len());
            spans[application.truth].sources.push(Source::Row(row._id));
            rows.push(row);
        }
    }
    random.shuffle(&mut rows);
    World {
        rows,
        request: CompletionRequest {
            max_iteration: 30,
            network_delay_us: random.pick(&[50_000, 50_000, 3_000_000]),
            host_clock_offset_us: 10_000,
            explain: false,
            app_spans,
        },
        tracing: options(random),
        truth: without_unseen(spans),
    }
}

fn stored_span(landscape: &Landscape, application: &Application, number: usize) -> StoredRow {
    let Application { span, client, server, service, .. } = application;
    let owner = &landscape.services[*service];
    let mut row = StoredRow {
        _id: ((span.end_time_us / 1_000_000) as u64) << 32 | (number as u64 + 1),
        time: (span.end_time_us / 1_000_000) as u32,
        agent_id: landscape.host_of(*service).agent.unwrap_or(1),
        observation_point: span.span_kind.tap_side().to_owned(),
        signal_source: 4,
        capture_network_type_id: 3,
        protocol: 6,
        start_time: span.start_time_us,
        end_time: span.end_time_us,
        response_duration: (span.end_time_us - span.start_time_us).max(0) as u64,
        l7_protocol: landscape.services[*server].protocol.number(),
        r#type: 2,
        endpoint: format!("work of {}", owner.name),
        trace_id: span.trace_id.clone(),
        span_id: span.span_id.clone(),
        parent_span_id: span.parent_span_id.clone(),
        span_kind: Some(span.span_kind as u8),
        app_service: owner.name.clone(),
        app_instance: owner.instance_name(),
        ..StoredRow::default()
    };
    landscape.name_sides(&mut row, *client, *server);
    row
}

/// Spans that nobody saw are left out; what they called belongs to what called them.
pub fn without_unseen(spans: Vec<TrueSpan>) -> Vec<TrueSpan> {
    let mut places = Vec::new();
    let mut seen: Vec<TrueSpan> = Vec::new();
    for span in &spans {
        places.push((!span.sources.is_empty()).then_some(seen.len()));
        if span.sources.is_empty() {
            continue;
        }
        let mut parent = span.parent;
        while let Some(hidden) = parent.filter(|&parent| places[parent].is_none()) {
            parent = spans[hidden].parent;
        }
        seen.push(TrueSpan {
            sources: span.sources.clone(),
            parent: parent.and_then(|parent| places[parent]),
        });
    }
    seen
}
