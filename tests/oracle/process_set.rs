//! A process set and what it remembers: R-PSS-5, R-SVC.

use std::collections::HashMap;

use trace_completion::flow::Text;

use super::node::{Graph, Key};

/// Spans of one process handling one inbound request.
#[derive(Clone, Debug)]
pub struct ProcessSet {
    pub group_key: Key,
    pub spans: Vec<usize>,
    pub roots: Vec<usize>,
    pub leafs: Vec<usize>,
    /// Request and response ids of client sys nodes.
    pub lq: Vec<u64>,
    pub lr: Vec<u64>,
    /// Positions in `spans` where an x_request_id of a client sys node was.
    pub lx: HashMap<Text, Vec<usize>>,
    pub tids: Vec<Text>,
    pub service: Service,
}

/// R-SVC: what the set knows; a type may be set to 0, which is not the same as never set.
#[derive(Clone, Debug, Default)]
pub struct Service {
    subnet_id: u16,
    subnet: Text,
    ip: Text,
    process_kname: Text,
    process_id: i32,
    gprocess: Text,
    auto_service_id: u32,
    auto_service: Text,
    auto_service_type: Option<u8>,
    pub auto_instance_type: Option<u8>,
}

impl ProcessSet {
    pub fn new(group_key: Key) -> Self {
        ProcessSet {
            group_key,
            spans: Vec::new(),
            roots: Vec::new(),
            leafs: Vec::new(),
            lq: Vec::new(),
            lr: Vec::new(),
            lx: HashMap::new(),
            tids: Vec::new(),
            service: Service::default(),
        }
    }
}

/// All process sets ever made, and `PM`: which of them each instance has.
#[derive(Default, Debug)]
pub struct ProcessSets {
    pub sets: Vec<ProcessSet>,
    pub map: Vec<(Key, Vec<usize>)>,
}

impl ProcessSets {
    pub fn of(&self, instance: &Key) -> Option<&Vec<usize>> {
        self.map.iter().find(|(key, _)| key == instance).map(|(_, sets)| sets)
    }

    pub fn has(&self, instance: &Key) -> bool {
        self.of(instance).is_some()
    }

    /// A new set at the end of the instance's list.
    pub fn append(&mut self, instance: &Key, group_key: Key) -> usize {
        self.sets.push(ProcessSet::new(group_key));
        let set = self.sets.len() - 1;
        match self.map.iter_mut().find(|(key, _)| key == instance) {
            Some((_, list)) => list.push(set),
            None => self.map.push((instance.clone(), vec![set])),
        }
        set
    }

    /// R-PSS-1, last part.
    pub fn add_app(&mut self, graph: &mut Graph, set: usize, node: usize) {
        graph.nodes[node].process_set = Some(set);
        self.sets[set].spans.push(node);
        self.fill_service(graph, set, node);
    }

    /// R-PSS-5.
    pub fn add_sys(&mut self, graph: &mut Graph, set: usize, node: usize) {
        graph.nodes[node].process_set = Some(set);
        self.sets[set].spans.push(node);
        self.fill_process(graph, set, node);
        self.fill_service(graph, set, node);
        let added = &graph.nodes[node];
        let key = &added.flow.row.key;
        let set = &mut self.sets[set];
        if added.tap == "c-p" {
            let position = set.spans.len() - 1;
            if key.syscall_request.0 != 0 {
                set.lq.push(key.syscall_request.0);
            }
            if key.syscall_response.0 != 0 {
                set.lr.push(key.syscall_response.0);
            }
            let (x0, x1) = (key.x_request_id_0, key.x_request_id_1);
            if !x0.is_empty() {
                set.lx.entry(x0).or_default().push(position);
            }
            if !x1.is_empty() && x1 != x0 {
                set.lx.entry(x1).or_default().push(position);
            }
        }
        set.tids.extend(&added.flow.trace_ids);
    }

    /// R-SVC-1.
    fn fill_process(&mut self, graph: &mut Graph, set: usize, node: usize) {
        let node = &mut graph.nodes[node];
        let side = &node.flow.row.sides[usize::from(["s-p", "s-app"].contains(&node.tap.as_str()))];
        let known = &mut self.sets[set].service;
        if known.subnet_id == 0 {
            known.subnet_id = side.subnet_id;
        }
        known.subnet = known.subnet.or(side.subnet);
        known.ip = known.ip.or(side.ip);
        known.process_kname = known.process_kname.or(side.process_kname);
        if known.process_id == 0 {
            known.process_id = side.process_id;
        }
        known.gprocess = known.gprocess.or(side.gprocess);
        node.resource.subnet = known.subnet;
        node.resource.ip = known.ip;
        node.resource.process_kname = known.process_kname;
        node.resource.process_id = known.process_id;
        node.resource.gprocess = known.gprocess;
    }

    /// R-SVC-2.
    fn fill_service(&mut self, graph: &mut Graph, set: usize, node: usize) {
        let node = &mut graph.nodes[node];
        let [client, server] = &node.flow.row.sides;
        let is_app = node.tap == "app";
        let side = if ["s-p", "s-app", "app"].contains(&node.tap.as_str()) { server } else { client };
        let known = &mut self.sets[set].service;
        let doubtful = |known: &Service| {
            [known.auto_service_type, known.auto_instance_type]
                .iter()
                .any(|value| matches!(value, Some(0 | 255)))
        };

        let mut id = side.auto_service_id;
        if is_app && id == 0 {
            id = client.auto_service_id;
        }
        if known.auto_service_id == 0 || doubtful(known) {
            known.auto_service_id = id;
        }

        let mut name = side.auto_service;
        if is_app {
            name = name.or(client.auto_service);
        }
        if known.auto_service.is_empty() || doubtful(known) {
            known.auto_service = name;
        }

        let mut kind = side.auto_service_type;
        if is_app && kind == 0 {
            kind = client.auto_service_type;
        }
        if known.auto_service_type.unwrap_or(0) == 0 || doubtful(known) {
            known.auto_service_type = Some(kind);
        }

        let mut kind = side.auto_instance_type;
        if is_app && kind == 0 {
            kind = client.auto_instance_type;
        }
        if known.auto_instance_type.unwrap_or(0) == 0 || doubtful(known) {
            known.auto_instance_type = Some(kind);
        }

        node.resource.auto_service_id = known.auto_service_id;
        node.resource.auto_service = known.auto_service;
        node.resource.auto_service_type = known.auto_service_type.unwrap_or(0);
    }

    /// R-PSS-0: whether two nodes are in the same process set.
    pub fn same(&self, graph: &Graph, a: usize, b: usize) -> bool {
        match (graph.nodes[a].process_set, graph.nodes[b].process_set) {
            (Some(a), Some(b)) => self.sets[a].group_key == self.sets[b].group_key,
            _ => false,
        }
    }
}
