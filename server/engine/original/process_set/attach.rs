//! System spans that belong to a tree of application spans (algorithm 6.3).

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::build::{Build, Nodes, x_request_ids};
use crate::{
    engine::{
        flows::{Flow, Instance},
        index::{Id, NodeId, SetId},
        rule::Rule,
    },
    flow::{ObservationPoint, Text},
};

/// For an instance and a key, in each of its sets the first span that has it; sets in order.
type FirstSpans = FxHashMap<(Instance, Text), SmallVec<[(SetId, NodeId); 1]>>;

/// For an instance and a key, the sets whose client spans carry it.
type LeafSets<K> = FxHashMap<(Instance, K), Vec<SetId>>;

/// Attaches the client spans, then the server spans. A span may join several sets: having joined one does not
/// keep it from joining the next.
pub(super) fn attach(build: &mut Build<'_, '_>, nodes: &Nodes) {
    if build.sets.lists.is_empty() {
        return;
    }
    let index = Index::of(build);
    let mut leaf_requests = LeafSets::<u64>::default();
    let mut leaf_responses = LeafSets::<u64>::default();
    let mut leaf_x_request_ids = LeafSets::<Text>::default();
    for &node in &nodes.client {
        let flow = build.tree.flow(node);
        if flow.point != ObservationPoint::ClientProcess || flow.key().span_id.is_empty() {
            continue;
        }
        // R-PSS-6
        let instance = flow.instance();
        for &(set, leaf) in index.leafs.get(&(instance, flow.key().span_id)).into_iter().flatten() {
            build.add_system(node, set);
            build.tree.link(node, leaf, Rule::AttachedBySpanId);
            let key = flow.key();
            if !key.syscall_request.is_none() {
                leaf_requests.entry((instance, key.syscall_request.0)).or_default().push(set);
            }
            if !key.syscall_response.is_none() {
                leaf_responses.entry((instance, key.syscall_response.0)).or_default().push(set);
            }
            for id in x_request_ids(flow) {
                leaf_x_request_ids.entry((instance, id)).or_default().push(set);
            }
        }
    }
    for &node in &nodes.server {
        let flow = build.tree.flow(node);
        let (key, instance) = (flow.key(), flow.instance());
        let by_span_id = index.roots.get(&(instance, key.span_id)).filter(|_| !key.span_id.is_empty());
        let mut sets: Vec<SetId> = Vec::new();
        sets.extend(by_span_id.into_iter().flatten().map(|&(set, _)| set));
        sets.extend(leaf_requests.get(&(instance, key.syscall_request.0)).into_iter().flatten());
        sets.extend(leaf_responses.get(&(instance, key.syscall_response.0)).into_iter().flatten());
        for id in x_request_ids(flow) {
            sets.extend(leaf_x_request_ids.get(&(instance, id)).into_iter().flatten());
        }
        let order = index.order.get(&instance);
        sets.sort_unstable_by_key(|set| order.and_then(|order| order.get(set)));
        sets.dedup();
        for set in sets {
            match by_span_id.into_iter().flatten().find(|(other, _)| *other == set) {
                Some(&(_, root)) => attach_by_span_id(build, node, set, root),
                None => attach_by_leafs(build, node, set),
            }
        }
    }
}

/// The leafs by span id and the roots by their parent's, and the place of each set in its list.
struct Index {
    leafs: FirstSpans,
    roots: FirstSpans,
    order: FxHashMap<Instance, FxHashMap<SetId, usize>>,
}

impl Index {
    fn of(build: &Build<'_, '_>) -> Self {
        let mut index =
            Index { leafs: FirstSpans::default(), roots: FirstSpans::default(), order: FxHashMap::default() };
        for (instance, list) in &build.sets.lists {
            let places = list.iter().enumerate().map(|(place, &set)| (set, place)).collect();
            index.order.insert(*instance, places);
            for &set in list {
                let spans = build.sets.set(set);
                let note = |file: &mut FirstSpans, key: Text, node: NodeId| {
                    let entries = file.entry((*instance, key)).or_default();
                    if !key.is_empty() && entries.last().is_none_or(|(last, _)| *last != set) {
                        entries.push((set, node));
                    }
                };
                for &leaf in &spans.leafs {
                    note(&mut index.leafs, build.tree.flow(leaf).key().span_id, leaf);
                }
                for &root in &spans.roots {
                    note(&mut index.roots, build.tree.flow(root).key().parent_span_id, root);
                }
            }
        }
        index
    }
}

/// R-PSS-7, R-PSS-8: of two server spans of one root, the one that fits its times better stays.
fn attach_by_span_id(build: &mut Build<'_, '_>, node: NodeId, set: SetId, root: NodeId) {
    if let Some(parent) = build.tree.parent(root) {
        let child = build.tree.flow(root);
        if deviation(build.tree.flow(node), child) >= deviation(build.tree.flow(parent), child) {
            return;
        }
        build.sets.set_mut(set).spans.retain(|&span| span != parent);
        build.sets.assigned[parent] = None;
        build.tree.forget_child(parent);
    }
    build.add_system(node, set);
    build.tree.link(root, node, Rule::AttachedBySpanId);
}

/// By how much `parent` fails to cover `child`, in µs; 0 where it does cover it.
fn deviation(parent: &Flow, child: &Flow) -> u64 {
    if parent.covers(child) {
        return 0;
    }
    let (p, c) = (parent.key(), child.key());
    p.start_us.abs_diff(c.start_us).min(p.end_us.abs_diff(c.end_us))
}

/// R-PSS-9, R-PSS-10.
fn attach_by_leafs(build: &mut Build<'_, '_>, node: NodeId, set: SetId) {
    let flow = build.tree.flow(node);
    let key = flow.key();
    let spans = build.sets.set(set);
    let by_syscall = spans.leaf_requests.contains(&key.syscall_request.0)
        || spans.leaf_responses.contains(&key.syscall_response.0);
    let covers_leaf = |id: Text| {
        spans.leaf_x_request_ids.get(&id).into_iter().flatten().any(|&place| {
            // The places stay as they were when a span leaves the set.
            spans.spans.get(place.at()).is_some_and(|&leaf| flow.covers(build.tree.flow(leaf)))
        })
    };
    let rule = if by_syscall {
        Rule::AttachedBySyscall
    } else if x_request_ids(flow).any(covers_leaf) {
        Rule::AttachedByXRequestId
    } else {
        return;
    };
    let orphan = spans.roots.iter().copied().find(|&root| build.tree.parent(root).is_none());
    if let Some(root) = orphan {
        build.add_system(node, set);
        build.tree.link(root, node, rule);
    }
}
