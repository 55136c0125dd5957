//! A few rows whose values come from tiny pools: everything is related to everything, and all rules fire.

use trace_completion::{
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::StoredRow,
};

use super::{World, options, random::Random, request_span_name};

const SECOND: i64 = 1_767_000_000;
const START: i64 = SECOND * 1_000_000;

pub fn world(random: &mut Random) -> World {
    let pools = Pools::new(random);
    let mut rows: Vec<StoredRow> =
        (0..random.range(2, 14)).map(|number| pools.row(number as u64, random)).collect();
    if random.chance(15) {
        one_exchange(&mut rows, random);
    }
    let app_spans = (0..random.range(1, 5)).map(|position| pools.span(position as usize, random)).collect();
    let request = CompletionRequest {
        max_iteration: 30,
        network_delay_us: random.pick(&[1, 2_000, 50_000]),
        host_clock_offset_us: random.pick(&[1, 3_000, 10_000]),
        explain: false,
        app_spans,
    };
    World { rows, request, tracing: options(random), truth: Vec::new() }
}

/// Makes all rows captures of one exchange, so that network sets are long.
fn one_exchange(rows: &mut [StoredRow], random: &mut Random) {
    let (req_tcp_seq, l7_protocol) = (random.pick(&[0, 5]), random.pick(&[20, 41]));
    for row in rows {
        if row.signal_source == 4 {
            continue;
        }
        *row = StoredRow {
            _id: row._id,
            time: row.time,
            agent_id: random.pick(&[0, 1, 2, 3]),
            req_tcp_seq,
            resp_tcp_seq: 8,
            protocol: 6,
            r#type: 2,
            l7_protocol,
            request_id: None,
            start_time: START + random.range(0, 3),
            end_time: START + random.range(3, 6),
            trace_id: String::new(),
            _trace_id_2: String::new(),
            span_id: String::new(),
            x_request_id_0: String::new(),
            x_request_id_1: String::new(),
            endpoint: String::new(),
            request_type: String::new(),
            request_domain: String::new(),
            request_resource: String::new(),
            ..row.clone()
        };
    }
}

/// What one world is made of. Some worlds are about one thing only, so that rarely used rules are reached too.
struct Pools {
    signal_sources: Vec<u16>,
    l7_protocols: Vec<u8>,
    agents: Vec<u16>,
    /// Percent of keys of each kind that are there.
    syscalls: u64,
    x_request_ids: u64,
    tcp_seqs: u64,
    span_ids: u64,
    halves: u64,
    asynchronous: u64,
    unix: u64,
    services: u64,
    span_pool: Vec<&'static str>,
    trace_pool: Vec<&'static str>,
    spread_us: i64,
}

impl Pools {
    fn new(random: &mut Random) -> Self {
        let trace_pools: [&[&str]; 4] = [
            &["t1"],
            &["t1", "t1", "t1", ""],
            &["t1", "t2", "t1, t2", ""],
            &["t1", "t1,t2", " t2 , t3", "t3", ""],
        ];
        let span_pools: [&[&str]; 3] = [
            &["a", "b"],
            &["a", "b", "c", "0123456789abcdef"],
            &["a", "b", "c", "d", "e", "f", "root", "101"],
        ];
        let percents = [0, 15, 50, 90];
        Pools {
            signal_sources: random.pick(&[
                vec![3],
                vec![0],
                vec![0, 3],
                vec![0, 3, 4],
                vec![3, 4],
                vec![4],
                vec![0, 1, 3, 4],
            ]),
            l7_protocols: random.pick(&[
                vec![20],
                vec![20],
                vec![20, 60],
                vec![21, 41],
                vec![108],
                vec![48, 108],
                vec![120],
                vec![0, 20, 21, 41, 60, 108, 120],
            ]),
            agents: random.pick(&[vec![1], vec![1, 1, 2], vec![1, 2, 3], vec![0, 1]]),
            syscalls: random.pick(&percents),
            x_request_ids: random.pick(&percents),
            tcp_seqs: random.pick(&percents),
            span_ids: random.pick(&percents),
            halves: random.pick(&[0, 10, 70]),
            asynchronous: random.pick(&[0, 10, 90]),
            unix: random.pick(&[0, 10, 90]),
            services: random.pick(&[0, 50]),
            span_pool: random.pick(&span_pools).to_vec(),
            trace_pool: random.pick(&trace_pools).to_vec(),
            spread_us: random.pick(&[0, 5, 20_000, 5_000_000]),
        }
    }

