//! System spans without application spans (algorithm 6.4): a server span opens a set, and client spans join
//! the server span for whose request they were made.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    brothers::Brothers,
    build::{Build, Nodes},
};
use crate::{
    engine::{
        flows::{Flow, Instance},
        index::{Id, ListId, NodeId, Place, SetId},
        rule::Rule,
    },
    flow::{AgentId, ObservationPoint},
};

/// `server_port` of a unix socket.
const UNIX_SOCKET: u16 = 1;

/// `first`: the instance under which a process was first seen.
type FirstInstances = FxHashMap<(AgentId, i32), Instance>;

pub(super) fn group(build: &mut Build<'_, '_>, nodes: &Nodes) {
    let mut first = FirstInstances::default();
    open_sets(build, &nodes.server, &mut first);
    join_sets(build, &nodes.client, &first);
    open_leftover_sets(build, &nodes.client, &mut first);
}

/// R-PSS-11.
fn open_sets(build: &mut Build<'_, '_>, servers: &[NodeId], first: &mut FirstInstances) {
    for &node in servers {
        if build.sets.assigned(node).is_some() {
            continue;
        }
        let flow = build.tree.flow(node);
        let instance = flow.instance();
        let seen_as = *first.entry(flow.uid()).or_insert(instance);
        let key = if build.sets.list(instance).is_none() {
            instance
        } else {
            let n = build.sets.list(seen_as).map_or(0, <[_]>::len) + 1;
            build.numbered_key(instance, n)
        };
        let set = build.sets.append(instance, key);
        build.add_system(node, set);
    }
}

/// R-PSS-17.
fn open_leftover_sets(build: &mut Build<'_, '_>, clients: &[NodeId], first: &mut FirstInstances) {
    for &node in clients {
        if build.sets.assigned(node).is_some() {
            continue;
        }
        let flow = build.tree.flow(node);
        let instance = flow.instance();
        let key = if !first.contains_key(&flow.uid()) && build.sets.list(instance).is_none() {
            first.insert(flow.uid(), instance);
            instance
        } else {
            let n = candidate_list(build, flow, first).map_or(0, |at| build.sets.lists[at].1.len()) + 1;
            build.numbered_key(instance, n)
        };
        let set = build.sets.append(instance, key);
        build.add_system(node, set);
    }
}

/// The list of sets in which a client span may find its server span: `PM` of its process, else of its
/// instance.
fn candidate_list(build: &Build<'_, '_>, flow: &Flow, first: &FirstInstances) -> Option<ListId> {
    let of_process = first.get(&flow.uid()).and_then(|instance| build.sets.list_of.get(instance));
    of_process.or_else(|| build.sets.list_of.get(&flow.instance())).copied()
}

/// R-PSS-13, R-PSS-14, R-PSS-15, R-PSS-16.
fn join_sets(build: &mut Build<'_, '_>, clients: &[NodeId], first: &FirstInstances) {
    let mut servers: FxHashMap<ListId, Servers> = FxHashMap::default();
    let mut brothers = Brothers::of(&clients.iter().map(|&node| build.tree.flow(node)).collect::<Vec<_>>());
    for (i, &node) in clients.iter().enumerate() {
        if build.sets.assigned(node).is_some() {
            continue;
        }
        let client = build.tree.flow(node);
        let Some(at) = candidate_list(build, client, first) else { continue };
        let servers = servers.entry(at).or_insert_with(|| Servers::of(build, at));
        let parent = servers.parent(build, client).map(|parent| (parent, Rule::ProcessParent));
        let child = if client.row.server_port == UNIX_SOCKET { servers.child(build, client) } else { None };
        let parent =
            parent.or_else(|| Some((servers.preceding_parent(build, client)?, Rule::PrecedingParent)));

        if let Some((parent, rule)) = parent
            && let Some(set) = build.sets.assigned(parent)
        {
            build.add_system(node, set);
            build.tree.link(node, parent, rule);
            let flow = build.tree.flow(parent);
            let free = |j: Place| build.tree.parent(clients[j.at()]).is_none();
            for j in brothers.in_process_of(Place::of(i), flow, free) {
                let brother = clients[j.at()];
                let span = build.tree.flow(brother);
                if brother != node && flow.same_process(span) && flow.covers_or_lost(span) {
                    build.add_system(brother, set);
                    build.tree.link(brother, parent, Rule::Brother);
                }
            }
        }
        if let Some(child) = child {
            if build.sets.assigned(node).is_none()
                && let Some(set) = build.sets.assigned(child)
            {
                build.add_system(node, set);
            }
            build.tree.link(child, node, Rule::UnixSocketChild);
        }
    }
}

/// The server spans of a list of sets. They stay the same while client spans join the sets.
struct Servers {
    /// Sets with one server span: its start, the place of the set, the set, the span. Latest start first.
    single: Vec<(i64, usize, SetId, NodeId)>,
    /// Sets with several: place, set, spans.
    several: Vec<(usize, SetId, Vec<NodeId>)>,
}

/// A candidate of one set; the place of the set breaks ties.
type Candidate = (i64, usize, NodeId);

