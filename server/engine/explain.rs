//! Why an answer looks as it does (api section 6). Made after the assembly, from the tree and the rules of
//! its links, so an answer that nobody asks to explain costs nothing more.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{
    completed::{ClockReason, Explanation, PrunedTree, SpanReason},
    flows::{Flows, Instance},
    index::{IndexVec, NodeId},
    network_set::Networks,
    output::{Forest, Plan},
    relations::{Relations, Seen},
};
use crate::flow::{Text, Texts};

/// The most refused parents that are named for one root.
const MAX_REFUSED: usize = 5;

/// The most characters of a value that are shown.
const MAX_VALUE_CHARACTERS: usize = 64;

/// What is explained.
pub(super) struct Facts<'a> {
    pub(super) flows: Flows<'a>,
    pub(super) forest: &'a Forest,
    pub(super) networks: &'a Networks,
    pub(super) texts: &'a Texts,
}

/// Explains an answer. `roots` and `shown` are of all flows, kept or not.
pub(super) fn explain(
    facts: &Facts<'_>,
    relations: &Relations<'_>,
    plan: &Plan,
    roots: &IndexVec<NodeId, NodeId>,
    shown: &IndexVec<NodeId, bool>,
) -> Explanation {
    let id_of: FxHashMap<NodeId, &String> = plan.order.iter().copied().zip(&plan.ids).collect();
    let span_id_of: FxHashMap<NodeId, Text> =
        facts.networks.iter().flat_map(|set| set.members.iter().map(|&node| (node, set.span_id))).collect();
    let reasons = Reasons { facts, relations, roots, id_of, span_id_of };
    let mut seen = Seen::new(facts.flows.len());
    Explanation {
        spans: plan.order.iter().map(|&node| reasons.of(node, &mut seen)).collect(),
        pruned: pruned(facts, roots, shown),
        clocks: plan
            .host_clock_correction
            .iter()
            .map(|&(agent, correction_us)| {
                let id = |node: NodeId| reasons.id_of.get(&node).map(|id| (*id).clone());
                let nodes = facts.forest.grown.clock.set_by(agent);
                let set_by = nodes.and_then(|(parent, child)| Some((id(parent)?, id(child)?)));
                ClockReason { agent, correction_us, set_by }
            })
            .collect(),
    }
}

fn pruned(
    facts: &Facts<'_>,
    roots: &IndexVec<NodeId, NodeId>,
    shown: &IndexVec<NodeId, bool>,
) -> Vec<PrunedTree> {
    let mut trees: BTreeMap<NodeId, PrunedTree> = BTreeMap::new();
    for (node, flow) in facts.flows.numbered() {
        if !shown[node] || facts.forest.keep[node] {
            continue;
        }
        let key = flow.key();
        let root = &facts.flows[roots[node]];
        let tree = trees.entry(roots[node]).or_insert_with(|| PrunedTree {
            root: root.ids.first().copied().unwrap_or_default(),
            spans: 0,
            start_us: key.start_us,
            end_us: key.end_us,
        });
        tree.spans += 1;
        tree.start_us = tree.start_us.min(key.start_us);
        tree.end_us = tree.end_us.max(key.end_us);
    }
    trees.into_values().collect()
}

struct Reasons<'a> {
    facts: &'a Facts<'a>,
    relations: &'a Relations<'a>,
    /// The root of each flow.
    roots: &'a IndexVec<NodeId, NodeId>,
    /// Ids of the spans in the answer.
    id_of: FxHashMap<NodeId, &'a String>,
    /// The span id that the exchange of a capture carries.
    span_id_of: FxHashMap<NodeId, Text>,
}

