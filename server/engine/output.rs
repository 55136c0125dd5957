//! The answer: ids, order and related spans of what was kept (algorithm 10).

use std::fmt::Write;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    completed::{Completed, CompletedSpan, Related, Resource},
    flows::{Class, Flow, Flows, Instance},
    index::{IndexVec, NodeId},
    network_set::Networks,
    relations::{Relations, Seen},
    tree::Grown,
};
use crate::flow::{AgentId, Text, Texts};

/// The assembled forest.
pub(super) struct Forest {
    /// Parent and rule of each flow, and what the links say about the clocks.
    pub(super) grown: Grown,
    /// Whether each flow is in the answer.
    pub(super) keep: IndexVec<NodeId, bool>,
    /// The agent of the host whose clock each request span has, where it is known. `None` in compatibility
    /// mode, which does not look for hosts.
    pub(super) hosts: Option<IndexVec<NodeId, Option<AgentId>>>,
}

/// Everything about the spans but the rows themselves, so that the rows can move into the answer.
pub(super) struct Plan {
    /// The flows, in the order of the answer.
    pub(super) order: Vec<NodeId>,
    /// The place of each one's parent in that order.
    parents: Vec<Option<u32>>,
    /// Their ids.
    pub(super) ids: Vec<String>,
    related: Vec<Vec<Related>>,
    /// Spans whose related spans were cut.
    cut_spans: usize,
    corrections: Vec<i64>,
    /// The corrections that are not 0.
    pub(super) host_clock_correction: Vec<(AgentId, i64)>,
}

/// Plans the answer. R-ID-3: a span is told its parent by the parent's id.
pub(super) fn plan(
    flows: Flows<'_>,
    forest: &Forest,
    networks: &Networks,
    relations: &Relations<'_>,
    max_related_ids: usize,
    texts: &Texts,
) -> Plan {
    let order = walk(flows, forest);
    let mut place: IndexVec<NodeId, Option<u32>> = IndexVec::filled(None, flows.len());
    for (&node, at) in order.iter().zip(0u32..) {
        place[node] = Some(at);
    }
    let parents = order.iter().map(|&node| forest.grown.parents[node].and_then(|p| place[p])).collect();
    let corrections = forest.grown.clock.corrections();
    let of_name = agents_by_instance_name(flows);
    let correction_of = |node: NodeId| {
        let flow = &flows[node];
        let of_process = forest.hosts.as_ref().and_then(|hosts| hosts[node]);
        // In compatibility mode, which does not look for hosts, the agent of rows without an instance name
        // serves for all application spans without one.
        let lends = |name: Text| forest.hosts.is_none() || !name.is_empty();
        let named = || {
            let name = Some(flow.instance_name()).filter(|&name| flow.is_app() && lends(name));
            name.and_then(|name| of_name.get(&name).copied())
        };
        corrections.get(&of_process.or_else(named).unwrap_or(flow.key().agent)).copied().unwrap_or(0)
    };
    let mut seen = Seen::new(flows.len());
    let mut cut_spans = 0;
    let mut related_to = |node: NodeId| {
        let mut related = Vec::new();
        relations.of(node, &mut seen, |other, relation| {
            if let (Some(_), Some(&id)) = (place[other], flows[other].ids.first()) {
                if related.len() == max_related_ids {
                    cut_spans += 1;
                    return false;
                }
                related.push(Related { index: other.0, relation, id });
            }
            true
        });
        related
    };
    Plan {
        parents,
        ids: ids(flows, &order, networks, texts),
        related: order.iter().map(|&node| related_to(node)).collect(),
        cut_spans,
        corrections: order.iter().map(|&node| correction_of(node)).collect(),
        host_clock_correction: corrections.iter().map(|(&agent, &correction)| (agent, correction)).collect(),
        order,
    }
}

impl Plan {
    /// Moves the rows into the answer.
    pub(super) fn carry_out(
        self,
        flows: IndexVec<NodeId, Flow>,
        resources: &IndexVec<NodeId, Resource>,
    ) -> Completed {
        let mut flows: IndexVec<NodeId, Option<Flow>> = flows.into_iter().map(Some).collect();
        let parts =
            self.order.into_iter().zip(self.parents).zip(self.ids).zip(self.related).zip(self.corrections);
        let spans = parts.filter_map(|((((node, parent), deepflow_span_id), related), correction)| {
            let flow = flows[node].take()?;
            let (instance_id, instance_type) = {
                let side = &flow.row.sides[flow.side()];
                (side.auto_instance_id, side.auto_instance_type)
            };
            Some(CompletedSpan {
                resource: resources[node],
                auto_instance_id: instance_id,
                auto_instance_type: instance_type,
                row: flow.row,
                ids: flow.ids,
                deepflow_span_id,
                parent,
                related,
                clock_correction_us: correction,
            })
        });
        Completed {
            spans: spans.collect(),
            host_clock_correction: self.host_clock_correction,
            cut_spans: self.cut_spans,
            explanation: None,
        }
    }
}

