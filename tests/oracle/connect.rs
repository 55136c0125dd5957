//! Connecting the sets: section 8.

use std::collections::BTreeMap;

use super::{
    Options,
    networks::NetworkSet,
    node::{Class, Graph, Node},
    process_set::ProcessSets,
    relate::{Relations, SPAN, XREQ},
};

/// R-CONN-1.
struct Ends {
    pr: Vec<usize>,
    pl: Vec<usize>,
    nl: Vec<usize>,
    nr: Vec<usize>,
}

struct Connector<'a> {
    graph: &'a mut Graph,
    related: &'a Relations,
    processes: &'a ProcessSets,
    options: &'a Options,
    ends: Ends,
}

pub fn connect(
    graph: &mut Graph,
    related: &Relations,
    processes: &ProcessSets,
    networks: &[NetworkSet],
    options: &Options,
) {
    let ends = ends(graph, processes, networks);
    let mut connector = Connector { graph, related, processes, options, ends };
    connector.scenario_1();
    connector.scenario_2();
    connector.scenario_3();
    connector.scenario_4();
    let mut pending: Vec<(usize, usize)> = Vec::new();
    connector.scenario_5(&mut pending);
    connector.scenario_6(&mut pending);
    for (c, p) in pending {
        connector.graph.link(c, p);
    }
    let mut weak: Vec<(usize, usize)> = Vec::new();
    let mut best: BTreeMap<usize, usize> = BTreeMap::new();
    if options.scenario_7 {
        connector.scenario_7(&mut weak, &mut best);
    }
    if options.scenario_8 {
        connector.scenario_8(&mut weak);
    }
    for (c, p) in weak {
        if best.get(&p).is_none_or(|&best| best == c) {
            connector.graph.link(c, p);
        }
    }
}

fn ends(graph: &Graph, processes: &ProcessSets, networks: &[NetworkSet]) -> Ends {
    let mut ends = Ends { pr: Vec::new(), pl: Vec::new(), nl: Vec::new(), nr: Vec::new() };
    for &set in processes.map.iter().flat_map(|(_, sets)| sets) {
        let spans = &processes.sets[set].spans;
        for &span in spans {
            if graph.nodes[span].parent.is_none() {
                ends.pr.push(span);
            }
            if !spans.iter().any(|&other| graph.nodes[other].parent == Some(span)) {
                ends.pl.push(span);
            }
        }
    }
    for set in networks {
        ends.nr.push(set.members[0]);
        ends.nl.push(set.members[set.members.len() - 1]);
    }
    ends
}

/// Sets the pending parent of `c`, or replaces it where `worse` says so of the known one.
fn propose(pending: &mut Vec<(usize, usize)>, c: usize, p: usize, worse: impl Fn(usize) -> bool) {
    match pending.iter_mut().find(|(child, _)| *child == c) {
        Some((_, known)) if worse(*known) => *known = p,
        Some(_) => {}
        None => pending.push((c, p)),
    }
}

