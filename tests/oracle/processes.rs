//! Process sets: section 6.

use std::collections::{BTreeMap, HashMap};

use trace_completion::flow::Text;

use super::{
    node::{Class, Graph, Key, Node},
    process_set::{ProcessSet, ProcessSets},
};

pub fn build(graph: &mut Graph) -> ProcessSets {
    let mut processes = ProcessSets::default();
    group_app_nodes(graph, &mut processes);
    split_app_sets(graph, &mut processes);
    if !processes.map.is_empty() {
        for node in graph.client_sys().into_iter().chain(graph.server_sys()) {
            let instance = graph.nodes[node].instance.clone();
            for set in processes.of(&instance).cloned().unwrap_or_default() {
                attach(graph, &mut processes, set, node);
            }
        }
    }
    remaining_sys_nodes(graph, &mut processes);
    processes
}

/// R-PSS-1, with a map of services for each instance.
fn group_app_nodes(graph: &mut Graph, processes: &mut ProcessSets) {
    let mut positions: BTreeMap<Key, HashMap<Text, usize>> = BTreeMap::new();
    for node in graph.indexes(|node| node.class == Class::App) {
        let app = &graph.nodes[node];
        let instance = app.instance.clone();
        let service = app.flow.row.app_service;
        let split = app.instance_type() != 10 && !service.is_empty();
        let known = positions.entry(instance.clone()).or_default();
        if !processes.has(&instance) {
            processes.append(&instance, instance.clone());
            if split {
                known.insert(service, 0);
            }
        }
        if split && !known.contains_key(&service) {
            known.insert(service, processes.of(&instance).unwrap().len());
            processes.append(&instance, instance.clone());
        }
        let position = if split { known[&service] } else { 0 };
        let set = processes.of(&instance).unwrap()[position];
        processes.add_app(graph, set, node);
    }
}

/// R-PSS-2, R-PSS-3.
fn split_app_sets(graph: &mut Graph, processes: &mut ProcessSets) {
    for entry in 0..processes.map.len() {
        let old = std::mem::take(&mut processes.map[entry].1);
        let mut parts = Vec::new();
        for set in old {
            for part in split(graph, &processes.sets[set].clone()) {
                processes.sets.push(part);
                parts.push(processes.sets.len() - 1);
            }
        }
        processes.map[entry].1 = parts;
    }
}

fn split(graph: &mut Graph, old: &ProcessSet) -> Vec<ProcessSet> {
    let spans = &old.spans;
    // Position in the set of each span's parent in the set.
    let mut parents: Vec<Option<usize>> = Vec::new();
    for (position, &node) in spans.iter().enumerate() {
        let wanted = graph.nodes[node].flow.row.key.parent_span_id;
        let holder = (0..spans.len())
            .rev()
            .find(|&other| other != position && graph.nodes[spans[other]].flow.row.key.span_id == wanted);
        let parent = holder.filter(|_| !wanted.is_empty());
        if let Some(parent) = parent {
            graph.link(node, spans[parent]);
        }
        parents.push(parent);
    }
    let mut parts: Vec<ProcessSet> = Vec::new();
    let mut part_of = Vec::new();
    for (position, &node) in spans.iter().enumerate() {
        let root = spans[root_position(&parents, position)];
        let root_parent = &graph.nodes[root].parent_span_id_text;
        let key = if root_parent.is_empty() { "root".to_owned() } else { root_parent.clone() };
        let part = match part_of.iter().position(|known| *known == key) {
            Some(part) => part,
            None => {
                part_of.push(key);
                let mut part = ProcessSet::new(Key::Text(String::new()));
                part.service = old.service.clone();
                part.service.auto_instance_type = None;
                parts.push(part);
                parts.len() - 1
            }
        };
        parts[part].spans.push(node);
        if !parts[part].roots.contains(&root) {
            parts[part].roots.push(root);
        }
    }
    for (part, key) in parts.iter_mut().zip(part_of) {
        part.group_key = Key::Text(key);
        part.leafs = part
            .spans
            .iter()
            .copied()
            .filter(|&span| !part.spans.iter().any(|&other| graph.nodes[other].parent == Some(span)))
            .collect();
    }
    parts
}

