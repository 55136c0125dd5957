//! What is shown: section 10, with each node shown once and rings kept.

use std::collections::{BTreeMap, BTreeSet};

use trace_completion::{
    engine::Resource,
    flow::{CompletionRequest, FlowRow, Text},
};

use super::{
    flow::RowName,
    networks::NetworkSet,
    node::{Class, Graph},
    relate::Relations,
};

/// The trace as the rules make it. Order means nothing here.
#[derive(Debug)]
pub struct Outcome {
    pub spans: Vec<Shown>,
    /// R-CLK-8.
    pub corrections: BTreeMap<u16, i64>,
    /// Some links close a ring. The original loses its members; here they are shown.
    pub has_ring: bool,
}

/// One span of it.
#[derive(Debug)]
pub struct Shown {
    pub index: usize,
    pub row: FlowRow,
    pub ids: Vec<RowName>,
    /// Position in [`Outcome::spans`].
    pub parent: Option<usize>,
    /// Following parents from here leads back here.
    pub in_ring: bool,
    /// Position of the other span, and the relation's bits.
    pub related: Vec<(usize, u8)>,
    pub resource: Resource,
    pub auto_instance_id: u32,
    pub auto_instance_type: u8,
    pub clock_correction_us: i64,
}

pub fn outcome(
    graph: Graph,
    networks: &[NetworkSet],
    related: &Relations,
    request: &CompletionRequest,
) -> Outcome {
    // R-ID-1 takes nodes from their sets. Every node but *other* ones is in a set, save one: an app node of a
    // ring that R-PSS-8 threw out. The original loses it with the ring; like the ring, it is kept here.
    let mut items: BTreeSet<usize> = graph.indexes(|node| node.class != Class::Other).into_iter().collect();
    items.extend(networks.iter().flat_map(|set| &set.members));
    let trees: BTreeMap<usize, usize> = items.iter().map(|&item| (item, tree(&graph, item))).collect();
    let kept = prune(&graph, &trees, request);

    let corrections = graph.clock.corrections();
    let instance_agents = graph.instance_agents();
    let place: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(place, &node)| (node, place)).collect();
    let spans: Vec<Shown> = kept
        .iter()
        .map(|&index| {
            let node = &graph.nodes[index];
            let by_instance = instance_agents.get(&node.instance_name()).copied();
            let clock = by_instance.filter(|_| node.class == Class::App).unwrap_or(node.agent());
            Shown {
                index,
                row: node.flow.row.clone(),
                ids: node.flow.ids.clone(),
                parent: node.parent.and_then(|parent| place.get(&parent).copied()),
                in_ring: in_ring(&graph, index),
                related: related[index]
                    .iter()
                    .filter_map(|(other, bits)| place.get(other).map(|&other| (other, *bits)))
                    .collect(),
                resource: node.resource,
                auto_instance_id: node.own_side().auto_instance_id,
                auto_instance_type: node.own_side().auto_instance_type,
                clock_correction_us: corrections.get(&clock).copied().unwrap_or(0),
            }
        })
        .collect();
    Outcome {
        spans,
        corrections: corrections.into_iter().filter(|&(_, us)| us != 0).collect(),
        has_ring: items.iter().any(|&item| in_ring(&graph, item)),
    }
}

/// Nodes from here upwards, up to a root or the first one met twice.
fn path(graph: &Graph, from: usize) -> Vec<usize> {
    let mut path = vec![from];
    while let Some(parent) = graph.nodes[path[path.len() - 1]].parent {
        if path.contains(&parent) {
            break;
        }
        path.push(parent);
    }
    path
}

fn in_ring(graph: &Graph, node: usize) -> bool {
    let path = path(graph, node);
    graph.nodes[path[path.len() - 1]].parent == Some(node)
}

/// R-TREE-6: the root names the tree; of a ring, its lowest member.
fn tree(graph: &Graph, node: usize) -> usize {
    let path = path(graph, node);
    let top = path[path.len() - 1];
    match graph.nodes[top].parent {
        None => top,
        Some(again) => {
            let ring = path.iter().position(|&seen| seen == again).unwrap();
            path[ring..].iter().copied().min().unwrap()
        }
    }
}

/// R-PRUNE.
fn prune(graph: &Graph, trees: &BTreeMap<usize, usize>, request: &CompletionRequest) -> Vec<usize> {
    let everything: Vec<usize> = trees.keys().copied().collect();
    let names: BTreeSet<usize> = trees.values().copied().collect();
    let entry = request.app_spans.iter().position(|span| !span.trace_id.is_empty());
    let entry = RowName::Request(entry.unwrap_or(request.app_spans.len().saturating_sub(1)));
    let initial = everything.iter().find(|&&item| graph.nodes[item].flow.ids.contains(&entry));
    let Some(initial) = initial.map(|item| trees[item]).filter(|_| names.len() > 1) else {
        return everything;
    };

    // R-PRUNE-3: merge the groups that an item ties together, until nothing changes.
    let mut groups: Vec<BTreeSet<u64>> = Vec::new();
    let mut numbers: Vec<Text> = Vec::new();
    let mut number = |text: Text| {
        let known = numbers.iter().position(|&seen| seen == text).unwrap_or_else(|| {
            numbers.push(text);
            numbers.len() - 1
        });
        known as u64
    };
    let mut trace_ids: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for (&item, &tree) in trees {
        let ids: BTreeSet<u64> = graph.nodes[item].flow.trace_ids.iter().map(|&id| number(id)).collect();
        trace_ids.entry(tree).or_default().extend(&ids);
        let (tied, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| !group.is_disjoint(&ids));
        groups = apart;
        groups.push(tied.into_iter().flatten().chain(ids).collect());
    }
    let allowed: BTreeSet<u64> =
        groups.iter().filter(|group| !group.is_disjoint(&trace_ids[&initial])).flatten().copied().collect();

    let interval = |tree: usize| {
        let items = || trees.iter().filter(move |&(_, &of)| of == tree).map(|(&item, _)| &graph.nodes[item]);
        let start = items().map(|node| node.start()).min().unwrap();
        let end = items().map(|node| node.end()).max().unwrap();
        (i128::from(start), i128::from(end))
    };
    let h = i128::from(request.host_clock_offset_us);
    let (initial_start, initial_end) = interval(initial);
    let keep: BTreeSet<usize> = names
        .into_iter()
        .filter(|&tree| {
            let (start, end) = interval(tree);
            let meets = end + h >= initial_start && initial_end + h >= start;
            tree == initial || meets || !trace_ids[&tree].is_disjoint(&allowed)
        })
        .collect();
    everything.into_iter().filter(|item| keep.contains(&trees[item])).collect()
}
