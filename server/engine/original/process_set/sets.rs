//! Process span sets, and which of them each node is in.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::{
    engine::{
        flows::Instance,
        index::{IndexVec, ListId, NodeId, Place, SetId},
        resource::ProcessMemory,
    },
    flow::Text,
};

/// The spans of one process that handle one request.
#[derive(Debug)]
pub(crate) struct ProcessSet {
    /// R-PSS-0: sets with equal keys count as one.
    pub(super) key: Instance,
    /// The spans, in joining order.
    pub(crate) spans: Vec<NodeId>,
    /// Application spans that have no parent in the set, where it was made from application spans.
    pub(super) roots: Vec<NodeId>,
    /// Application spans that are no parent in the set.
    pub(super) leafs: Vec<NodeId>,
    pub(super) memory: ProcessMemory,
    /// `Lq`: syscall ids of the requests of its client spans.
    pub(super) leaf_requests: FxHashSet<u64>,
    /// `Lr`: syscall ids of their responses.
    pub(super) leaf_responses: FxHashSet<u64>,
    /// `Lx`: where its client spans stood when they joined, by X-Request-ID.
    pub(super) leaf_x_request_ids: FxHashMap<Text, SmallVec<[Place; 2]>>,
    /// `Tids`: trace ids of its system spans.
    pub(super) trace_ids: FxHashSet<Text>,
}

/// All sets.
pub(crate) struct ProcessSets {
    /// All sets ever made. A set that was split is in no list any more.
    sets: IndexVec<SetId, ProcessSet>,
    /// `PM`: the sets of each instance. Instances in the order of their first set.
    pub(super) lists: IndexVec<ListId, (Instance, Vec<SetId>)>,
    pub(super) list_of: FxHashMap<Instance, ListId>,
    /// The set of each node, for R-PSS-0.
    pub(super) assigned: IndexVec<NodeId, Option<SetId>>,
}

impl ProcessSets {
    /// No sets yet, for this number of nodes.
    pub(super) fn new(nodes: usize) -> Self {
        ProcessSets {
            assigned: IndexVec::filled(None, nodes),
            sets: IndexVec::new(),
            lists: IndexVec::new(),
            list_of: FxHashMap::default(),
        }
    }

    /// The sets, by instance, in order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &ProcessSet> {
        self.lists.iter().flat_map(|(_, list)| list).map(|&set| self.set(set))
    }

    /// R-PSS-0: whether both nodes have a set, and its keys are equal.
    pub(crate) fn same_set(&self, a: NodeId, b: NodeId) -> bool {
        match (self.assigned[a], self.assigned[b]) {
            (Some(a), Some(b)) => self.set(a).key == self.set(b).key,
            _ => false,
        }
    }

    pub(super) fn set(&self, set: SetId) -> &ProcessSet {
        &self.sets[set]
    }

    pub(super) fn set_mut(&mut self, set: SetId) -> &mut ProcessSet {
        &mut self.sets[set]
    }

    pub(super) fn assigned(&self, node: NodeId) -> Option<SetId> {
        self.assigned[node]
    }

    pub(super) fn list(&self, instance: Instance) -> Option<&[SetId]> {
        self.list_of.get(&instance).map(|&at| self.lists[at].1.as_slice())
    }

    /// A new set at the end of the instance's list.
    pub(super) fn append(&mut self, instance: Instance, key: Instance) -> SetId {
        let set = self.new_set(key, ProcessMemory::default());
        let at = *self.list_of.entry(instance).or_insert_with(|| self.lists.push((instance, Vec::new())));
        self.lists[at].1.push(set);
        set
    }

    pub(super) fn new_set(&mut self, key: Instance, memory: ProcessMemory) -> SetId {
        self.sets.push(ProcessSet {
            key,
            spans: Vec::new(),
            roots: Vec::new(),
            leafs: Vec::new(),
            memory,
            leaf_requests: FxHashSet::default(),
            leaf_responses: FxHashSet::default(),
            leaf_x_request_ids: FxHashMap::default(),
            trace_ids: FxHashSet::default(),
        })
    }
}
