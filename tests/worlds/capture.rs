//! What agents write about an exchange.

use trace_completion::flow_log::StoredRow;

use super::{
    Source, TrueSpan,
    landscape::{Landscape, Protocol},
    random::Random,
};

/// One request and its response.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub client: usize,
    pub server: usize,
    pub protocol: Protocol,
    pub req_tcp_seq: u32,
    pub resp_tcp_seq: u32,
    pub request_id: Option<u64>,
    pub trace_id: String,
    pub span_id: String,
    pub x_request_ids: [String; 2],
    pub client_syscalls: [u64; 2],
    pub server_syscalls: [u64; 2],
    pub unix_socket: bool,
    resource: String,
}

impl Exchange {
    pub fn new(random: &mut Random, client: usize, server: usize, protocol: Protocol) -> Self {
        let tcp = protocol != Protocol::Dns;
        let seq = |random: &mut Random| if tcp { random.next() as u32 | 1 } else { 0 };
        Exchange {
            client,
            server,
            protocol,
            req_tcp_seq: seq(random),
            resp_tcp_seq: seq(random),
            request_id: protocol.numbers_requests().then(|| random.next() % 1000 + 1),
            trace_id: String::new(),
            span_id: String::new(),
            x_request_ids: [String::new(), String::new()],
            client_syscalls: [0, 0],
            server_syscalls: [0, 0],
            unix_socket: random.chance(5),
            resource: format!("/{}", random.hex(4)),
        }
    }
}

/// One place where an exchange is seen.
#[derive(Clone, Debug)]
pub struct Point {
    name: &'static str,
    agent: u16,
    clock_us: i64,
    start: i64,
    end: i64,
    truth: usize,
}

/// The places where an exchange is seen, from client to server.
#[derive(Clone, Debug)]
pub struct Path {
    points: Vec<Point>,
    /// True span of the last of them.
    pub innermost: Option<usize>,
    /// When the request arrives there, and when the response leaves.
    pub start: i64,
    pub end: i64,
}

/// The flow log as it fills, and what really happened.
#[derive(Debug)]
pub struct Log {
    pub rows: Vec<StoredRow>,
    pub spans: Vec<TrueSpan>,
    /// How much of the network is watched, in percent.
    network: u64,
    /// How often request and response stay apart, in percent.
    halves: u64,
}

impl Log {
    pub fn new(random: &mut Random) -> Self {
        Log {
            rows: Vec::new(),
            spans: Vec::new(),
            network: random.pick(&[0, 40, 100]),
            halves: random.pick(&[0, 0, 30]),
        }
    }

    /// An id that nothing else has.
    pub fn new_id(&mut self, random: &mut Random) -> u64 {
        random.next() >> 8 | 1
    }

    pub fn span(&mut self, parent: Option<usize>) -> usize {
        self.spans.push(TrueSpan { sources: Vec::new(), parent });
        self.spans.len() - 1
    }

    /// Where the exchange is seen. Each place sees it within the time of the one before.
    #[allow(clippy::too_many_arguments)] // all of them make the path
    pub fn path(
        &mut self,
        random: &mut Random,
        landscape: &Landscape,
        exchange: &Exchange,
        parent: Option<usize>,
        start: i64,
        end: i64,
        step: i64,
    ) -> Path {
        let (client, server) = (landscape.host_of(exchange.client), landscape.host_of(exchange.server));
        let mut path = Path { points: Vec::new(), innermost: parent, start, end };
        let same_host = landscape.services[exchange.client].host == landscape.services[exchange.server].host;
        let places = [
            ("c-p", client, 100),
            ("c", client, self.network),
            ("c-nd", client, self.network / 2),
            ("c-hv", client, self.network / 4),
            ("c-gw", client, self.network / 8),
            ("s-gw", server, self.network / 8),
            ("s-hv", server, self.network / 4),
            ("s-nd", server, self.network / 2),
            ("s", server, self.network),
            ("s-p", server, 100),
        ];
        for (name, host, percent) in places {
            let Some(agent) = host.agent.filter(|_| random.chance(percent)) else { continue };
            let on_the_wire = !matches!(name, "c-p" | "s-p" | "c" | "s");
            if on_the_wire && same_host || exchange.unix_socket && !matches!(name, "c-p" | "s-p") {
                continue;
            }
            let truth = self.span(path.innermost);
            path.innermost = Some(truth);
            path.start += random.range(0, step);
            path.end -= random.range(0, step);
            let clock_us = host.clock_us;
            path.points.push(Point { name, agent, clock_us, start: path.start, end: path.end, truth });
        }
        path
    }

