//! The tree while it grows: who is whose parent, and why (R-LINK).

use super::{clock::ClockObserver, flows::Flow};

/// The rule that made a link, weakest first: where parents form a ring, the weakest link gives way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rule {
    /// Evidence: an exchange of one trace or X-Request-ID that ends where this one begins.
    Preceding,
    /// Evidence: the server span of the process, of one trace.
    ServesByTraceId,
    /// Evidence: the innermost application span of the process around the call.
    EnclosingAppSpan,
    /// Evidence: the only request without the trace around its root for which a thread made calls with it.
    EntryWhereTraceBegins,
    /// Evidence: an exchange of the trace that reaches the resource of an application span.
    EntryByResource,
    /// Evidence: one of several exchanges that carry the id of the named parent.
    EntryBySpanIdOfSeveral,
    /// Evidence: the request that the calls of an application span serve.
    EntryByCalls,
    /// Evidence: an exchange with the same header that ends where this one begins.
    Forwarded,
    /// Evidence: the server span of the process, with the same header.
    ServesBySpanId,
    /// Evidence: the server span of the process, with the same X-Request-ID.
    ServesByXRequestId,
    /// Evidence: the server span of the same thread.
    ServesByThread,
    /// Evidence: the exchange that carries the id of the named parent.
    EntryBySpanId,
    /// Evidence: the application span whose id the call carries.
    CallOfAppSpan,
    /// R-CONN scenario 8.
    SystemByTraceId,
    /// R-CONN scenario 7.
    NetworkByTraceId,
    /// R-CONN scenario 6.
    MessageQueue,
    /// R-CONN scenario 5g.
    GrpcRequestId,
    /// R-CONN scenario 5.
    NetworkToNetwork,
    /// R-CONN scenario 4.
    ProcessRootToApp,
    /// R-CONN scenario 3.
    ProcessToProcess,
    /// R-CONN scenario 2.
    NetworkToProcess,
    /// R-CONN scenario 1.
    ProcessToNetwork,
    /// R-PSS-15: another client span of the process, of the same thread or trace.
    Brother,
    /// R-PSS-14.
    PrecedingParent,
    /// R-PSS-13b.
    UnixSocketChild,
    /// R-PSS-13a.
    ProcessParent,
    /// R-PSS-10.
    AttachedByXRequestId,
    /// R-PSS-9.
    AttachedBySyscall,
    /// R-PSS-6, R-PSS-7.
    AttachedBySpanId,
    /// R-PSS-2.
    AppParent,
    /// R-NET-9.
    NetworkPath,
}

impl Rule {
    /// Its name in explanations: the rule of `algorithm.md`, or the deviation of `docs/differences.md`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Rule::Preceding => "evidence/preceding-exchange",
            Rule::ServesByTraceId => "evidence/own-request-by-trace-id",
            Rule::EnclosingAppSpan => "evidence/enclosing-app-span",
            Rule::EntryWhereTraceBegins => "evidence/entry-where-trace-begins",
            Rule::EntryByResource => "evidence/entry-by-resource",
            Rule::EntryBySpanIdOfSeveral => "evidence/entry-by-span-id-of-several",
            Rule::EntryByCalls => "evidence/entry-by-calls",
            Rule::Forwarded => "evidence/forwarded-header",
            Rule::ServesBySpanId => "evidence/own-request-by-span-id",
            Rule::ServesByXRequestId => "evidence/own-request-by-x-request-id",
            Rule::ServesByThread => "evidence/own-request-by-thread",
            Rule::EntryBySpanId => "evidence/entry-by-span-id",
            Rule::CallOfAppSpan => "evidence/call-of-app-span",
            Rule::SystemByTraceId => "R-CONN scenario 8",
            Rule::NetworkByTraceId => "R-CONN scenario 7",
            Rule::MessageQueue => "R-CONN scenario 6",
            Rule::GrpcRequestId => "R-CONN scenario 5g",
            Rule::NetworkToNetwork => "R-CONN scenario 5",
            Rule::ProcessRootToApp => "R-CONN scenario 4",
            Rule::ProcessToProcess => "R-CONN scenario 3",
            Rule::NetworkToProcess => "R-CONN scenario 2",
            Rule::ProcessToNetwork => "R-CONN scenario 1",
            Rule::Brother => "R-PSS-15",
            Rule::PrecedingParent => "R-PSS-14",
            Rule::UnixSocketChild => "R-PSS-13b",
            Rule::ProcessParent => "R-PSS-13a",
            Rule::AttachedByXRequestId => "R-PSS-10",
            Rule::AttachedBySyscall => "R-PSS-9",
            Rule::AttachedBySpanId => "R-PSS-6, R-PSS-7",
            Rule::AppParent => "R-PSS-2",
            Rule::NetworkPath => "R-NET-9",
        }
    }

    /// Whether the rule rests on an id that names one call, one thread or one parent, rather than on time
    /// and trace alone.
    pub(super) fn is_strong(self) -> bool {
        match self {
            Rule::Preceding
            | Rule::ServesByTraceId
            | Rule::EnclosingAppSpan
            | Rule::EntryWhereTraceBegins
            | Rule::EntryByResource
            | Rule::EntryBySpanIdOfSeveral
            | Rule::SystemByTraceId
            | Rule::NetworkByTraceId
            | Rule::MessageQueue
            | Rule::GrpcRequestId
            | Rule::Brother
            | Rule::PrecedingParent => false,
            Rule::EntryByCalls
            | Rule::Forwarded
            | Rule::ServesBySpanId
            | Rule::ServesByXRequestId
            | Rule::ServesByThread
            | Rule::EntryBySpanId
            | Rule::CallOfAppSpan
            | Rule::NetworkToNetwork
            | Rule::ProcessRootToApp
            | Rule::ProcessToProcess
            | Rule::NetworkToProcess
            | Rule::ProcessToNetwork
            | Rule::UnixSocketChild
            | Rule::ProcessParent
            | Rule::AttachedByXRequestId
            | Rule::AttachedBySyscall
            | Rule::AttachedBySpanId
            | Rule::AppParent
            | Rule::NetworkPath => true,
        }
    }
}