/// R-TREE-1: depth-first, roots and siblings by start time, then longest first, then by index.
fn walk(flows: Flows<'_>, forest: &Forest) -> Vec<NodeId> {
    let mut by_time: Vec<NodeId> = flows.ids().filter(|&node| forest.keep[node]).collect();
    by_time.sort_by_key(|&node| {
        let key = flows[node].key();
        (key.start_us, std::cmp::Reverse(key.end_us), node)
    });
    // Linked lists of children. Each new child is put in front, so the lists are filled from the last child
    // to the first.
    let mut first_child: IndexVec<NodeId, Option<NodeId>> = IndexVec::filled(None, flows.len());
    let mut next_sibling = first_child.clone();
    let mut roots = Vec::new();
    for &node in by_time.iter().rev() {
        match forest.grown.parents[node].filter(|&parent| forest.keep[parent]) {
            Some(parent) => {
                next_sibling[node] = first_child[parent];
                first_child[parent] = Some(node);
            }
            None => roots.push(node),
        }
    }
    let mut order = Vec::with_capacity(by_time.len());
    let mut stack = roots;
    while let Some(node) = stack.pop() {
        order.push(node);
        stack.extend(next_sibling[node]);
        stack.extend(first_child[node]);
    }
    order
}

/// R-NODE-7: the agent that knows an instance, by the instance's name.
fn agents_by_instance_name(flows: Flows<'_>) -> FxHashMap<Text, AgentId> {
    let mut agents = FxHashMap::default();
    for flow in flows.iter() {
        let knows = matches!(flow.class(), Class::System | Class::Network)
            && flow.instance() != Instance::Name(Text::EMPTY);
        if knows {
            agents.insert(flow.instance_name(), flow.key().agent);
        }
    }
    agents
}

/// A span id of 16 characters or more is taken as unique; shorter ones occur in test data and are not.
const REAL_SPAN_ID_CHARACTERS: usize = 16;

/// R-ID-2, with ids that are unique: of application spans with one span id only the first bears it.
fn ids(flows: Flows<'_>, order: &[NodeId], networks: &Networks, texts: &Texts) -> Vec<String> {
    let mut network_span_id: FxHashMap<NodeId, Text> = FxHashMap::default();
    for set in networks {
        network_span_id.extend(set.members.iter().map(|&member| (member, set.span_id)));
    }
    let mut used: FxHashSet<String> = FxHashSet::default();
    let mut ids = vec![String::new(); order.len()];
    // Application spans choose first, in index order, so that no other id takes a caller's.
    let mut places: Vec<usize> = (0..order.len()).collect();
    places.sort_by_key(|&place| (!flows[order[place]].is_app(), order[place]));
    for place in places {
        let node = order[place];
        let flow = &flows[node];
        let own = texts.get(flow.key().span_id);
        if flow.is_app() && !own.is_empty() && !used.contains(own) {
            used.insert(own.to_owned());
            own.clone_into(&mut ids[place]);
            continue;
        }
        let mut id = String::with_capacity(own.len().max(18) + 12);
        match flow.class() {
            Class::Network | Class::Other => {
                let of_set = network_span_id.get(&node).map_or("", |&id| texts.get(id));
                id.push_str(if of_set.is_empty() { "None" } else { of_set });
            }
            Class::App if !own.is_empty() => id.push_str(own),
            Class::System if own.chars().nth(REAL_SPAN_ID_CHARACTERS - 1).is_some() => id.push_str(own),
            Class::System | Class::App => {
                let first = flow.ids.first().map_or(0, |id| id.0);
                let _ = write!(id, "0x{first:x}");
            }
        }
        let _ = write!(id, ".{}.{}", texts.get(flow.key().tap_side), node.0);
        while !used.insert(id.clone()) {
            id.push('+');
        }
        ids[place] = id;
    }
    ids
}