/// R-PSS-3: of a cycle, the member at the highest position.
fn root_position(parents: &[Option<usize>], from: usize) -> usize {
    let mut path = vec![from];
    while let Some(parent) = parents[path[path.len() - 1]] {
        if let Some(first) = path.iter().position(|&seen| seen == parent) {
            return path[first..].iter().copied().max().unwrap();
        }
        path.push(parent);
    }
    path[path.len() - 1]
}

/// R-PSS-6 to -10.
fn attach(graph: &mut Graph, processes: &mut ProcessSets, set: usize, node: usize) {
    let added = &graph.nodes[node];
    let key = added.flow.row.key;
    if added.tap == "c-p" && !key.span_id.is_empty() {
        let same = |&leaf: &usize| graph.nodes[leaf].flow.row.key.span_id == key.span_id;
        if let Some(leaf) = processes.sets[set].leafs.iter().copied().find(same) {
            processes.add_sys(graph, set, node);
            graph.link(node, leaf);
        }
    }
    if graph.nodes[node].tap == "s-p" {
        attach_server(graph, processes, set, node);
    }
}

fn attach_server(graph: &mut Graph, processes: &mut ProcessSets, set: usize, node: usize) {
    let key = graph.nodes[node].flow.row.key;
    if !key.span_id.is_empty() {
        let calls = |&root: &usize| graph.nodes[root].flow.row.key.parent_span_id == key.span_id;
        if let Some(root) = processes.sets[set].roots.iter().copied().find(calls) {
            match graph.nodes[root].parent {
                None => {
                    processes.add_sys(graph, set, node);
                    graph.link(root, node);
                }
                Some(parent) => replace_parent(graph, processes, set, root, parent, node),
            }
            return;
        }
    }
    let known = &processes.sets[set];
    let (q, r) = (key.syscall_request.0, key.syscall_response.0);
    let by_syscall = q != 0 && known.lq.contains(&q) || r != 0 && known.lr.contains(&r);
    if by_syscall && adopt_first_free_root(graph, processes, set, node) {
        return;
    }
    let known = &processes.sets[set];
    let covered = |x: Text| {
        let positions = known.lx.get(&x).filter(|_| !x.is_empty());
        positions.into_iter().flatten().any(|&position| {
            let span = known.spans.get(position);
            span.is_some_and(|&span| graph.nodes[node].covers(&graph.nodes[span]))
        })
    };
    if covered(key.x_request_id_0) || covered(key.x_request_id_1) {
        adopt_first_free_root(graph, processes, set, node);
    }
}

fn adopt_first_free_root(graph: &mut Graph, processes: &mut ProcessSets, set: usize, node: usize) -> bool {
    let free = |&root: &usize| graph.nodes[root].parent.is_none();
    let Some(root) = processes.sets[set].roots.iter().copied().find(free) else { return false };
    processes.add_sys(graph, set, node);
    graph.link(root, node);
    true
}

/// R-PSS-8.
fn replace_parent(
    graph: &mut Graph,
    processes: &mut ProcessSets,
    set: usize,
    root: usize,
    old: usize,
    new: usize,
) {
    let child = &graph.nodes[root];
    let deviation = |x: &Node| {
        if x.covers(child) { 0 } else { x.start().abs_diff(child.start()).min(x.end().abs_diff(child.end())) }
    };
    if deviation(&graph.nodes[new]) >= deviation(&graph.nodes[old]) {
        return;
    }
    processes.sets[set].spans.retain(|&span| span != old);
    let old = &mut graph.nodes[old];
    old.process_set = None;
    old.child_count -= 1;
    old.children.retain(|&child| child != root);
    processes.add_sys(graph, set, new);
    graph.link(root, new);
}