/// What becomes of a tree when it is done.
pub(super) struct Grown {
    /// Parent of each node.
    pub(super) parents: Vec<Option<u32>>,
    /// The rule that chose it; also of a node whose ring was opened there, which has no parent.
    pub(super) rules: Vec<Option<Rule>>,
    pub(super) clock: ClockObserver,
}

/// The parents of all nodes.
pub(super) struct Tree<'a> {
    pub(super) flows: &'a [Flow],
    parents: Vec<Option<u32>>,
    rules: Vec<Option<Rule>>,
    child_counts: Vec<u32>,
    pub(super) clock: ClockObserver,
}

impl<'a> Tree<'a> {
    /// No links yet.
    pub(super) fn new(flows: &'a [Flow], clock: ClockObserver) -> Self {
        Tree {
            flows,
            parents: vec![None; flows.len()],
            rules: vec![None; flows.len()],
            child_counts: vec![0; flows.len()],
            clock,
        }
    }

    pub(super) fn flow(&self, node: u32) -> &'a Flow {
        &self.flows[node as usize]
    }

    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        self.parents[node as usize]
    }

    pub(super) fn child_count(&self, node: u32) -> u32 {
        self.child_counts[node as usize]
    }

    /// R-PSS-8: the one place where a count is taken back.
    pub(super) fn forget_child(&mut self, node: u32) {
        let count = &mut self.child_counts[node as usize];
        *count = count.saturating_sub(1);
    }

    /// R-LINK. The last link of a child decides; none makes a node its own parent.
    pub(super) fn link(&mut self, child: u32, parent: u32, rule: Rule) {
        if child == parent {
            return;
        }
        self.clock.observe(self.flow(parent), self.flow(child), (parent, child));
        self.parents[child as usize] = Some(parent);
        self.rules[child as usize] = Some(rule);
        self.child_counts[parent as usize] += 1;
    }

    /// The parents, with every ring opened at its weakest link; of equal ones at the child that starts
    /// first. (The original loses the spans of a ring, Q-18.)
    pub(super) fn into_forest(self) -> Grown {
        let Tree { flows, mut parents, rules, clock, .. } = self;
        // 0: not visited, otherwise the walk that came here first.
        let mut walks = vec![0u32; parents.len()];
        for start in 0..parents.len() {
            let walk = start as u32 + 1;
            let mut at = start;
            while walks[at] == 0 {
                walks[at] = walk;
                match parents[at] {
                    Some(parent) => at = parent as usize,
                    None => break,
                }
            }
            if walks[at] != walk || parents[at].is_none() {
                continue;
            }
            let mut ring = vec![at];
            let mut next = parents[at];
            while let Some(node) = next.map(|node| node as usize).filter(|&node| node != at) {
                ring.push(node);
                next = parents[node];
            }
            let weakest = ring.into_iter().min_by_key(|&node| {
                let key = flows[node].key();
                (rules[node], key.start_us, std::cmp::Reverse(key.end_us), node)
            });
            if let Some(weakest) = weakest {
                parents[weakest] = None;
            }
        }
        Grown { parents, rules, clock }
    }
}
