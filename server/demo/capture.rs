//! What agents write of one exchange: a row for each point of its path that one of them sees.

use std::net::Ipv4Addr;

use super::random::Random;
use crate::{
    flow::{L4Protocol, L7Protocol, LogType, SignalSource},
    flow_log::StoredRow,
};

/// DeepFlow's numbers of resources: a Kubernetes pod, a Kubernetes service, a managed database, an address
/// outside.
const POD: u8 = 10;
const SERVICE: u8 = 102;
const MANAGED_DATABASE: u8 = 13;
const INTERNET: u8 = 0;
/// The NIC type of what eBPF captures.
const EBPF_NIC: u8 = 7;
/// The only capture network that DeepFlow has by default.
const CLOUD_NETWORK: u8 = 3;

/// Someone who sends or answers requests.
#[derive(Clone, Copy)]
pub(super) struct Party {
    /// Numbers its resources and processes, from 1.
    pub(super) number: u8,
    /// Name of its service.
    pub(super) service: &'static str,
    /// What it runs as.
    pub(super) home: Home,
    /// Port that it answers at.
    pub(super) port: u16,
}

/// Where a party runs, which decides what agents see of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// A pod on the node of this agent, with a process of this name.
    Pod(u16, &'static str),
    /// Managed by the cloud, where no agent looks.
    Managed,
    /// Somewhere in the Internet.
    Outside,
}

impl Party {
    fn agent(self) -> Option<u16> {
        match self.home {
            Home::Pod(agent, _) => Some(agent),
            Home::Managed | Home::Outside => None,
        }
    }

    fn address(self) -> Ipv4Addr {
        match self.home {
            Home::Pod(agent, _) => Ipv4Addr::new(10, 42, agent.to_le_bytes()[0], 10 + self.number),
            Home::Managed => Ipv4Addr::new(10, 8, 0, 10 + self.number),
            Home::Outside => Ipv4Addr::new(203, 0, 113, 10 + self.number),
        }
    }
}

/// The syscall trace ids of one thread (data-model section 9). Data that the thread reads gets a new id, and
/// the data that it writes next gets the same id. So a call that the thread makes has the id of what it read
/// last, and the response to that call has the id of what it writes next.
pub(super) struct Thread {
    /// Id of what the thread read last.
    last_read: u64,
}

impl Thread {
    /// A thread that has read nothing yet.
    pub(super) fn new() -> Self {
        Thread { last_read: 0 }
    }

    fn reads(&mut self, recorder: &mut Recorder) -> u64 {
        // Ids grow with each read of any thread.
        recorder.last_syscall_id += u64::from(recorder.random.within(1, 9));
        self.last_read = recorder.last_syscall_id;
        self.last_read
    }
}

/// A request and its response.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) client: Party,
    pub(super) server: Party,
    pub(super) protocol: L7Protocol,
    pub(super) protocol_name: &'static str,
    pub(super) request_type: &'a str,
    pub(super) resource: &'a str,
    /// Trace id and span id of the client's span, if the request carries them.
    pub(super) header: Option<(&'a str, &'a str)>,
    /// X-Request-ID of the request and of the response.
    pub(super) x_request_id: [&'a str; 2],
    /// When the first point sees the request and the response, in µs since the epoch.
    pub(super) times: (i64, i64),
}

/// The rows so far, and the state of the eBPF of all agents.
pub(super) struct Recorder {
    pub(super) random: Random,
    pub(super) rows: Vec<StoredRow>,
    last_syscall_id: u64,
}

/// An exchange without its response yet: its rows are written, except for the syscall trace ids of the
/// response.
pub(super) struct Open {
    /// Row of the client process.
    client: Option<usize>,
    /// Row of the server process.
    server: Option<usize>,
    /// When the last point saw the request and the response.
    pub(super) times: (i64, i64),
}

impl Recorder {
    pub(super) fn new(mut random: Random) -> Self {
        // Any large number: a real one depends on the time of the boot.
        let last_syscall_id = u64::from(random.next_u32()) << 18;
        Recorder { random, rows: Vec::new(), last_syscall_id }
    }