    /// Start and end on a coarse grid, so that ties, covers and gaps are all common.
    fn times(&self, random: &mut Random) -> (i64, i64) {
        let step = self.spread_us.max(1);
        let start = random.range(0, 8) * step;
        let end = start + random.range(0, 8) * step;
        (START + start, START + end)
    }

    fn sometimes<T: Default + Clone>(&self, percent: u64, pool: &[T], random: &mut Random) -> T {
        if random.chance(percent) { random.pick(pool) } else { T::default() }
    }

    fn span_id(&self, random: &mut Random) -> String {
        self.sometimes(self.span_ids, &self.span_pool, random).to_owned()
    }

    fn row(&self, number: u64, random: &mut Random) -> StoredRow {
        let signal_source = random.pick(&self.signal_sources);
        let point = match signal_source {
            3 => random.pick(&["c-p", "s-p", "c-p", "s-p", "c-p", "s-p", "s-p", "c", "weird"]),
            4 => random.pick(&["c-app", "s-app", "app"]),
            _ => random.pick(&[
                "c", "c-nd", "c-hv", "c-gw", "c-gw-hv", "s-gw", "s-gw-hv", "s-hv", "s-nd", "s", "rest",
                "local", "c", "s", "s-p", "x",
            ]),
        };
        let (start, end) = self.times(random);
        let kind = if random.chance(self.halves) { random.pick(&[0, 1, 0, 1, 2]) } else { 2 };
        let mut row = StoredRow {
            _id: ((end / 1_000_000) as u64) << 32 | (number + 1),
            time: (end / 1_000_000) as u32,
            agent_id: random.pick(&self.agents),
            observation_point: point.to_owned(),
            signal_source,
            is_ipv4: 1,
            ip4_0: Some(random.pick(&[[10, 0, 0, 1], [10, 0, 0, 2]]).into()),
            ip4_1: Some(random.pick(&[[10, 0, 0, 1], [10, 0, 0, 2]]).into()),
            protocol: random.pick(&[6, 6, 6, 17, 0]),
            server_port: if random.chance(self.unix) { 1 } else { random.pick(&[0, 80]) },
            flow_id: random.pick(&[0, 1, 1, 2]),
            req_tcp_seq: self.sometimes(self.tcp_seqs, &[0, 5, 6, 7], random),
            resp_tcp_seq: self.sometimes(self.tcp_seqs, &[0, 5, 8, 9], random),
            start_time: start,
            end_time: end,
            r#type: kind,
            l7_protocol: random.pick(&self.l7_protocols),
            is_async: u8::from(random.chance(self.asynchronous)),
            response_duration: if random.chance(80) {
                (end - start) as u64
            } else {
                random.pick(&[0, 1, 20_000])
            },
            syscall_trace_id_request: self.sometimes(self.syscalls, &[0, 1, 2, 3], random),
            syscall_trace_id_response: self.sometimes(self.syscalls, &[0, 1, 2, 3, 4], random),
            syscall_cap_seq_0: random.pick(&[0, 1, 2, 3]),
            syscall_cap_seq_1: random.pick(&[0, 1, 2, 3]),
            x_request_id_0: self.sometimes(self.x_request_ids, &["", "x", "y"], random).to_owned(),
            x_request_id_1: self.sometimes(self.x_request_ids, &["", "x", "y", "z"], random).to_owned(),
            request_id: random.pick(&[None, None, None, Some(0), Some(1), Some(2)]),
            trace_id: random.pick(&self.trace_pool).to_owned(),
            _trace_id_2: if random.chance(5) { "t2".to_owned() } else { String::new() },
            span_id: self.span_id(random),
            parent_span_id: if signal_source == 4 || random.chance(20) {
                self.span_id(random)
            } else {
                String::new()
            },
            ..StoredRow::default()
        };
        self.dress(&mut row, random);
        row
    }

