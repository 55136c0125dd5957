//! The services, the request through them, and what the APM asks.

use super::{
    capture::{Exchange, Home, Party, Recorder, Thread},
    random::Random,
};
use crate::{
    flow::{AppSpan, L7Protocol, SpanKind},
    flow_log::StoredRow,
};

const HTTP: L7Protocol = L7Protocol(20);
const MYSQL: L7Protocol = L7Protocol(60);
const REDIS: L7Protocol = L7Protocol(80);

const USER: Party = Party { number: 1, service: "user", home: Home::Outside, port: 0 };
const INGRESS: Party = Party { number: 2, service: "ingress", home: Home::Pod(1, "nginx"), port: 80 };
const A: Party = Party { number: 3, service: "service-a", home: Home::Pod(2, "java"), port: 8080 };
const B: Party = Party { number: 4, service: "service-b", home: Home::Pod(3, "java"), port: 8080 };
const C: Party = Party { number: 5, service: "service-c", home: Home::Pod(4, "python3"), port: 8000 };
const DNS_SERVER: Party = Party { number: 6, service: "coredns", home: Home::Pod(1, "coredns"), port: 53 };
const DATABASE: Party = Party { number: 7, service: "mysql", home: Home::Managed, port: 3306 };
const CACHE: Party = Party { number: 8, service: "redis", home: Home::Pod(3, "redis-server"), port: 6379 };

/// When it begins: 2026-01-01T10:20:30.4 UTC, in µs since the epoch.
const BEGIN_US: i64 = 1_767_262_830_400_000;
/// How much later the other request comes: while the first is still running.
const OTHER_LATER_US: i64 = 9_000;
const SEED: u64 = 20_418;

/// Rows of a flow log, and a question about them.
pub struct World {
    /// What the agents wrote, in the order of row ids: the rows of the trace and those of another request.
    pub rows: Vec<StoredRow>,
    /// Ids of the rows that belong to the trace.
    pub of_the_trace: Vec<u64>,
    /// What the APM knows of the trace: the spans of `service-a`, and those of `service-b` below.
    pub app_spans: Vec<AppSpan>,
}

impl World {
    /// The world of the demo.
    pub fn new() -> World {
        let mut recorder = Recorder::new(Random::new(SEED));
        let app_spans = one_request(&mut recorder, BEGIN_US);
        let of_the_trace = recorder.rows.len();
        // Nobody asks for this request: it shows that a completion takes only what belongs to the trace.
        one_request(&mut recorder, BEGIN_US + OTHER_LATER_US);
        let mut rows = recorder.rows;
        let of_the_trace = number(&mut rows, of_the_trace);
        rows.sort_by_key(|row| row._id);
        World { rows, of_the_trace, app_spans }
    }
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

/// Gives ids as an ingester does, in the order in which exchanges end. Returns those of the first rows.
fn number(rows: &mut [StoredRow], first: usize) -> Vec<u64> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rows[row].end_time);
    for (counter, row) in (1..).zip(order) {
        let row = &mut rows[row];
        row.time = u32::try_from(row.end_time / 1_000_000).unwrap_or(u32::MAX);
        row._id = u64::from(row.time) << 32 | 1 << 22 | counter;
    }
    rows.iter().take(first).map(|row| row._id).collect()
}

