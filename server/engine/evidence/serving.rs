//! Which server span's request a client span serves: both of one process, the server span around the
//! client span, and something that ties the two (deviation "own request").

use rustc_hash::FxHashMap;

use super::{exchange::Exchange, thread::Threads};
use crate::{
    engine::flows::{Flow, Instance, POD},
    flow::{AgentId, LogType, SyscallTraceId, Text},
};

/// What ties a client span to a server span, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Tie {
    /// The trace.
    TraceId,
    /// The span id, as where a process forwards its header unchanged.
    SpanId,
    /// The X-Request-ID.
    XRequestId,
    /// The thread's chain of syscalls.
    Thread,
}

/// A process: by its id on the host, or by its pod where the id is not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Process {
    Id(AgentId, i32),
    Pod(AgentId, Instance),
}

/// The process of a process span, if it is known.
pub(super) fn process(flow: &Flow) -> Option<Process> {
    let agent = flow.key().agent;
    if flow.process() != 0 {
        Some(Process::Id(agent, flow.process()))
    } else if flow.instance_type() == POD && flow.instance() != Instance::Number(0) {
        Some(Process::Pod(agent, flow.instance()))
    } else {
        None
    }
}

/// Server spans, filed by what ties client spans to them; each file by start.
pub(super) struct Servers<'a> {
    flows: &'a [Flow],
    by_thread: Files<u32>,
    by_x_request_id: Files<(Process, Text)>,
    by_span_id: Files<(Process, Text)>,
    by_trace_id: Files<(Process, Text)>,
}

type Files<K> = FxHashMap<K, Vec<u32>>;

impl<'a> Servers<'a> {
    pub(super) fn of(flows: &'a [Flow], exchanges: &[Exchange], threads: &Threads) -> Self {
        let mut servers = Servers {
            flows,
            by_thread: Files::default(),
            by_x_request_id: Files::default(),
            by_span_id: Files::default(),
            by_trace_id: Files::default(),
        };
        // Flows are in the order of their start, so files are too.
        let mut nodes: Vec<(u32, &Exchange)> =
            exchanges.iter().filter_map(|e| Some((e.server?, e))).collect();
        nodes.sort_unstable_by_key(|&(node, _)| node);
        for (node, exchange) in nodes {
            if let Some(chain) = threads.chain(node) {
                servers.by_thread.entry(chain).or_default().push(node);
            }
            let Some(process) = process(&flows[node as usize]) else { continue };
            for id in exchange.x_request_ids {
                file(&mut servers.by_x_request_id, (process, id), id, node);
            }
            file(&mut servers.by_span_id, (process, exchange.span_id), exchange.span_id, node);
            for id in exchange.trace_ids.iter() {
                file(&mut servers.by_trace_id, (process, id), id, node);
            }
        }
        servers
    }

    /// The server span whose request the client span of `exchange` serves.
    pub(super) fn of_client(
        &self,
        client: u32,
        exchange: &Exchange,
        threads: &Threads,
    ) -> Option<(u32, Tie)> {
        let flow = &self.flows[client as usize];
        let of_thread = threads.chain(client).and_then(|chain| self.by_thread.get(&chain));
        if let Some(server) = of_thread.and_then(|file| self.by_syscall(file, flow)) {
            return Some((server, Tie::Thread));
        }
        let process = process(flow)?;
        let x_request_id = exchange.x_request_ids[0];
        let ties = [
            (Tie::XRequestId, self.by_x_request_id.get(&(process, x_request_id))),
            (Tie::SpanId, self.by_span_id.get(&(process, exchange.span_id))),
        ];
        for (tie, file) in ties {
            if let Some(server) = file.and_then(|file| self.innermost(file, flow)) {
                return Some((server, tie));
            }
        }
        let of_trace = exchange.trace_ids.iter().filter_map(|id| self.by_trace_id.get(&(process, id)));
        let server = of_trace.filter_map(|file| self.innermost(file, flow)).max()?;
        Some((server, Tie::TraceId))
    }

    /// Of the server spans around the client span the one that shares an id with it, else the innermost.
    fn by_syscall(&self, file: &[u32], client: &Flow) -> Option<u32> {
        // Few: one thread's. A server span may have lost its request, so its start says nothing.
        let around =
            || file.iter().rev().copied().filter(|&node| encloses(&self.flows[node as usize], client));
        let (cq, cr) = (client.key().syscall_request, client.key().syscall_response);
        let shares = |server: &u32| {
            let key = self.flows[*server as usize].key();
            let equal = |a: SyscallTraceId, b: SyscallTraceId| !a.is_none() && a == b;
            equal(key.syscall_request, cq) || equal(key.syscall_response, cr)
        };
        around().find(shares).or_else(|| around().next())
    }

    fn innermost(&self, file: &[u32], client: &Flow) -> Option<u32> {
        self.around(file, client).next()
    }

    /// The server spans around a client span of their host, the latest first.
    fn around<'f>(&'f self, file: &'f [u32], client: &'f Flow) -> impl Iterator<Item = u32> + use<'a, 'f> {
        let until =
            file.partition_point(|&node| self.flows[node as usize].key().start_us <= client.key().start_us);
        file[..until].iter().rev().copied().filter(|&node| {
            let server = &self.flows[node as usize];
            server.key().agent == client.key().agent && server.covers_or_lost(client)
        })
    }
}

/// Whether a server span is around a client span of its host, as far as it was seen: of a lost request only
/// the end is known, of a lost response only the start.
fn encloses(server: &Flow, client: &Flow) -> bool {
    let (s, c) = (server.key(), client.key());
    s.agent == c.agent
        && if s.kind == LogType::RESPONSE { s.end_us >= c.end_us } else { server.covers_or_lost(client) }
}

fn file(files: &mut Files<(Process, Text)>, key: (Process, Text), value: Text, node: u32) {
    if !value.is_empty() {
        let file = files.entry(key).or_default();
        if file.last() != Some(&node) {
            file.push(node);
        }
    }
}
