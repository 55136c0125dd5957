//! The better assembly: each span takes the parent for which the evidence is best (`docs/differences.md`).
//!
//! Two kinds of span need a decision. The *head* of an exchange, its capture next to the client, belongs
//! below the span that made the call; an application span that *enters* a process belongs below the
//! exchange that brought its request. Everything else follows: captures of one exchange stand in path
//! order, and application spans of one process stand as the caller said.
//!
//! ```text
//! s-p ─► s-app ─► app ─► c-app ─► c-p ─► c ─► … ─► s ─► s-p ─► s-app ─► …
//! │      entry                    head                 tail    entry
//! └──────── one process ───────────┘                    └─ the next process
//! ```
//!
//! A parent must enclose its child in time, by one clock where both have one, and a process serves a call
//! only with its own spans. Within these bounds the closest evidence wins: span id, then syscall chain,
//! then X-Request-ID, then trace id. Where there is none, a span stays a root.
//!
//! | file | holds |
//! |---|---|
//! | `exchange` | exchanges: network sets with a client, a server, and what they carry |
//! | `thread` | syscall chains: which spans one thread wrote and read for one request |
//! | `serving` | for a client span, the server span of its process whose request it serves |
//! | `app_tree` | application spans: whose child each is, and where a process is entered |
//! | `by_start` | spans by their start, and the latest of them that last until some time |
//! | `joints` | the decisions |

mod app_tree;
mod by_start;
mod exchange;
mod joints;
mod serving;
mod thread;

use super::{completed::Resource, flows::Flow, network_set::NetworkSet, resource::ProcessMemory, tree::Tree};
use crate::flow::AgentId;

/// Links everything that evidence ties together, and tells each span its resource. Returns the host of each
/// request span, where its process is known.
pub(super) fn assemble(
    tree: &mut Tree<'_>,
    networks: &[NetworkSet],
    resources: &mut [Resource],
    host_clock_offset_us: i64,
) -> Vec<Option<AgentId>> {
    let exchanges = exchange::collect(tree.flows, networks);
    for set in networks {
        for pair in set.members.windows(2) {
            tree.link(pair[1], pair[0], super::tree::Rule::NetworkPath);
        }
    }
    joints::decide(tree, &exchanges, host_clock_offset_us);
    lend_resources(tree, resources)
}

/// R-SVC for processes as they were found: a system span and all that hangs below it in its own process.
fn lend_resources(tree: &Tree<'_>, resources: &mut [Resource]) -> Vec<Option<AgentId>> {
    let is_member = |flow: &Flow| flow.is_app() || flow.is_system();
    let mut process_of: Vec<Option<u32>> = vec![None; tree.flows.len()];
    let mut memories: Vec<ProcessMemory> = Vec::new();
    let mut on_way = vec![false; tree.flows.len()];
    let mut way = Vec::new();
    for node in 0..tree.flows.len() as u32 {
        if !is_member(tree.flow(node)) {
            continue;
        }
        // Walk to the top of the process, then give its number to the whole way.
        let mut at = node;
        let number = loop {
            if let Some(number) = process_of[at as usize] {
                break number;
            }
            way.push(at);
            on_way[at as usize] = true;
            let parent = tree.parent(at).filter(|&parent| {
                let (p, c) = (tree.flow(parent), tree.flow(at));
                !on_way[parent as usize] && is_member(p) && joints::in_one_process(p, c)
            });
            match parent {
                Some(parent) => at = parent,
                None => {
                    memories.push(ProcessMemory::default());
                    break memories.len() as u32 - 1;
                }
            }
        };
        for at in way.drain(..) {
            process_of[at as usize] = Some(number);
            on_way[at as usize] = false;
        }
    }
    let mut host_of: Vec<Option<AgentId>> = vec![None; memories.len()];
    // System spans know their process, so they speak first.
    for speak_first in [true, false] {
        for (node, flow) in tree.flows.iter().enumerate().filter(|(_, flow)| flow.is_system() == speak_first)
        {
            if let Some(number) = process_of[node] {
                let memory = &mut memories[number as usize];
                if flow.is_system() {
                    host_of[number as usize].get_or_insert(flow.key().agent);
                    memory.process(flow, &mut resources[node]);
                }
                memory.service(flow, &mut resources[node]);
            }
        }
    }
    let host = |(flow, number): (&Flow, Option<u32>)| {
        number.filter(|_| flow.request.is_some()).and_then(|number| host_of[number as usize])
    };
    tree.flows.iter().zip(process_of).map(host).collect()
}