    /// What only conflicts and resources look at.
    fn dress(&self, row: &mut StoredRow, random: &mut Random) {
        let text = |random: &mut Random, percent: u64, pool: &[&str]| {
            if random.chance(percent) { random.pick(pool).to_owned() } else { String::new() }
        };
        row.process_id_0 = random.pick(&[0, 7, 7, 8]);
        row.process_id_1 = random.pick(&[0, 7, 7, 8]);
        let types = [10, 10, 10, 1, 14, 0, 255, 120];
        row.auto_instance_type_0 = random.pick(&types);
        row.auto_instance_type_1 = random.pick(&types);
        row.auto_instance_id_0 = random.pick(&[0, 101, 101, 102]);
        row.auto_instance_id_1 = random.pick(&[0, 101, 101, 102]);
        row.auto_instance_0 = text(random, 80, &["pod", "0", "101"]);
        row.auto_instance_1 = text(random, 80, &["pod", "0", "101"]);
        row.app_instance = text(random, 50, &["pod", "app"]);
        row.app_service = text(random, self.services, &["front", "back", "front"]);
        let types = [102, 102, 255, 0, 104];
        row.auto_service_type_0 = random.pick(&types);
        row.auto_service_type_1 = random.pick(&types);
        row.auto_service_id_0 = random.pick(&[0, 11, 12, 13]);
        row.auto_service_id_1 = random.pick(&[0, 11, 12, 13]);
        row.auto_service_0 = text(random, 80, &["svc-1", "svc-2"]);
        row.auto_service_1 = text(random, 80, &["svc-1", "svc-3"]);
        row.subnet_id_0 = random.pick(&[0, 1, 2]);
        row.subnet_id_1 = random.pick(&[0, 1, 2]);
        row.subnet_0 = text(random, 60, &["net-1", "net-2"]);
        row.subnet_1 = text(random, 60, &["net-1", "net-2"]);
        row.gprocess_0 = text(random, 30, &["g1", "g2"]);
        row.gprocess_1 = text(random, 30, &["g1", "g2"]);
        row.process_kname_0 = text(random, 30, &["java", "go"]);
        row.process_kname_1 = text(random, 30, &["java", "go"]);
        if random.chance(10) {
            row.endpoint = text(random, 80, &["/a", "/b"]);
            row.request_type = text(random, 50, &["GET", "PUT"]);
            row.request_domain = text(random, 50, &["one", "two"]);
            row.request_resource = text(random, 80, &["/a", "/b"]);
            if random.chance(10) {
                let long = "é".repeat(1024);
                row.request_resource = random.pick(&[long.clone() + "1", long.clone() + "2", long]);
            }
            row.biz_protocol = text(random, 50, &["HTTP", "HTTP2", "gRPC"]);
            row.version = text(random, 50, &["1", "2"]);
            row.http_proxy_client = text(random, 50, &["10.1.1.1", "10.1.1.2"]);
            row.response_code = random.pick(&[None, Some(0), Some(200), Some(500)]);
            row.response_exception = text(random, 50, &["bad", "worse"]);
            row.response_result = text(random, 50, &["r1", "r2"]);
            row.response_status = random.pick(&[0, 3]);
            row.is_tls = random.pick(&[0, 1]);
        }
    }

    fn span(&self, position: usize, random: &mut Random) -> AppSpan {
        let (start_time_us, end_time_us) = self.times(random);
        AppSpan {
            trace_id: random.pick(&self.trace_pool).to_owned(),
            span_id: random.pick(&self.span_pool).to_owned(),
            parent_span_id: self.span_id(random),
            span_kind: SpanKind::from_number(random.range(0, 5)).unwrap(),
            start_time_us,
            end_time_us,
            name: request_span_name(position),
            ..AppSpan::default()
        }
    }
}
