//! Network sets: section 7.

use trace_completion::flow::{Text, Texts};

use super::{
    Options,
    node::{Class, Graph, Node},
    relate::{self, Relations},
};

/// The captures of one exchange.
#[derive(Clone, Debug, Default)]
pub struct NetworkSet {
    pub members: Vec<usize>,
    pub span_id: Text,
}

pub fn build(graph: &mut Graph, related: &Relations, options: &Options, texts: &Texts) -> Vec<NetworkSet> {
    let mut seeds = graph.indexes(|node| node.class == Class::Net);
    seeds.extend(graph.server_sys());
    seeds.extend(graph.client_sys());
    seeds.sort_by_key(|&seed| std::cmp::Reverse(graph.nodes[seed].flow.row.key.kind));
    let mut sets: Vec<NetworkSet> = Vec::new();
    for seed in seeds {
        if graph.nodes[seed].network_set.is_some() {
            continue;
        }
        let number = sets.len();
        let mut set = NetworkSet::default();
        let mut memory = Memory::default();
        add(graph, &mut set, &mut memory, number, seed);
        // R-NET-2 with R-REL-10: in the order in which relations were found, kind by kind. It decides what the set
        // is known as, and who comes first of members that are equal in everything R-NET-5 and -6 compare.
        for (b, bits) in related[seed].clone() {
            if graph.nodes[b].network_set.is_some() {
                continue;
            }
            let joins = if bits & relate::TCP != 0 {
                relate::tcp_strong(&graph.nodes[seed].flow, &graph.nodes[b].flow, options, texts)
            } else {
                bits & relate::DNS != 0
            };
            if joins {
                add(graph, &mut set, &mut memory, number, b);
            }
        }
        sets.push(set);
    }
    for set in &mut sets {
        set.members = in_order(graph, &set.members);
        link_members(graph, &set.members, options);
    }
    sets
}

/// R-NET-4: what a set knows of either side; a type may be set to 0, which is not the same as never set.
#[derive(Default)]
struct Memory {
    service_id: [u32; 2],
    service: [Text; 2],
    service_type: [Option<u8>; 2],
    instance_type: [Option<u8>; 2],
}

impl Memory {
    fn doubtful(&self) -> bool {
        self.service_type.iter().chain(&self.instance_type).any(|value| matches!(value, Some(0 | 255)))
    }
}

/// R-NET-3, R-NET-4.
fn add(graph: &mut Graph, set: &mut NetworkSet, memory: &mut Memory, number: usize, node: usize) {
    set.members.push(node);
    let node = &mut graph.nodes[node];
    node.network_set = Some(number);
    set.span_id = set.span_id.or(node.flow.row.key.span_id);
    if node.class != Class::Net {
        return;
    }
    let side = usize::from(node.tap.starts_with('s'));
    let sides = &node.flow.row.sides;
    let pick = |falsy: bool| if falsy { 0 } else { side };

    let e = pick(sides[side].auto_service_id == 0);
    if memory.service_id[e] == 0 || memory.doubtful() {
        memory.service_id[e] = sides[e].auto_service_id;
    }
    node.resource.auto_service_id = memory.service_id[e];

    let e = pick(sides[side].auto_service.is_empty());
    if memory.service[e].is_empty() || memory.doubtful() {
        memory.service[e] = sides[e].auto_service;
    }
    node.resource.auto_service = memory.service[e];

    let e = pick(sides[side].auto_service_type == 0);
    if memory.service_type[e].unwrap_or(0) == 0 || memory.doubtful() {
        memory.service_type[e] = Some(sides[e].auto_service_type);
    }
    node.resource.auto_service_type = memory.service_type[e].unwrap_or(0);

    let e = pick(sides[side].auto_instance_type == 0);
    if memory.instance_type[e].unwrap_or(0) == 0 || memory.doubtful() {
        memory.instance_type[e] = Some(sides[e].auto_instance_type);
    }
}

/// Section 0.2; 14 for what has no rank.
fn rank(tap: &str) -> usize {
    const PATH: [&str; 12] =
        ["c-p", "c", "c-nd", "c-hv", "c-gw-hv", "c-gw", "s-gw", "s-gw-hv", "s-hv", "s-nd", "s", "s-p"];
    match PATH.iter().position(|&point| point == tap) {
        Some(position) => position + 1,
        None if tap == "rest" || tap == "local" => 13,
        None => 14,
    }
}

/// R-NET-5 to -7.
fn in_order(graph: &Graph, members: &[usize]) -> Vec<usize> {
    let node = |&member: &usize| -> &Node { &graph.nodes[member] };
    let mut sorted = members.to_vec();
    sorted.sort_by(|a, b| (rank(&node(a).tap), &node(a).tap).cmp(&(rank(&node(b).tap), &node(b).tap)));
    let ingress = sorted
        .iter()
        .map(node)
        .find(|member| ["c-p", "c", "c-nd"].contains(&member.tap.as_str()))
        .map(Node::agent);
    let mut egress = sorted
        .iter()
        .map(node)
        .rfind(|member| ["s-p", "s", "s-nd"].contains(&member.tap.as_str()))
        .map(Node::agent);
    let first = &node(&sorted[0]).flow;
    let mut ingress_weight = 0;
    if first.is_grpc_like() && first.row.key.req_tcp_seq.0 == 0 && first.is_session() {
        ingress_weight = 2;
        egress = Some(0);
    }
    let weight = |member: &usize| {
        let agent = Some(node(member).agent());
        if agent == ingress {
            ingress_weight
        } else if agent == egress {
            2
        } else {
            1
        }
    };
    let part = |fits: &dyn Fn(&str) -> bool| {
        let mut part: Vec<usize> = sorted.iter().copied().filter(|member| fits(&node(member).tap)).collect();
        part.sort_by_key(|member| {
            let n = node(member);
            (weight(member), -i128::from(n.duration()), n.start(), -i128::from(n.end()))
        });
        part
    };
    let mut ordered = part(&|tap| tap == "c-p");
    ordered.extend(part(&|tap| tap != "c-p" && tap != "s-p"));
    ordered.extend(part(&|tap| tap == "s-p"));
    if ingress == egress {
        let server_side = |member: &usize| (7..=12).contains(&rank(&node(member).tap));
        if let Some(f) = ordered.iter().position(server_side)
            && let Some(offset) = ordered[f..].iter().position(|member| weight(member) != 0)
        {
            let block: Vec<usize> = ordered.drain(f..f + offset).collect();
            ordered.extend(block);
        }
    }
    ordered
}

/// R-NET-9.
fn link_members(graph: &mut Graph, members: &[usize], options: &Options) {
    let widened = i128::from(options.host_clock_offset_us) + i128::from(options.network_delay_us);
    for pair in members.windows(2) {
        let (p, c) = (pair[0], pair[1]);
        let (above, below) = (&graph.nodes[p], &graph.nodes[c]);
        let reaches = |end: i64, start: i64| i128::from(end) + widened >= i128::from(start);
        let meet = reaches(below.end(), above.start()) && reaches(above.end(), below.start());
        if above.agent() != below.agent() && !meet {
            continue;
        }
        if above.class == Class::Sys && below.class == Class::Sys {
            if above.tap == "c-p" && below.tap == "s-p" {
                graph.link(c, p);
            }
            continue;
        }
        if let Some(old) = below.parent {
            graph.nodes[old].children.retain(|&child| child != c);
        }
        graph.link(c, p);
    }
}