impl Reasons<'_> {
    fn of(&self, node: NodeId, seen: &mut Seen) -> SpanReason {
        let grown = &self.facts.forest.grown;
        match (grown.parents[node], grown.rules[node]) {
            (Some(parent), Some(rule)) => SpanReason {
                rule: rule.id(),
                strong: Some(rule.is_strong()),
                matched: self.matched(parent, node),
                refused: Vec::new(),
            },
            (_, rule) => {
                let mut refused = self.refused(node, seen);
                if let Some(rule) = rule {
                    let reason =
                        format!("{} gave it a parent below itself; the ring was opened here", rule.id());
                    refused.insert(0, (String::new(), reason));
                }
                SpanReason { refused, ..SpanReason::default() }
            }
        }
    }

    fn span_id(&self, node: NodeId) -> Text {
        let own = self.facts.flows[node].key().span_id;
        own.or(self.span_id_of.get(&node).copied().unwrap_or_default())
    }

    /// All that a child and its parent have in common.
    fn matched(&self, parent: NodeId, child: NodeId) -> Vec<String> {
        let (p, c) = (&self.facts.flows[parent], &self.facts.flows[child]);
        let (pk, ck) = (p.key(), c.key());
        let mut matched = Vec::new();
        let mut text = |name: &str, a: Text, b: Text| {
            if !a.is_empty() && a == b {
                matched.push(format!("{name}={}", cut(self.facts.texts.get(a))));
            }
        };
        text("span_id", self.span_id(parent), self.span_id(child));
        text("parent_span_id", self.span_id(parent), ck.parent_span_id);
        for (a, b) in [
            (pk.x_request_id_0, ck.x_request_id_0),
            (pk.x_request_id_1, ck.x_request_id_0),
            (pk.x_request_id_1, ck.x_request_id_1),
        ] {
            text("x_request_id", a, b);
        }
        for id in c.trace_ids.iter().filter(|id| p.trace_ids.iter().any(|other| other == *id)) {
            text("trace_id", id, id);
        }
        let mut number = |name: &str, a: u64, b: u64| {
            if a != 0 && a == b {
                matched.push(format!("{name}={a}"));
            }
        };
        number("req_tcp_seq", pk.req_tcp_seq.0.into(), ck.req_tcp_seq.0.into());
        number("resp_tcp_seq", pk.resp_tcp_seq.0.into(), ck.resp_tcp_seq.0.into());
        if pk.agent == ck.agent {
            for a in [pk.syscall_request, pk.syscall_response] {
                for b in [ck.syscall_request, ck.syscall_response] {
                    number("syscall_trace_id", a.0, b.0);
                }
            }
        }
        number("request_id", pk.request_id.unwrap_or(0), ck.request_id.unwrap_or(0));
        matched.dedup();
        if p.is_system() && c.is_system() && p.same_process(c) {
            matched.push(format!("process={} of agent {}", p.process(), pk.agent));
        } else if let (Instance::Number(instance), true) = (p.instance(), p.instance() == c.instance()) {
            matched.push(format!("instance={instance}"));
        }
        matched.push(format!("starts_after_us={}", ck.start_us.saturating_sub(pk.start_us)));
        matched.push(format!("ends_before_us={}", pk.end_us.saturating_sub(ck.end_us)));
        matched
    }

    /// Spans that are related to a root, and why none of them is its parent.
    fn refused(&self, root: NodeId, seen: &mut Seen) -> Vec<(String, String)> {
        let flow = &self.facts.flows[root];
        let mut refused = Vec::new();
        let named = flow.key().parent_span_id;
        let is_there = |node: &NodeId| self.facts.flows[*node].key().span_id == named;
        if !named.is_empty() && !self.id_of.keys().any(|node| is_there(node) && *node != root) {
            let id = cut(self.facts.texts.get(named));
            refused.push((
                id,
                "named as the parent, but neither in the request nor in the rows found".to_owned(),
            ));
        }
        self.relations.of(root, seen, |other, relation| {
            if let Some(id) = self.id_of.get(&other) {
                refused.push(((*id).clone(), self.refusal(root, other, &relation.names())));
            }
            refused.len() < MAX_REFUSED
        });
        refused
    }

    fn refusal(&self, root: NodeId, other: NodeId, relation: &str) -> String {
        let (c, p) = (self.facts.flows[root].key(), self.facts.flows[other].key());
        if self.roots[other] == root {
            format!("related by {relation}, but below this span")
        } else if p.start_us > c.start_us {
            format!("related by {relation}, but starts {} µs later", p.start_us.saturating_sub(c.start_us))
        } else if p.end_us < c.end_us {
            format!("related by {relation}, but ends {} µs earlier", c.end_us.saturating_sub(p.end_us))
        } else {
            format!("related by {relation}, but no rule makes it the parent of this span")
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
