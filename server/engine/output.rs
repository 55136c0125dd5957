//! The answer: ids, order and related spans of what was kept (algorithm 10).

use std::fmt::Write;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    completed::{Completed, CompletedSpan, Related, Resource},
    flows::{Class, Flow},
    network_set::NetworkSet,
    relations::{Relations, Seen},
    tree::Grown,
};
use crate::flow::{AgentId, Text, Texts};

/// The assembled forest.
pub(super) struct Forest {
    /// Parent and rule of each flow, and what the links said of the clocks.
    pub(super) grown: Grown,
    /// Whether each flow is in the answer.
    pub(super) keep: Vec<bool>,
    /// The host whose clock each request span has, where it is known; empty if nobody looked.
    pub(super) hosts: Vec<Option<AgentId>>,
}

/// Everything about the spans but the rows themselves, so that the rows can move into the answer.
pub(super) struct Plan {
    /// The flows, in the order of the answer.
    pub(super) order: Vec<u32>,
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

/// Plans the answer.
pub(super) fn plan(
    flows: &[Flow],
    forest: &Forest,
    networks: &[NetworkSet],
    relations: &Relations<'_>,
    max_related_ids: usize,
    texts: &Texts,
) -> Plan {
    let order = walk(flows, forest);
    let mut place = vec![None; flows.len()];
    for (&node, at) in order.iter().zip(0u32..) {
        place[node as usize] = Some(at);
    }
    let parents = order
        .iter()
        .map(|&node| forest.grown.parents[node as usize].and_then(|p| place[p as usize]))
        .collect();
    let corrections = forest.grown.clock.corrections();
    let of_name = agents_by_instance_name(flows);
    let correction_of = |node: u32| {
        let flow = &flows[node as usize];
        let of_process = forest.hosts.get(node as usize).copied().flatten();
        // In compatibility mode, which knows no hosts, rows without a name lend theirs to all others.
        let lends = |name: Text| forest.hosts.is_empty() || !name.is_empty();
        let named = || {
            let name = Some(flow.instance_name()).filter(|&name| flow.is_app() && lends(name));
            name.and_then(|name| of_name.get(&name).copied())
        };
        corrections.get(&of_process.or_else(named).unwrap_or(flow.key().agent)).copied().unwrap_or(0)
    };
    let mut seen = Seen::new(flows.len());
    let mut cut_spans = 0;
    let mut related_to = |node: u32| {
        let mut related = Vec::new();
        relations.of(node, &mut seen, |other, relation| {
            if let (Some(_), Some(&id)) = (place[other as usize], flows[other as usize].ids.first()) {
                if related.len() == max_related_ids {
                    cut_spans += 1;
                    return false;
                }
                related.push(Related { index: other, relation, id });
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
    pub(super) fn carry_out(self, flows: Vec<Flow>, resources: &[Resource]) -> Completed {
        let mut flows: Vec<Option<Flow>> = flows.into_iter().map(Some).collect();
        let parts =
            self.order.into_iter().zip(self.parents).zip(self.ids).zip(self.related).zip(self.corrections);
        let spans = parts.filter_map(|((((node, parent), deepflow_span_id), related), correction)| {
            let flow = flows[node as usize].take()?;
            let (instance_id, instance_type) = {
                let side = &flow.row.sides[flow.side()];
                (side.auto_instance_id, side.auto_instance_type)
            };
            Some(CompletedSpan {
                resource: resources[node as usize],
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

/// Depth-first, roots and siblings by start time, then longest first, then by index.
fn walk(flows: &[Flow], forest: &Forest) -> Vec<u32> {
    let mut by_time: Vec<u32> = (0..flows.len() as u32).filter(|&node| forest.keep[node as usize]).collect();
    by_time.sort_by_key(|&node| {
        let key = flows[node as usize].key();
        (key.start_us, std::cmp::Reverse(key.end_us), node)
    });
    // Linked lists of children, youngest first: filled from the end, they read from the start.
    const NONE: u32 = u32::MAX;
    let mut first_child = vec![NONE; flows.len()];
    let mut next_sibling = vec![NONE; flows.len()];
    let mut roots = Vec::new();
    for &node in by_time.iter().rev() {
        match forest.grown.parents[node as usize].filter(|&parent| forest.keep[parent as usize]) {
            Some(parent) => {
                next_sibling[node as usize] = first_child[parent as usize];
                first_child[parent as usize] = node;
            }
            None => roots.push(node),
        }
    }
    let mut order = Vec::with_capacity(by_time.len());
    let mut stack = roots;
    while let Some(node) = stack.pop() {
        order.push(node);
        if next_sibling[node as usize] != NONE {
            stack.push(next_sibling[node as usize]);
        }
        if first_child[node as usize] != NONE {
            stack.push(first_child[node as usize]);
        }
    }
    order
}

/// R-NODE-7: the agent that knows an instance, by the instance's name.
fn agents_by_instance_name(flows: &[Flow]) -> FxHashMap<Text, AgentId> {
    let mut agents = FxHashMap::default();
    for flow in flows {
        let knows = matches!(flow.class(), Class::System | Class::Network)
            && flow.instance() != super::flows::Instance::Name(Text::EMPTY);
        if knows {
            agents.insert(flow.instance_name(), flow.key().agent);
        }
    }
    agents
}

/// Span ids of 16 characters or more are real ones; shorter ones are test data and not unique.
const REAL_SPAN_ID_CHARACTERS: usize = 16;

/// R-ID-2, with ids that are unique: of application spans with one span id only the first bears it.
fn ids(flows: &[Flow], order: &[u32], networks: &[NetworkSet], texts: &Texts) -> Vec<String> {
    let mut network_span_id: FxHashMap<u32, Text> = FxHashMap::default();
    for set in networks {
        network_span_id.extend(set.members.iter().map(|&member| (member, set.span_id)));
    }
    let mut used: FxHashSet<String> = FxHashSet::default();
    let mut ids = vec![String::new(); order.len()];
    // Application spans choose first, in index order, so that no other id takes a caller's.
    let mut places: Vec<usize> = (0..order.len()).collect();
    places.sort_by_key(|&place| (!flows[order[place] as usize].is_app(), order[place]));
    for place in places {
        let node = order[place];
        let flow = &flows[node as usize];
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
        let _ = write!(id, ".{}.{node}", texts.get(flow.key().tap_side));
        while !used.insert(id.clone()) {
            id.push('+');
        }
        ids[place] = id;
    }
    ids
}