    /// Writes the rows of the exchange.
    pub fn write(&mut self, random: &mut Random, landscape: &Landscape, exchange: &Exchange, path: &Path) {
        let flow_id = self.new_id(random);
        let cap_seq = random.below(1000) as u32;
        for point in &path.points {
            let whole = row_at(landscape, exchange, point, flow_id ^ self.rows.len() as u64, cap_seq);
            let halves = exchange.protocol.is_async() || random.chance(self.halves);
            let rows = if halves { split(&whole) } else { vec![whole.clone()] };
            for row in rows {
                self.add(row, point.truth);
            }
            if exchange.protocol == Protocol::Grpc && random.chance(30) {
                self.add(frame(&whole, random), point.truth);
            }
            if exchange.protocol == Protocol::Dns && whole.signal_source == 3 && random.chance(40) {
                let mut again = response_of(&whole);
                again.syscall_cap_seq_1 += 1;
                self.add(again, point.truth);
            }
        }
    }

    fn add(&mut self, mut row: StoredRow, truth: usize) {
        row.time = (row.end_time / 1_000_000) as u32;
        row._id = u64::from(row.time) << 32 | (self.rows.len() as u64 + 1);
        row.response_duration = (row.end_time - row.start_time).max(0) as u64;
        self.spans[truth].sources.push(Source::Row(row._id));
        self.rows.push(row);
    }
}

fn row_at(
    landscape: &Landscape,
    exchange: &Exchange,
    point: &Point,
    flow_id: u64,
    cap_seq: u32,
) -> StoredRow {
    let sys = matches!(point.name, "c-p" | "s-p");
    let mut row = StoredRow {
        agent_id: point.agent,
        observation_point: point.name.to_owned(),
        signal_source: if sys { 3 } else { 0 },
        capture_network_type_id: 3,
        protocol: if exchange.protocol == Protocol::Dns { 17 } else { 6 },
        server_port: if exchange.unix_socket { 1 } else { 8080 },
        flow_id,
        req_tcp_seq: exchange.req_tcp_seq,
        resp_tcp_seq: exchange.resp_tcp_seq,
        start_time: point.start + point.clock_us,
        end_time: point.end.max(point.start) + point.clock_us,
        l7_protocol: exchange.protocol.number(),
        biz_protocol: exchange.protocol.name().to_owned(),
        r#type: 2,
        is_async: u8::from(exchange.protocol.is_async()),
        request_resource: exchange.resource.clone(),
        request_id: exchange.request_id,
        response_code: Some(200),
        x_request_id_0: exchange.x_request_ids[0].clone(),
        x_request_id_1: exchange.x_request_ids[1].clone(),
        trace_id: exchange.trace_id.clone(),
        span_id: exchange.span_id.clone(),
        ..StoredRow::default()
    };
    landscape.name_sides(&mut row, exchange.client, exchange.server);
    if sys {
        let (service, syscalls) = if point.name == "c-p" {
            (exchange.client, exchange.client_syscalls)
        } else {
            (exchange.server, exchange.server_syscalls)
        };
        let process_id = landscape.services[service].process_id;
        if point.name == "c-p" {
            row.process_id_0 = process_id;
            row.process_kname_0 = "client".to_owned();
        } else {
            row.process_id_1 = process_id;
            row.process_kname_1 = "server".to_owned();
        }
        [row.syscall_trace_id_request, row.syscall_trace_id_response] = syscalls;
        (row.syscall_cap_seq_0, row.syscall_cap_seq_1) = (cap_seq, cap_seq + 1);
    }
    row
}

fn request_of(whole: &StoredRow) -> StoredRow {
    StoredRow {
        r#type: 0,
        end_time: whole.start_time,
        resp_tcp_seq: 0,
        syscall_trace_id_response: 0,
        syscall_cap_seq_1: 0,
        response_code: None,
        x_request_id_1: String::new(),
        ..whole.clone()
    }
}

fn response_of(whole: &StoredRow) -> StoredRow {
    let asynchronous = whole.is_async == 1;
    StoredRow {
        r#type: 1,
        start_time: whole.end_time,
        req_tcp_seq: 0,
        syscall_trace_id_request: 0,
        syscall_cap_seq_0: 0,
        request_resource: String::new(),
        x_request_id_0: String::new(),
        trace_id: if asynchronous { whole.trace_id.clone() } else { String::new() },
        span_id: if asynchronous { whole.span_id.clone() } else { String::new() },
        ..whole.clone()
    }
}

fn split(whole: &StoredRow) -> Vec<StoredRow> {
    vec![request_of(whole), response_of(whole)]
}

/// A frame of a stream that the agent did not join with its request. It has no duration.
fn frame(whole: &StoredRow, random: &mut Random) -> StoredRow {
    let mut frame = if random.chance(50) { request_of(whole) } else { response_of(whole) };
    frame.l7_protocol = random.pick(&[21, 41]);
    frame.request_type = random.pick(&["_REQUEST_DATA", "_RESPONSE_DATA", "_RESPONSE_HEADER"]).to_owned();
    frame
}
