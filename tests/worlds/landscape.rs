//! Hosts with agents and clocks, processes, and the services that they run.

use std::net::Ipv4Addr;

use trace_completion::flow_log::StoredRow;

use super::random::Random;

/// What a service speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Http,
    Http2,
    Grpc,
    Dubbo,
    MySql,
    Redis,
    Dns,
    WebSphereMq,
    Iso8583,
}

impl Protocol {
    pub fn number(self) -> u8 {
        match self {
            Protocol::Http => 20,
            Protocol::Http2 => 21,
            Protocol::Grpc => 41,
            Protocol::Dubbo => 40,
            Protocol::MySql => 60,
            Protocol::Redis => 80,
            Protocol::Dns => 120,
            Protocol::WebSphereMq => 108,
            Protocol::Iso8583 => 48,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Http2 => "HTTP2",
            Protocol::Grpc => "gRPC",
            Protocol::Dubbo => "Dubbo",
            Protocol::MySql => "MySQL",
            Protocol::Redis => "Redis",
            Protocol::Dns => "DNS",
            Protocol::WebSphereMq => "WebSphereMQ",
            Protocol::Iso8583 => "ISO8583",
        }
    }

    /// Requests carry headers, and with them trace ids.
    pub fn has_headers(self) -> bool {
        !matches!(self, Protocol::MySql | Protocol::Redis | Protocol::Dns)
    }

    /// The agent leaves request and response apart.
    pub fn is_async(self) -> bool {
        matches!(self, Protocol::WebSphereMq | Protocol::Iso8583)
    }

    pub fn numbers_requests(self) -> bool {
        matches!(self, Protocol::Grpc | Protocol::Http2 | Protocol::Dubbo | Protocol::Dns)
    }
}

/// A host; its agent's clock is off by a constant.
#[derive(Clone, Debug)]
pub struct Host {
    /// `None` where no agent runs.
    pub agent: Option<u16>,
    pub clock_us: i64,
}

/// A service with its one process.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub host: usize,
    pub number: u32,
    pub process_id: i32,
    pub instance_type: u8,
    pub service_type: u8,
    pub protocol: Protocol,
    /// It writes application spans.
    pub instrumented: bool,
    /// Not instrumented, but passes headers on.
    pub forwards: bool,
    /// Sends each request on under an x_request_id of its own.
    pub gateway: bool,
    /// One thread serves a request from begin to end, so that syscall ids tie its calls together.
    pub one_thread: bool,
    /// It makes calls.
    pub calls: bool,
}

#[derive(Clone, Debug)]
pub struct Landscape {
    pub hosts: Vec<Host>,
    pub services: Vec<Service>,
}

impl Landscape {
    pub fn new(random: &mut Random) -> Self {
        let skew = random.pick(&[0, 0, 0, 1_000, 8_000, 50_000]);
        let unwatched = random.pick(&[0, 0, 10, 40]);
        let hosts: Vec<Host> = (1..=random.range(1, 5) as u16)
            .map(|agent| Host {
                agent: (!random.chance(unwatched)).then_some(agent),
                clock_us: random.range(-skew, skew),
            })
            .collect();
        let instrumented = random.pick(&[0, 30, 60, 100]);
        let one_thread = random.pick(&[100, 100, 50]);
        let gateways = random.pick(&[0, 0, 40]);
        let services = (0..random.range(2, 8) as u32)
            .map(|number| {
                let backend = number > 1 && random.chance(30);
                let protocol = if backend {
                    random.pick(&[Protocol::MySql, Protocol::Redis, Protocol::Dns, Protocol::MySql])
                } else {
                    random.pick(&[
                        Protocol::Http,
                        Protocol::Http,
                        Protocol::Http,
                        Protocol::Grpc,
                        Protocol::Http2,
                        Protocol::Dubbo,
                        Protocol::WebSphereMq,
                        Protocol::Iso8583,
                    ])
                };
                let instance_type = random.pick(&[10, 10, 10, 10, 1, 14, 120, 255]);
                Service {
                    name: format!("svc-{number}"),
                    host: random.below(hosts.len()),
                    number,
                    process_id: 1000 + number as i32,
                    instance_type,
                    service_type: if instance_type == 255 { 255 } else { random.pick(&[102, 102, 104, 130]) },
                    protocol,
                    // Somebody has to ask for the completion of something.
                    instrumented: number == 0 || !backend && random.chance(instrumented),
                    forwards: random.chance(70),
                    gateway: !backend && random.chance(gateways),
                    one_thread: random.chance(one_thread),
                    calls: !backend,
                }
            })
            .collect();
        Landscape { hosts, services }
    }

    pub fn host_of(&self, service: usize) -> &Host {
        &self.hosts[self.services[service].host]
    }

    /// The columns that say who speaks with whom.
    pub fn name_sides(&self, row: &mut StoredRow, client: usize, server: usize) {
        let (c, s) = (&self.services[client], &self.services[server]);
        row.is_ipv4 = 1;
        row.ip4_0 = Some(c.ip());
        row.ip4_1 = Some(s.ip());
        row.subnet_id_0 = c.host as u16 + 1;
        row.subnet_id_1 = s.host as u16 + 1;
        row.subnet_0 = format!("net-{}", c.host + 1);
        row.subnet_1 = format!("net-{}", s.host + 1);
        row.auto_instance_type_0 = c.instance_type;
        row.auto_instance_type_1 = s.instance_type;
        row.auto_instance_id_0 = c.instance_id();
        row.auto_instance_id_1 = s.instance_id();
        row.auto_instance_0 = c.instance_name();
        row.auto_instance_1 = s.instance_name();
        row.auto_service_type_0 = c.service_type;
        row.auto_service_type_1 = s.service_type;
        row.auto_service_id_0 =
            if c.service_type == 255 { u32::from(row.subnet_id_0) } else { c.number + 11 };
        row.auto_service_id_1 =
            if s.service_type == 255 { u32::from(row.subnet_id_1) } else { s.number + 11 };
        row.auto_service_0 = if c.service_type == 255 { c.ip().to_string() } else { c.name.clone() };
        row.auto_service_1 = if s.service_type == 255 { s.ip().to_string() } else { s.name.clone() };
    }
}

impl Service {
    fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(172, 16, 0, self.number as u8 + 2)
    }

    /// Processes on a bare host are the host; the subnet where nothing is known.
    fn instance_id(&self) -> u32 {
        match self.instance_type {
            10 | 120 => 101 + self.number,
            255 => self.host as u32 + 1,
            _ => 501 + self.host as u32,
        }
    }

    pub fn instance_name(&self) -> String {
        match self.instance_type {
            10 | 120 => format!("{}-0", self.name),
            255 => self.ip().to_string(),
            _ => format!("host-{}", self.host),
        }
    }
}