/// Section 6.4.
fn remaining_sys_nodes(graph: &mut Graph, processes: &mut ProcessSets) {
    let mut first: BTreeMap<i64, Key> = BTreeMap::new();
    // R-PSS-11
    for node in graph.server_sys() {
        if graph.nodes[node].process_set.is_some() {
            continue;
        }
        let instance = graph.nodes[node].instance.clone();
        let first_instance = first.entry(graph.nodes[node].uid).or_insert_with(|| instance.clone());
        let group_key = if processes.has(&instance) {
            let n = processes.of(first_instance).map_or(0, Vec::len) + 1;
            Key::Text(format!("{instance}-{n}"))
        } else {
            instance.clone()
        };
        let set = processes.append(&instance, group_key);
        processes.add_sys(graph, set, node);
    }
    let clients = graph.client_sys();
    let group_roots = group_roots(graph, &clients);
    for (number, &node) in clients.iter().enumerate() {
        if graph.nodes[node].process_set.is_none() {
            let brothers = (0..clients.len())
                .filter(|&other| group_roots[other] == group_roots[number] && other != group_roots[number])
                .map(|other| clients[other])
                .collect::<Vec<_>>();
            let candidates = candidate_sets(graph, processes, &first, node);
            place_client(graph, processes, &candidates, node, &brothers);
        }
    }
    // R-PSS-17
    for node in clients {
        if graph.nodes[node].process_set.is_some() {
            continue;
        }
        let (instance, uid) = (graph.nodes[node].instance.clone(), graph.nodes[node].uid);
        let group_key = if !first.contains_key(&uid) && !processes.has(&instance) {
            first.insert(uid, instance.clone());
            instance.clone()
        } else {
            let n = candidate_sets(graph, processes, &first, node).len() + 1;
            Key::Text(format!("{instance}-{n}"))
        };
        let set = processes.append(&instance, group_key);
        processes.add_sys(graph, set, node);
    }
}

/// R-PSS-12: the group root of each client sys node, by number.
fn group_roots(graph: &Graph, clients: &[usize]) -> Vec<usize> {
    let flow = |number: usize| &graph.nodes[clients[number]].flow;
    let last = |fits: &dyn Fn(usize) -> bool| (0..clients.len()).rev().find(|&number| fits(number));
    let pointers: Vec<Option<usize>> = (0..clients.len())
        .map(|number| {
            let key = &flow(number).row.key;
            let (q, r) = (key.syscall_request.0, key.syscall_response.0);
            if let Some(trace_id) = flow(number).trace_ids.last() {
                last(&|other| flow(other).trace_ids.contains(trace_id))
            } else if r != 0 {
                last(&|other| flow(other).row.key.syscall_request.0 == r)
            } else if q != 0 {
                last(&|other| {
                    let key = &flow(other).row.key;
                    other != number && key.syscall_request.0 == q && key.syscall_response.0 != 0
                })
            } else {
                None
            }
        })
        .collect();
    (0..clients.len()).map(|number| root_position(&pointers, number)).collect()
}

/// R-PSS-13, the candidate list.
fn candidate_sets(
    graph: &Graph,
    processes: &ProcessSets,
    first: &BTreeMap<i64, Key>,
    node: usize,
) -> Vec<usize> {
    let by_process = first.get(&graph.nodes[node].uid).and_then(|instance| processes.of(instance));
    by_process.or_else(|| processes.of(&graph.nodes[node].instance)).cloned().unwrap_or_default()
}

