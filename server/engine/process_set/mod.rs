//! Process span sets: the spans of one process that handle one request (algorithm 6).
//!
//! | file | holds |
//! |---|---|
//! | `app` | 6.1, 6.2: application spans, grouped and split into trees |
//! | `attach` | 6.3: system spans that belong to such a tree |
//! | `system` | 6.4: system spans without application spans |
//! | `brothers` | R-PSS-12: client spans of one thread or trace |

mod app;
mod attach;
mod brothers;
mod system;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{
    completed::Resource,
    flows::{Flow, Instance},
    resource::ProcessMemory,
    tree::Tree,
};
use crate::flow::{ObservationPoint, Text, Texts};

/// Position in [`ProcessSets::sets`].
pub(super) type SetIndex = u32;

/// The spans of one process that handle one request.
#[derive(Debug)]
pub(super) struct ProcessSet {
    /// R-PSS-0: sets with equal keys count as one.
    pub(super) key: Instance,
    /// The spans, in joining order.
    pub(super) spans: Vec<u32>,
    /// Application spans that have no parent in the set, where it was made from application spans.
    roots: Vec<u32>,
    /// Application spans that are no parent in the set.
    leafs: Vec<u32>,
    memory: ProcessMemory,
    /// `Lq`: syscall ids of the requests of its client spans.
    leaf_requests: FxHashSet<u64>,
    /// `Lr`: syscall ids of their responses.
    leaf_responses: FxHashSet<u64>,
    /// `Lx`: where its client spans stood when they joined, by X-Request-ID.
    leaf_x_request_ids: FxHashMap<Text, SmallVec<[u32; 2]>>,
    /// `Tids`: trace ids of its system spans.
    trace_ids: FxHashSet<Text>,
}

/// All sets.
#[derive(Default)]
pub(super) struct ProcessSets {
    /// All that ever were; those that were split are in no list any more.
    sets: Vec<ProcessSet>,
    /// `PM`: the sets of each instance. Instances in the order of their first set.
    lists: Vec<(Instance, Vec<SetIndex>)>,
    list_of: FxHashMap<Instance, u32>,
    /// The set of each node, for R-PSS-0.
    assigned: Vec<Option<SetIndex>>,
}

/// What all steps work on.
pub(super) struct Build<'a, 'b> {
    pub(super) tree: &'b mut Tree<'a>,
    pub(super) resources: &'b mut [Resource],
    pub(super) texts: &'b mut Texts,
    sets: ProcessSets,
}

/// Builds the sets of all nodes, and links within them.
pub(super) fn build(tree: &mut Tree<'_>, resources: &mut [Resource], texts: &mut Texts) -> ProcessSets {
    let sets = ProcessSets { assigned: vec![None; tree.flows.len()], ..ProcessSets::default() };
    let mut build = Build { tree, resources, texts, sets };
    let nodes = Nodes::of(build.tree.flows);
    app::group(&mut build, &nodes.app);
    app::split(&mut build);
    attach::attach(&mut build, &nodes);
    system::group(&mut build, &nodes);
    build.sets
}

/// R-NODE-1: the nodes that process span sets are made of, by class, in order.
struct Nodes {
    app: Vec<u32>,
    server: Vec<u32>,
    client: Vec<u32>,
}

impl Nodes {
    fn of(flows: &[Flow]) -> Self {
        let mut nodes = Nodes { app: Vec::new(), server: Vec::new(), client: Vec::new() };
        for (flow, i) in flows.iter().zip(0u32..) {
            if flow.is_app() {
                nodes.app.push(i);
            } else if flow.is_system() && flow.point == ObservationPoint::ServerProcess {
                nodes.server.push(i);
            } else if flow.is_system() {
                nodes.client.push(i);
            }
        }
        nodes
    }
}

impl ProcessSets {
    /// The sets, by instance, in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &ProcessSet> {
        self.lists.iter().flat_map(|(_, list)| list).map(|&set| self.set(set))
    }

    /// R-PSS-0: whether both nodes have a set, and its keys are equal.
    pub(super) fn same_set(&self, a: u32, b: u32) -> bool {
        match (self.assigned[a as usize], self.assigned[b as usize]) {
            (Some(a), Some(b)) => self.set(a).key == self.set(b).key,
            _ => false,
        }
    }

    fn set(&self, set: SetIndex) -> &ProcessSet {
        &self.sets[set as usize]
    }

    fn set_mut(&mut self, set: SetIndex) -> &mut ProcessSet {
        &mut self.sets[set as usize]
    }

    fn assigned(&self, node: u32) -> Option<SetIndex> {
        self.assigned[node as usize]
    }

    fn list(&self, instance: Instance) -> Option<&[SetIndex]> {
        self.list_of.get(&instance).map(|&at| self.lists[at as usize].1.as_slice())
    }

    /// A new set at the end of the instance's list.
    fn append(&mut self, instance: Instance, key: Instance) -> SetIndex {
        let set = self.new_set(key, ProcessMemory::default());
        let at = *self.list_of.entry(instance).or_insert_with(|| {
            self.lists.push((instance, Vec::new()));
            self.lists.len() as u32 - 1
        });
        self.lists[at as usize].1.push(set);
        set
    }

    fn new_set(&mut self, key: Instance, memory: ProcessMemory) -> SetIndex {
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

impl Build<'_, '_> {
    /// R-PSS-1, end: an application span joins.
    fn add_app(&mut self, node: u32, set: SetIndex) {
        self.sets.assigned[node as usize] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        set.spans.push(node);
        set.memory.service(flow, &mut self.resources[node as usize]);
    }

    /// R-PSS-5: a system span joins.
    fn add_system(&mut self, node: u32, set: SetIndex) {
        self.sets.assigned[node as usize] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        let position = set.spans.len() as u32;
        set.spans.push(node);
        let resource = &mut self.resources[node as usize];
        set.memory.process(flow, resource);
        set.memory.service(flow, resource);
        if flow.point == ObservationPoint::ClientProcess {
            let key = flow.key();
            if !key.syscall_request.is_none() {
                set.leaf_requests.insert(key.syscall_request.0);
            }
            if !key.syscall_response.is_none() {
                set.leaf_responses.insert(key.syscall_response.0);
            }
            for id in x_request_ids(flow) {
                set.leaf_x_request_ids.entry(id).or_default().push(position);
            }
        }
        set.trace_ids.extend(flow.trace_ids.iter());
    }

    /// The text `<instance>-<n>` as a group key (R-PSS-11, R-PSS-17).
    fn numbered_key(&mut self, instance: Instance, n: usize) -> Instance {
        let text = match instance {
            Instance::Number(number) => format!("{number}-{n}"),
            Instance::Name(name) => format!("{}-{n}", self.texts.get(name)),
        };
        Instance::Name(self.texts.intern(&text))
    }
}

/// The X-Request-IDs of a span, without empty and repeated ones.
fn x_request_ids(flow: &Flow) -> impl Iterator<Item = Text> {
    let (x0, x1) = (flow.key().x_request_id_0, flow.key().x_request_id_1);
    [x0, if x1 == x0 { Text::EMPTY } else { x1 }].into_iter().filter(|x| !x.is_empty())
}
