//! Application spans: grouped by process, then split into trees (algorithm 6.1, 6.2).

use rustc_hash::{FxHashMap, FxHashSet};

use super::build::Build;
use crate::{
    engine::{
        disjoint,
        flows::{Instance, POD},
        index::{Id, NodeId, Place, SetId},
        rule::Rule,
    },
    flow::Text,
};

/// R-PSS-1. Positions of services are kept per instance; the original mixes them up.
pub(super) fn group(build: &mut Build<'_, '_>, app: &[NodeId]) {
    let mut sets: FxHashMap<(Instance, Text), SetId> = FxHashMap::default();
    for &node in app {
        let flow = build.tree.flow(node);
        let (instance, service) = (flow.instance(), flow.row.app_service);
        let split = flow.instance_type() != POD && !service.is_empty();
        let first = build.sets.list(instance).and_then(|list| list.first().copied());
        let set = match first {
            None => {
                let set = build.sets.append(instance, instance);
                if split {
                    sets.insert((instance, service), set);
                }
                set
            }
            Some(first) if !split => first,
            Some(_) => {
                *sets.entry((instance, service)).or_insert_with(|| build.sets.append(instance, instance))
            }
        };
        build.add_app(node, set);
    }
}

/// R-PSS-2, R-PSS-3, R-PSS-4: links by span id, then one set for each tree, or for the trees of one outer
/// parent.
pub(super) fn split(build: &mut Build<'_, '_>) {
    let root_key = Instance::Name(build.texts.intern("root"));
    for at in build.sets.lists.ids() {
        let whole = std::mem::take(&mut build.sets.lists[at].1);
        let mut parts = Vec::with_capacity(whole.len());
        for set in whole {
            link_by_span_id(build, set);
            split_set(build, set, root_key, &mut parts);
        }
        build.sets.lists[at].1 = parts;
    }
}

/// R-PSS-2: of several spans with one id the last is the parent, but no span is its own parent.
fn link_by_span_id(build: &mut Build<'_, '_>, set: SetId) {
    let spans = build.sets.set(set).spans.clone();
    let mut holders: FxHashMap<Text, (NodeId, Option<NodeId>)> = FxHashMap::default();
    for &node in &spans {
        let id = build.tree.flow(node).key().span_id;
        if !id.is_empty() {
            holders
                .entry(id)
                .and_modify(|(last, other)| (*other, *last) = (Some(*last), node))
                .or_insert((node, None));
        }
    }
    for &node in &spans {
        let parent = build.tree.flow(node).key().parent_span_id;
        if let Some(&(last, other)) = holders.get(&parent)
            && let Some(parent) = if last == node { other } else { Some(last) }
        {
            build.tree.link(node, parent, Rule::AppParent);
        }
    }
}

/// R-PSS-3. The nodes stay assigned to the whole set (R-PSS-4).
fn split_set(build: &mut Build<'_, '_>, set: SetId, root_key: Instance, parts: &mut Vec<SetId>) {
    let spans = build.sets.set(set).spans.clone();
    let roots = roots(build, &spans);
    let first_part = parts.len();
    let mut part_of: FxHashMap<Instance, SetId> = FxHashMap::default();
    for (&node, &root) in spans.iter().zip(&roots) {
        let outer = build.tree.flow(root).key().parent_span_id;
        let key = if outer.is_empty() { root_key } else { Instance::Name(outer) };
        let part = *part_of.entry(key).or_insert_with(|| {
            let memory = build.sets.set(set).memory.of_part();
            let part = build.sets.new_set(key, memory);
            parts.push(part);
            part
        });
        let part = build.sets.set_mut(part);
        part.spans.push(node);
        if node == root {
            // Sorted below, by the place where each root was first met.
            part.roots.push(node);
        }
    }
    let parents: FxHashSet<NodeId> = spans.iter().filter_map(|&node| build.tree.parent(node)).collect();
    let mut first_seen: FxHashMap<NodeId, usize> = FxHashMap::default();
    for (at, &root) in roots.iter().enumerate() {
        first_seen.entry(root).or_insert(at);
    }
    for &part in &parts[first_part..] {
        let part = build.sets.set_mut(part);
        part.roots.sort_by_key(|root| first_seen.get(root).copied());
        part.leafs = part.spans.iter().copied().filter(|node| !parents.contains(node)).collect();
    }
}

/// The root of each span of a set. Where parents form a ring, it is the member that stands last in the set.
fn roots(build: &Build<'_, '_>, spans: &[NodeId]) -> Vec<NodeId> {
    let place: FxHashMap<NodeId, Place> =
        spans.iter().enumerate().map(|(at, &node)| (node, Place::of(at))).collect();
    let parent = |at: Place| build.tree.parent(spans[at.at()]).and_then(|parent| place.get(&parent)).copied();
    let last = |ring: &[Place]| ring.iter().copied().max().unwrap_or(ring[0]);
    disjoint::roots(spans.len(), parent, last).into_iter().map(|root| spans[root.at()]).collect()
}
