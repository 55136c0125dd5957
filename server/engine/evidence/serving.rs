//! Finds, for each outgoing call, the inbound request it was made for: a server span of the same process
//! around the client span, and something that ties the two (D-4).

use rustc_hash::FxHashMap;

use super::{
    by_start::ByStart,
    exchange::{Exchange, Exchanges},
    thread::Threads,
};
use crate::{
    engine::{
        flows::{Flow, Flows, Instance, POD},
        index::{ChainId, NodeId},
        rule::Rule,
    },
    flow::{AgentId, LogType, SyscallTraceId, Text},
};

/// What ties a client span to a server span, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Tie {
    /// The trace.
    TraceId,
    /// The span id: the process forwards the header unchanged.
    SpanId,
    /// The X-Request-ID.
    XRequestId,
    /// The thread's chain of syscalls.
    Thread,
}

impl Tie {
    /// The rule by which a call that is tied to a server span hangs below it.
    pub(super) fn rule(self) -> Rule {
        match self {
            Tie::TraceId => Rule::ServesByTraceId,
            Tie::SpanId => Rule::ServesBySpanId,
            Tie::XRequestId => Rule::ServesByXRequestId,
            Tie::Thread => Rule::ServesByThread,
        }
    }
}

/// The most server spans of one chain that are looked at around a client span: the innermost.
const MAX_AROUND: usize = 64;

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
    flows: Flows<'a>,
    by_thread: Files<ChainId>,
    /// Those whose request was not captured. Their start does not tell when the request came.
    ends_by_thread: Files<ChainId>,
    by_x_request_id: Files<(Process, Text)>,
    by_span_id: Files<(Process, Text)>,
    by_trace_id: Files<(Process, Text)>,
}

type Files<K> = FxHashMap<K, ByStart<NodeId>>;

impl<'a> Servers<'a> {
    pub(super) fn of(flows: Flows<'a>, exchanges: Exchanges<'_>, threads: &Threads) -> Self {
        let mut servers = Servers {
            flows,
            by_thread: Files::default(),
            ends_by_thread: Files::default(),
            by_x_request_id: Files::default(),
            by_span_id: Files::default(),
            by_trace_id: Files::default(),
        };
        // Flows are in the order of their start, so files are too.
        let mut nodes: Vec<(NodeId, &Exchange)> =
            exchanges.iter().filter_map(|e| Some((e.server?, e))).collect();
        nodes.sort_unstable_by_key(|&(node, _)| node);
        for (node, exchange) in nodes {
            let flow = &flows[node];
            if let Some(chain) = threads.chain(node) {
                let key = flow.key();
                if key.kind == LogType::RESPONSE {
                    servers.ends_by_thread.entry(chain).or_default().push(node, key.start_us, key.end_us);
                } else {
                    servers.by_thread.entry(chain).or_default().push(
                        node,
                        key.start_us,
                        flow.end_or_lost_us(),
                    );
                }
            }
            let Some(process) = process(flow) else { continue };
            for id in exchange.x_request_ids {
                file(&mut servers.by_x_request_id, (process, id), id, node, flow);
            }
            file(&mut servers.by_span_id, (process, exchange.span_id), exchange.span_id, node, flow);
            for id in exchange.trace_ids.iter() {
                file(&mut servers.by_trace_id, (process, id), id, node, flow);
            }
        }
        servers
    }

    /// The server span for whose request the client span of `exchange` made its call, and what ties the two.
    pub(super) fn of_client(
        &self,
        client: NodeId,
        exchange: &Exchange,
        threads: &Threads,
    ) -> Option<(NodeId, Tie)> {
        let flow = &self.flows[client];
        // Where a process calls itself, the server span of the call cannot be the request it was made for.
        let own = exchange.server;
        if let Some(server) = threads.chain(client).and_then(|chain| self.by_syscall(chain, flow, own)) {
            return Some((server, Tie::Thread));
        }
        let process = process(flow)?;
        let x_request_id = exchange.x_request_ids[0];
        let ties = [
            (Tie::XRequestId, self.by_x_request_id.get(&(process, x_request_id))),
            (Tie::SpanId, self.by_span_id.get(&(process, exchange.span_id))),
        ];
        for (tie, file) in ties {
            if let Some(server) = file.and_then(|file| self.innermost(file, flow, own)) {
                return Some((server, tie));
            }
        }
        let of_trace = exchange.trace_ids.iter().filter_map(|id| self.by_trace_id.get(&(process, id)));
        let server = of_trace.filter_map(|file| self.innermost(file, flow, own)).max()?;
        Some((server, Tie::TraceId))
    }

    /// Of the server spans of the thread around the client span, the one that shares a syscall trace id with
    /// it, else the innermost.
    fn by_syscall(&self, chain: ChainId, client: &Flow, own: Option<NodeId>) -> Option<NodeId> {
        let key = client.key();
        let whole = self.by_thread.get(&chain).into_iter().flat_map(|f| f.around(key.start_us, key.end_us));
        let ends = self.ends_by_thread.get(&chain).into_iter().flat_map(|f| f.around(i64::MAX, key.end_us));
        let fits = |&node: &NodeId| Some(node) != own && encloses(&self.flows[node], client);
        let mut around: Vec<NodeId> = whole.filter(fits).take(MAX_AROUND).collect();
        around.extend(ends.filter(fits).take(MAX_AROUND));
        around.sort_unstable();
        let (cq, cr) = (key.syscall_request, key.syscall_response);
        let shares = |server: &&NodeId| {
            let key = self.flows[**server].key();
            let equal = |a: SyscallTraceId, b: SyscallTraceId| !a.is_none() && a == b;
            equal(key.syscall_request, cq) || equal(key.syscall_response, cr)
        };
        around.iter().rev().find(shares).or(around.last()).copied()
    }

    /// The server span that starts last of those around a client span, on the same host.
    fn innermost(&self, file: &ByStart<NodeId>, client: &Flow, own: Option<NodeId>) -> Option<NodeId> {
        let key = client.key();
        file.around(key.start_us, key.end_us).find(|&node| {
            let server = &self.flows[node];
            Some(node) != own && server.key().agent == key.agent
        })
    }
}

/// Whether a server span is around a client span of the same host. If its request was not captured only its
/// end counts, if its response was not captured only its start.
fn encloses(server: &Flow, client: &Flow) -> bool {
    let (s, c) = (server.key(), client.key());
    s.agent == c.agent
        && (s.kind == LogType::RESPONSE || s.start_us <= c.start_us)
        && server.end_or_lost_us() >= c.end_us
}

fn file(files: &mut Files<(Process, Text)>, key: (Process, Text), value: Text, node: NodeId, flow: &Flow) {
    if !value.is_empty() {
        let file = files.entry(key).or_default();
        if file.last() != Some(node) {
            file.push(node, flow.key().start_us, flow.end_or_lost_us());
        }
    }
}