impl Servers {
    fn of(build: &Build<'_, '_>, list: ListId) -> Self {
        let mut servers = Servers { single: Vec::new(), several: Vec::new() };
        for (place, &set) in build.sets.lists[list].1.iter().enumerate() {
            let is_server = |node: &NodeId| {
                let flow = build.tree.flow(*node);
                flow.is_system() && flow.point == ObservationPoint::ServerProcess
            };
            let spans: Vec<NodeId> = build.sets.set(set).spans.iter().copied().filter(is_server).collect();
            match spans[..] {
                [] => {}
                [one] => servers.single.push((build.tree.flow(one).key().start_us, place, set, one)),
                _ => servers.several.push((place, set, spans)),
            }
        }
        servers.single.sort_by_key(|&(start, place, ..)| (std::cmp::Reverse(start), place));
        servers
    }

    /// R-PSS-13a.
    fn parent(&self, build: &Build<'_, '_>, client: &Flow) -> Option<NodeId> {
        self.latest(
            build,
            client,
            |server| server.same_process(client) && server.covers_or_lost(client),
            |set, server| {
                let spans = build.sets.set(set);
                let (s, c) = (server.key(), client.key());
                let (sq, sr) = (s.syscall_request, s.syscall_response);
                let (cq, cr) = (c.syscall_request, c.syscall_response);
                spans.leaf_responses.contains(&cq.0)
                    || spans.leaf_requests.contains(&cr.0)
                    // 0 = 0 counts.
                    || [sq, sr].iter().any(|id| *id == cq || *id == cr)
                    || by_x_request_id(server, client)
                    || by_trace_id(&spans.trace_ids, client)
            },
        )
    }

    /// R-PSS-14.
    fn preceding_parent(&self, build: &Build<'_, '_>, client: &Flow) -> Option<NodeId> {
        if client.trace_ids.is_empty() {
            return None;
        }
        self.latest(
            build,
            client,
            |server| {
                let (s, c) = (server.key(), client.key());
                server.same_process(client)
                    && s.start_us <= c.start_us
                    && (s.end_us < c.end_us || server.row.duration_us == 0)
            },
            |set, _| by_trace_id(&build.sets.set(set).trace_ids, client),
        )
    }

    /// Of each set the first server span that matches, unless one that does not qualify stands before it;
    /// of these the one that starts last. All that qualify start no later than the client.
    fn latest(
        &self,
        build: &Build<'_, '_>,
        client: &Flow,
        qualifies: impl Fn(&Flow) -> bool,
        matches: impl Fn(SetId, &Flow) -> bool,
    ) -> Option<NodeId> {
        let from = self.single.partition_point(|&(start, ..)| start > client.key().start_us);
        let one = self.single[from..].iter().find(|&&(_, _, set, node)| {
            let server = build.tree.flow(node);
            qualifies(server) && matches(set, server)
        });
        let mut best: Option<Candidate> = one.map(|&(start, place, _, node)| (start, place, node));
        for &(place, set, ref spans) in &self.several {
            let qualified = spans.iter().take_while(|&&node| qualifies(build.tree.flow(node)));
            for &node in qualified {
                let server = build.tree.flow(node);
                if matches(set, server) {
                    let start = server.key().start_us;
                    if best
                        .is_none_or(|(s, p, _)| (start, std::cmp::Reverse(place)) > (s, std::cmp::Reverse(p)))
                    {
                        best = Some((start, place, node));
                    }
                    break;
                }
            }
        }
        best.map(|(_, _, node)| node)
    }

    /// R-PSS-13b: the server end of a unix socket whose client end encloses it.
    fn child(&self, build: &Build<'_, '_>, client: &Flow) -> Option<NodeId> {
        let is_open = |node: NodeId| {
            build.tree.flow(node).row.server_port == UNIX_SOCKET && build.tree.parent(node).is_none()
        };
        let qualifies = |server: &Flow| server.same_process(client) && client.covers(server);
        let matches = |set: SetId, server: &Flow| {
            by_x_request_id(server, client) || by_trace_id(&build.sets.set(set).trace_ids, client)
        };
        let mut best: Option<Candidate> = None;
        let mut offer = |start: i64, place: usize, node: NodeId| {
            if best.is_none_or(|(s, p, _)| (start, place) < (s, p)) {
                best = Some((start, place, node));
            }
        };
        let until = self.single.partition_point(|&(start, ..)| start >= client.key().start_us);
        for &(start, place, set, node) in &self.single[..until] {
            let server = build.tree.flow(node);
            if is_open(node) && qualifies(server) && matches(set, server) {
                offer(start, place, node);
            }
        }
        for &(place, set, ref spans) in &self.several {
            let open = spans.iter().copied().filter(|&node| is_open(node));
            let mut qualified = open.take_while(|&node| qualifies(build.tree.flow(node)));
            if let Some(node) = qualified.find(|&node| matches(set, build.tree.flow(node))) {
                offer(build.tree.flow(node).key().start_us, place, node);
            }
        }
        best.map(|(_, _, node)| node)
    }
}

/// R-PSS-13a test 3.
fn by_x_request_id(server: &Flow, client: &Flow) -> bool {
    let (s, c) = (server.key(), client.key());
    !s.x_request_id_0.is_empty() && s.x_request_id_0 == c.x_request_id_0
        || !s.x_request_id_1.is_empty()
            && (s.x_request_id_1 == c.x_request_id_1 || s.x_request_id_1 == c.x_request_id_0)
}

/// R-PSS-13a test 4.
fn by_trace_id(trace_ids: &FxHashSet<crate::flow::Text>, client: &Flow) -> bool {
    client.trace_ids.iter().any(|id| trace_ids.contains(&id))
}