    /// A client's thread sends a request, and a server's thread reads it.
    pub(super) fn request(&mut self, exchange: &Exchange<'_>, client: &Thread, server: &mut Thread) -> Open {
        let open = self.path(exchange);
        if let Some(row) = open.client {
            self.rows[row].syscall_trace_id_request = client.last_read;
        }
        if let Some(row) = open.server {
            let id = server.reads(self);
            self.rows[row].syscall_trace_id_request = id;
        }
        open
    }

    /// The server's thread sends the response, and the client's thread reads it.
    pub(super) fn response(&mut self, open: &Open, client: &mut Thread, server: &Thread) {
        if let Some(row) = open.server {
            self.rows[row].syscall_trace_id_response = server.last_read;
        }
        if let Some(row) = open.client {
            let id = client.reads(self);
            self.rows[row].syscall_trace_id_response = id;
        }
    }

    /// The rows of all points of the path, client first. Each point is a little further from the client:
    /// it sees the request later and the response earlier.
    fn path(&mut self, exchange: &Exchange<'_>) -> Open {
        let Exchange { client, server, .. } = *exchange;
        let points: &[&str] = match (client.agent(), server.agent()) {
            (Some(from), Some(to)) if from == to => &["c-p", "c", "s", "s-p"],
            (Some(_), Some(_)) => &["c-p", "c", "c-nd", "s-nd", "s", "s-p"],
            (Some(_), None) => &["c-p", "c", "c-nd"],
            (None, Some(_)) => &["s", "s-p"],
            (None, None) => &[],
        };
        let flow = Flow::new(exchange, &mut self.random);
        let mut open = Open { client: None, server: None, times: exchange.times };
        for (hop, point) in points.iter().enumerate() {
            if hop > 0 {
                let (there, back) = (self.random.within(14, 52), self.random.within(14, 52));
                open.times = (open.times.0 + i64::from(there), open.times.1 - i64::from(back));
            }
            let row = self.row(exchange, &flow, point, open.times);
            match *point {
                "c-p" => open.client = Some(self.rows.len()),
                "s-p" => open.server = Some(self.rows.len()),
                _ => {}
            }
            self.rows.push(row);
        }
        open
    }

    fn row(&mut self, exchange: &Exchange<'_>, flow: &Flow, point: &str, times: (i64, i64)) -> StoredRow {
        let Exchange { client, server, .. } = *exchange;
        let at_client = point.starts_with('c');
        let process = matches!(point, "c-p" | "s-p");
        let observer = if at_client { client } else { server };
        let agent = observer.agent().unwrap_or_default();
        let (trace_id, span_id) = exchange.header.unwrap_or_default();
        let http = exchange.protocol_name == "HTTP";
        let capture = self.random.within(3, 60) * 2;
        let number = self.random.next_u32();
        let mut row = StoredRow {
            agent_id: agent,
            observation_point: point.to_owned(),
            signal_source: if process { SignalSource::EBPF.0 } else { SignalSource::PACKET.0 },
            capture_network_type_id: CLOUD_NETWORK,
            capture_network_type: "cloud network".to_owned(),
            capture_nic: if process { String::new() } else { number.to_string() },
            capture_nic_type: if process { EBPF_NIC } else { 0 },
            is_ipv4: 1,
            ip4_0: Some(client.address()),
            ip4_1: Some(server.address()),
            protocol: flow.protocol.0,
            client_port: flow.client_port,
            server_port: server.port,
            // eBPF numbers sockets, with the kind of source in the highest bits; packets belong to flows.
            flow_id: if process {
                3 << 60 | u64::from(number)
            } else {
                u64::from(agent) << 32 | u64::from(number)
            },
            req_tcp_seq: flow.tcp_seqs.0,
            resp_tcp_seq: flow.tcp_seqs.1,
            start_time: times.0,
            end_time: times.1,
            response_duration: times.1.abs_diff(times.0),
            l7_protocol: exchange.protocol.0,
            biz_protocol: exchange.protocol_name.to_owned(),
            version: if http { "1.1".to_owned() } else { String::new() },
            r#type: LogType::SESSION.0,
            request_type: exchange.request_type.to_owned(),
            request_domain: if http { server.service.to_owned() } else { String::new() },
            request_resource: exchange.resource.to_owned(),
            endpoint: if http { exchange.resource.to_owned() } else { String::new() },
            request_id: flow.request_id,
            response_code: http.then_some(200),
            trace_id: trace_id.to_owned(),
            span_id: span_id.to_owned(),
            x_request_id_0: exchange.x_request_id[0].to_owned(),
            x_request_id_1: exchange.x_request_id[1].to_owned(),
            ..StoredRow::default()
        };
        if process {
            (row.syscall_cap_seq_0, row.syscall_cap_seq_1) = (capture, capture + 1);
        }
        name_client(&mut row, client, process && at_client);
        name_server(&mut row, server, process && !at_client);
        row
    }
}