/// One user's request through all services. Returns the spans of the APM.
fn one_request(recorder: &mut Recorder, begin_us: i64) -> Vec<AppSpan> {
    let at = |from: i64, to: i64| (begin_us + from, begin_us + to);
    let trace_id = recorder.random.trace_id();
    let x_request_id = recorder.random.trace_id();
    let mut spans = Spans { trace_id: trace_id.clone(), all: Vec::new() };
    let [mut ingress, mut a, mut b, mut c] = [(); 4].map(|()| Thread::new());
    let mut nobody = Thread::new();

    // The ingress makes an X-Request-ID, sends it on, and tells the user.
    let from_user = recorder.request(
        &Exchange { x_request_id: ["", &x_request_id], ..http(USER, INGRESS, "/shop/orders", at(0, 24_310)) },
        &nobody,
        &mut ingress,
    );
    let to_a = recorder.request(
        &Exchange { x_request_id: [&x_request_id, ""], ..http(INGRESS, A, "/orders", at(640, 23_720)) },
        &ingress,
        &mut a,
    );

    // From here on the APM knows the request.
    let serving_a = spans.add(recorder, A, "GET /orders", SpanKind::Server, "", within(to_a.times, 160));
    let work_a =
        spans.add(recorder, A, "OrderController.list", SpanKind::Internal, &serving_a, at(1_480, 22_480));
    let calling_b = spans.add(recorder, A, "GET", SpanKind::Client, &work_a, at(2_050, 21_930));
    let to_b = recorder.request(
        &Exchange { header: Some((&trace_id, &calling_b)), ..http(A, B, "/stock/7", at(2_190, 21_810)) },
        &a,
        &mut b,
    );
    let serving_b =
        spans.add(recorder, B, "GET /stock/{id}", SpanKind::Server, &calling_b, within(to_b.times, 170));

    // Calls whose protocols carry no trace header, one after the other.
    for call in [
        Exchange {
            protocol: L7Protocol::DNS,
            protocol_name: "DNS",
            request_type: "A",
            ..http(B, DNS_SERVER, "mysql.shop.svc.cluster.local", at(3_260, 4_090))
        },
        Exchange {
            protocol: MYSQL,
            protocol_name: "MySQL",
            request_type: "COM_QUERY",
            ..http(B, DATABASE, "SELECT quantity FROM stock WHERE item = ?", at(4_720, 9_840))
        },
        Exchange {
            protocol: REDIS,
            protocol_name: "Redis",
            ..http(B, CACHE, "GET price:7", at(10_430, 11_270))
        },
    ] {
        let mut answering = Thread::new();
        let open = recorder.request(&call, &b, &mut answering);
        recorder.response(&open, &mut b, &answering);
    }

    // The request has the header, but service-c does not read it.
    let calling_c = spans.add(recorder, B, "GET", SpanKind::Client, &serving_b, at(12_060, 19_960));
    let to_c = recorder.request(
        &Exchange { header: Some((&trace_id, &calling_c)), ..http(B, C, "/prices/7", at(12_210, 19_830)) },
        &b,
        &mut c,
    );
    recorder.response(&to_c, &mut b, &c);
    recorder.response(&to_b, &mut a, &b);
    recorder.response(&to_a, &mut ingress, &a);
    recorder.response(&from_user, &mut nobody, &ingress);
    spans.all
}

/// An HTTP exchange without trace headers.
fn http(client: Party, server: Party, resource: &'static str, times: (i64, i64)) -> Exchange<'static> {
    Exchange {
        client,
        server,
        protocol: HTTP,
        protocol_name: "HTTP",
        request_type: "GET",
        resource,
        header: None,
        x_request_id: ["", ""],
        times,
    }
}

fn within((start, end): (i64, i64), margin: i64) -> (i64, i64) {
    (start + margin, end - margin)
}

/// What the APM collects of one trace.
struct Spans {
    trace_id: String,
    all: Vec<AppSpan>,
}

impl Spans {
    fn add(
        &mut self,
        recorder: &mut Recorder,
        party: Party,
        name: &str,
        span_kind: SpanKind,
        parent: &str,
        (start_time_us, end_time_us): (i64, i64),
    ) -> String {
        let span_id = recorder.random.span_id();
        self.all.push(AppSpan {
            trace_id: self.trace_id.clone(),
            span_id: span_id.clone(),
            parent_span_id: parent.to_owned(),
            span_kind,
            start_time_us,
            end_time_us,
            name: name.to_owned(),
            app_service: party.service.to_owned(),
            app_instance: format!("{}-0", party.service),
        });
        span_id
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