impl Connector<'_> {
    fn node(&self, index: usize) -> &Node {
        &self.graph.nodes[index]
    }

    fn is_app(&self, index: usize) -> bool {
        self.node(index).class == Class::App
    }

    /// Related flows with any of these bits, in map order.
    fn candidates(&self, left: usize, bits: u8) -> Vec<usize> {
        self.related[left].iter().filter(|(_, found)| found & bits != 0).map(|&(other, _)| other).collect()
    }

    /// R-PSS-0.
    fn same_set(&self, a: usize, b: usize) -> bool {
        let (left, right) = (self.node(a).network_set, self.node(b).network_set);
        left.is_some() && left == right || self.processes.same(self.graph, a, b)
    }

    fn is_free(&self, c: usize) -> bool {
        self.node(c).parent.is_none()
    }

    fn is_net_root(&self, c: usize) -> bool {
        self.ends.nr.contains(&c)
    }

    fn is_process_root(&self, c: usize) -> bool {
        self.ends.pr.contains(&c)
    }

    /// R-CONN-3.
    fn cover_guard(&self, p: usize, c: usize) -> bool {
        let (p, c) = (self.node(p), self.node(c));
        p.agent() != c.agent() || p.covers(c)
    }

    /// R-CONN-3.
    fn start_guard(&self, p: usize, c: usize) -> bool {
        let apart = self.is_app(p) || self.is_app(c) || self.node(p).agent() != self.node(c).agent();
        apart || self.node(p).start() <= self.node(c).start()
    }

    /// Same-agent cover guard, and not (C.dur ≠ 0 and P.dur < C.dur).
    fn fits_in_time(&self, p: usize, c: usize, checked: i64) -> bool {
        let shorter = self.node(p).duration() < self.node(c).duration();
        self.cover_guard(p, c) && !(checked != 0 && shorter)
    }

    fn scenario_1(&mut self) {
        for p in self.ends.pl.clone() {
            if self.node(p).tap.starts_with('c') && self.node(p).child_count > 0 {
                continue;
            }
            for c in self.candidates(p, SPAN) {
                let span_id = self.node(p).flow.row.key.span_id;
                let fits = self.is_net_root(c)
                    && self.is_free(c)
                    && !self.same_set(p, c)
                    && (self.is_app(p) || self.fits_in_time(p, c, self.node(c).duration()))
                    && !span_id.is_empty()
                    && span_id == self.node(c).flow.row.key.span_id;
                if fits {
                    self.graph.link(c, p);
                }
            }
        }
    }

    fn scenario_2(&mut self) {
        let last_leaf = self.ends.pl.last().copied();
        for p in self.ends.nl.clone() {
            if self.node(p).tap.starts_with('s') && self.node(p).child_count > 0 {
                continue;
            }
            for c in self.candidates(p, SPAN) {
                let span_id = self.node(p).flow.row.key.span_id;
                let key = self.node(c).flow.row.key;
                let fits = self.is_process_root(c)
                    && self.is_free(c)
                    && !self.same_set(p, c)
                    && (self.is_app(c) || self.fits_in_time(p, c, self.node(p).duration()))
                    && Some(p) != last_leaf
                    && !span_id.is_empty()
                    && (!self.is_app(c) && key.span_id == span_id || key.parent_span_id == span_id);
                if fits {
                    self.graph.link(c, p);
                }
            }
        }
    }

    fn scenario_3(&mut self) {
        for p in self.ends.pl.clone() {
            for c in self.candidates(p, SPAN) {
                let span_id = self.node(p).flow.row.key.span_id;
                let key = self.node(c).flow.row.key;
                let either_app = self.is_app(p) || self.is_app(c);
                let fits = self.is_process_root(c)
                    && self.is_free(c)
                    && !self.same_set(p, c)
                    && (either_app || self.fits_in_time(p, c, self.node(p).duration()))
                    && (!self.is_app(c) && key.span_id == span_id
                        || !span_id.is_empty() && key.parent_span_id == span_id);
                if fits {
                    self.graph.link(c, p);
                }
            }
        }
    }

    fn scenario_4(&mut self) {
        for c in self.ends.pr.clone() {
            let wanted = self.node(c).flow.row.key.parent_span_id;
            if !self.is_free(c) || wanted.is_empty() {
                continue;
            }
            for p in self.candidates(c, SPAN) {
                let fits = self.is_app(p)
                    && !self.same_set(p, c)
                    && self.node(p).covers(self.node(c))
                    && self.node(p).flow.row.key.span_id == wanted;
                if fits {
                    self.graph.link(c, p);
                }
            }
        }
    }

    fn scenario_5(&mut self, pending: &mut Vec<(usize, usize)>) {
        for p in self.ends.nl.clone() {
            for c in self.candidates(p, SPAN | XREQ) {
                let (above, below) = (self.node(p).flow.row.key, self.node(c).flow.row.key);
                let named = [
                    (above.x_request_id_1, below.x_request_id_0),
                    (above.x_request_id_0, below.x_request_id_0),
                    (above.x_request_id_1, below.x_request_id_1),
                    (above.span_id, below.span_id),
                ];
                let fits = self.is_net_root(c)
                    && self.is_free(c)
                    && !self.same_set(p, c)
                    && self.start_guard(p, c)
                    && named.iter().any(|(left, right)| !left.is_empty() && left == right)
                    && self.node(p).duration() >= self.node(c).duration();
                if fits {
                    let duration = self.node(p).duration();
                    propose(pending, c, p, |known| self.graph.nodes[known].duration() > duration);
                }
            }
            self.scenario_5g(p);
        }
    }

    fn scenario_5g(&mut self, p: usize) {
        let id = self.node(p).flow.row.key.request_id.unwrap_or(0);
        if id == 0 {
            return;
        }
        for c in self.ends.nr.clone() {
            let (above, below) = (&self.node(p).flow, &self.node(c).flow);
            let fits = below.row.key.request_id == Some(id)
                && c != p
                && self.is_free(c)
                && !self.same_set(p, c)
                && above.row.key.l7_protocol == below.row.key.l7_protocol
                && above.is_grpc_like()
                && self.node(c).duration() <= self.node(p).duration();
            if fits {
                self.graph.link(c, p);
            }
        }
    }

    fn scenario_6(&mut self, pending: &mut Vec<(usize, usize)>) {
        let asynchronous =
            |node: &Node| node.flow.row.key.l7_protocol.0 == 108 && node.flow.row.is_async != 0;
        for &p in &self.ends.nl {
            let above = self.node(p);
            let calls = asynchronous(above)
                && above.child_count == 0
                && above.tap.starts_with('c')
                && !above.flow.trace_ids.is_empty();
            if !calls {
                continue;
            }
            for &c in &self.ends.nr {
                let below = self.node(c);
                let fits = c != p
                    && asynchronous(below)
                    && self.is_free(c)
                    && below.tap.starts_with('s')
                    && !self.same_set(p, c)
                    && above.flow.shares_trace_id(&below.flow)
                    && self.start_guard(p, c);
                if fits {
                    propose(pending, c, p, |known| self.node(known).start() < above.start());
                }
            }
        }
    }

    fn scenario_7(&self, weak: &mut Vec<(usize, usize)>, best: &mut BTreeMap<usize, usize>) {
        for &p in &self.ends.nl {
            let above = self.node(p);
            if above.child_count != 0 || !above.tap.starts_with('c') || above.flow.trace_ids.is_empty() {
                continue;
            }
            for &c in &self.ends.nr {
                let below = self.node(c);
                let (pk, ck) = (&above.flow.row.key, &below.flow.row.key);
                let fits = c != p
                    && pk.l7_protocol == ck.l7_protocol
                    && self.is_free(c)
                    && below.tap.starts_with('s')
                    && !self.same_set(p, c)
                    && self.start_guard(p, c)
                    && !(pk.req_tcp_seq.0 != 0 && pk.req_tcp_seq == ck.req_tcp_seq)
                    && !(pk.resp_tcp_seq.0 != 0 && pk.resp_tcp_seq == ck.resp_tcp_seq)
                    && above.flow.shares_trace_id(&below.flow)
                    && above.duration() >= below.duration();
                if fits {
                    propose(weak, c, p, |known| self.node(known).duration() > above.duration());
                    let better = |&known: &usize| self.node(known).duration() < below.duration();
                    if best.get(&p).is_none_or(better) {
                        best.insert(p, c);
                    }
                }
            }
        }
    }

    fn scenario_8(&self, weak: &mut Vec<(usize, usize)>) {
        for &p in &self.ends.pl {
            let above = self.node(p);
            let serves = above.tap.starts_with('s')
                && above.class != Class::Net
                && [1, 14].contains(&above.instance_type())
                && !above.flow.trace_ids.is_empty();
            if !serves {
                continue;
            }
            for &c in &self.ends.pr {
                let below = self.node(c);
                let fits = c != p
                    && above.instance == below.instance
                    && above.instance_type() == below.instance_type()
                    && self.cover_guard(p, c)
                    && self.is_free(c)
                    && below.tap.starts_with('c')
                    && !self.same_set(p, c)
                    && above.flow.shares_trace_id(&below.flow);
                if fits {
                    propose(weak, c, p, |known| self.node(known).duration() > above.duration());
                }
            }
        }
    }
}
