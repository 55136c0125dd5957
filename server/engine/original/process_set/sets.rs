//! Process span sets, and in which of them each node is.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::{
    engine::{flows::Instance, resource::ProcessMemory},
    flow::Text,
};

/// Position in [`ProcessSets::sets`].
pub(super) type SetIndex = u32;

/// The spans of one process that handle one request.
#[derive(Debug)]
pub(in crate::engine::original) struct ProcessSet {
    /// R-PSS-0: sets with equal keys count as one.
    pub(super) key: Instance,
    /// The spans, in joining order.
    pub(in crate::engine::original) spans: Vec<u32>,
    /// Application spans that have no parent in the set, where it was made from application spans.
    pub(super) roots: Vec<u32>,
    /// Application spans that are no parent in the set.
    pub(super) leafs: Vec<u32>,
    pub(super) memory: ProcessMemory,
    /// `Lq`: syscall ids of the requests of its client spans.
    pub(super) leaf_requests: FxHashSet<u64>,
    /// `Lr`: syscall ids of their responses.
    pub(super) leaf_responses: FxHashSet<u64>,
    /// `Lx`: where its client spans stood when they joined, by X-Request-ID.
    pub(super) leaf_x_request_ids: FxHashMap<Text, SmallVec<[u32; 2]>>,
    /// `Tids`: trace ids of its system spans.
    pub(super) trace_ids: FxHashSet<Text>,
}

/// All sets.
#[derive(Default)]
pub(in crate::engine::original) struct ProcessSets {
    /// All that ever were; those that were split are in no list any more.
    sets: Vec<ProcessSet>,
    /// `PM`: the sets of each instance. Instances in the order of their first set.
    pub(super) lists: Vec<(Instance, Vec<SetIndex>)>,
    pub(super) list_of: FxHashMap<Instance, u32>,
    /// The set of each node, for R-PSS-0.
    pub(super) assigned: Vec<Option<SetIndex>>,
}

impl ProcessSets {
    /// No sets yet, for this number of nodes.
    pub(super) fn new(nodes: usize) -> Self {
        ProcessSets { assigned: vec![None; nodes], ..ProcessSets::default() }
    }

    /// The sets, by instance, in order.
    pub(in crate::engine::original) fn in_order(&self) -> impl Iterator<Item = &ProcessSet> {
        self.lists.iter().flat_map(|(_, list)| list).map(|&set| self.set(set))
    }

    /// R-PSS-0: whether both nodes have a set, and its keys are equal.
    pub(in crate::engine::original) fn same_set(&self, a: u32, b: u32) -> bool {
        match (self.assigned[a as usize], self.assigned[b as usize]) {
            (Some(a), Some(b)) => self.set(a).key == self.set(b).key,
            _ => false,
        }
    }

    pub(super) fn set(&self, set: SetIndex) -> &ProcessSet {
        &self.sets[set as usize]
    }

    pub(super) fn set_mut(&mut self, set: SetIndex) -> &mut ProcessSet {
        &mut self.sets[set as usize]
    }

    pub(super) fn assigned(&self, node: u32) -> Option<SetIndex> {
        self.assigned[node as usize]
    }

    pub(super) fn list(&self, instance: Instance) -> Option<&[SetIndex]> {
        self.list_of.get(&instance).map(|&at| self.lists[at as usize].1.as_slice())
    }

    /// A new set at the end of the instance's list.
    pub(super) fn append(&mut self, instance: Instance, key: Instance) -> SetIndex {
        let set = self.new_set(key, ProcessMemory::default());
        let at = *self.list_of.entry(instance).or_insert_with(|| {
            self.lists.push((instance, Vec::new()));
            self.lists.len() as u32 - 1
        });
        self.lists[at as usize].1.push(set);
        set
    }

    pub(super) fn new_set(&mut self, key: Instance, memory: ProcessMemory) -> SetIndex {
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
        });
        self.sets.len() as u32 - 1
    }
}