/// What all rows of one exchange share.
struct Flow {
    protocol: L4Protocol,
    client_port: u16,
    tcp_seqs: (u32, u32),
    request_id: Option<u64>,
}

impl Flow {
    fn new(exchange: &Exchange<'_>, random: &mut Random) -> Self {
        let client_port = u16::try_from(random.within(32_768, 60_999)).unwrap_or(u16::MAX);
        if exchange.protocol == L7Protocol::DNS {
            let request_id = Some(u64::from(random.within(1, 65_536)));
            return Flow { protocol: L4Protocol::UDP, client_port, tcp_seqs: (0, 0), request_id };
        }
        let tcp_seqs = (random.next_u32(), random.next_u32());
        Flow { protocol: L4Protocol::TCP, client_port, tcp_seqs, request_id: None }
    }
}

/// The resource of one end: types, ids and names of instance and service.
struct Resource {
    instance: (u8, u32, String),
    service: (u8, u32, String),
    subnet: (u16, String),
}

fn resource(party: Party) -> Resource {
    let id = |base: u32| base + u32::from(party.number);
    let name = || party.service.to_owned();
    match party.home {
        Home::Pod(agent, _) => Resource {
            instance: (POD, id(100), format!("{}-0", party.service)),
            service: (SERVICE, id(10), name()),
            subnet: (agent, format!("node-{agent} pods")),
        },
        Home::Managed => Resource {
            instance: (MANAGED_DATABASE, id(200), name()),
            service: (MANAGED_DATABASE, id(200), name()),
            subnet: (90, "managed databases".to_owned()),
        },
        // The address is all that is known: DeepFlow shows it in place of a name.
        Home::Outside => Resource {
            instance: (INTERNET, 0, String::new()),
            service: (INTERNET, 0, String::new()),
            subnet: (0, String::new()),
        },
    }
}

fn name_client(row: &mut StoredRow, party: Party, own_process: bool) {
    let Resource { instance, service, subnet } = resource(party);
    (row.auto_instance_type_0, row.auto_instance_id_0, row.auto_instance_0) = instance;
    (row.auto_service_type_0, row.auto_service_id_0, row.auto_service_0) = service;
    (row.subnet_id_0, row.subnet_0) = subnet;
    if let Home::Pod(_, process) = party.home
        && own_process
    {
        (row.process_id_0, row.process_kname_0) = (process_id(party), process.to_owned());
        (row.gprocess_id_0, row.gprocess_0) =
            (u32::from(party.number), format!("{process} of {}", party.service));
    }
}

fn name_server(row: &mut StoredRow, party: Party, own_process: bool) {
    let Resource { instance, service, subnet } = resource(party);
    (row.auto_instance_type_1, row.auto_instance_id_1, row.auto_instance_1) = instance;
    (row.auto_service_type_1, row.auto_service_id_1, row.auto_service_1) = service;
    (row.subnet_id_1, row.subnet_1) = subnet;
    if let Home::Pod(_, process) = party.home
        && own_process
    {
        (row.process_id_1, row.process_kname_1) = (process_id(party), process.to_owned());
        (row.gprocess_id_1, row.gprocess_1) =
            (u32::from(party.number), format!("{process} of {}", party.service));
    }
}

fn process_id(party: Party) -> i32 {
    4100 + 7 * i32::from(party.number)
}