/// R-PSS-13 to -16.
fn place_client(
    graph: &mut Graph,
    processes: &mut ProcessSets,
    candidates: &[usize],
    c: usize,
    brothers: &[usize],
) {
    let parent = latest_parent(graph, processes, candidates, c)
        .or_else(|| preceding_parent(graph, processes, candidates, c));
    let child = unix_child(graph, processes, candidates, c);
    if let Some(p) = parent {
        let set = graph.nodes[p].process_set.unwrap();
        processes.add_sys(graph, set, c);
        graph.link(c, p);
        for &b in brothers {
            let (brother, server) = (&graph.nodes[b], &graph.nodes[p]);
            let served = brother.same_process(server) && server.covers_or_lost(brother);
            if served && brother.parent.is_none() {
                let set = graph.nodes[p].process_set.unwrap();
                processes.add_sys(graph, set, b);
                graph.link(b, p);
            }
        }
    }
    if let Some(k) = child {
        if graph.nodes[c].process_set.is_none() {
            let set = graph.nodes[k].process_set.unwrap();
            processes.add_sys(graph, set, c);
        }
        graph.link(k, c);
    }
}

/// Test 3 of 13a.
fn same_x_request_id(s: &Node, c: &Node) -> bool {
    let (s, c) = (&s.flow.row.key, &c.flow.row.key);
    !s.x_request_id_0.is_empty() && s.x_request_id_0 == c.x_request_id_0
        || !s.x_request_id_1.is_empty() && [c.x_request_id_1, c.x_request_id_0].contains(&s.x_request_id_1)
}

/// Test 4 of 13a.
fn same_trace(g: &ProcessSet, c: &Node) -> bool {
    c.flow.trace_ids.iter().any(|id| g.tids.contains(id))
}

/// 13a.
fn latest_parent(graph: &Graph, processes: &ProcessSets, candidates: &[usize], c: usize) -> Option<usize> {
    let c = &graph.nodes[c];
    let (cq, cr) = (c.flow.row.key.syscall_request.0, c.flow.row.key.syscall_response.0);
    let mut best: Option<usize> = None;
    for &g in candidates {
        let g = &processes.sets[g];
        for &span in &g.spans {
            let s = &graph.nodes[span];
            if s.tap != "s-p" {
                continue;
            }
            if !(s.same_process(c) && s.covers_or_lost(c)) {
                break;
            }
            let (sq, sr) = (s.flow.row.key.syscall_request.0, s.flow.row.key.syscall_response.0);
            let by_leaf = g.lr.contains(&cq) || g.lq.contains(&cr);
            let by_server = [sq, sr].contains(&cq) || [sq, sr].contains(&cr);
            if by_leaf || by_server || same_x_request_id(s, c) || same_trace(g, c) {
                if best.is_none_or(|best| graph.nodes[best].start() < s.start()) {
                    best = Some(span);
                }
                break;
            }
        }
    }
    best
}

/// R-PSS-14.
fn preceding_parent(graph: &Graph, processes: &ProcessSets, candidates: &[usize], c: usize) -> Option<usize> {
    let c = &graph.nodes[c];
    let mut best: Option<usize> = None;
    for &g in candidates {
        let g = &processes.sets[g];
        for &span in &g.spans {
            let s = &graph.nodes[span];
            if s.tap != "s-p" {
                continue;
            }
            let before = s.start() <= c.start() && (s.end() < c.end() || s.duration() == 0);
            if !(s.same_process(c) && before) {
                break;
            }
            if same_trace(g, c) {
                if best.is_none_or(|best| graph.nodes[best].start() < s.start()) {
                    best = Some(span);
                }
                break;
            }
        }
    }
    best
}

/// 13b.
fn unix_child(graph: &Graph, processes: &ProcessSets, candidates: &[usize], c: usize) -> Option<usize> {
    let c = &graph.nodes[c];
    if c.flow.row.server_port != 1 {
        return None;
    }
    let mut best: Option<usize> = None;
    for &g in candidates {
        let g = &processes.sets[g];
        for &span in &g.spans {
            let s = &graph.nodes[span];
            if s.tap != "s-p" || s.flow.row.server_port != 1 || s.parent.is_some() {
                continue;
            }
            if !(s.same_process(c) && c.covers(s)) {
                break;
            }
            if same_x_request_id(s, c) || same_trace(g, c) {
                if best.is_none_or(|best| graph.nodes[best].start() > s.start()) {
                    best = Some(span);
                }
                break;
            }
        }
    }
    best
}
