//! The assembly of the default mode: each span takes the parent for which the evidence is best
//! (`docs/differences.md`).
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
//! A parent must enclose its child in time (exactly, where one host saw both), and a process serves a call
//! only with its own spans. Within these bounds the best evidence decides: span id, then syscall chain, then
//! X-Request-ID, then trace id. A span without evidence stays a root.
//!
//! | file or folder | holds |
//! |---|---|
//! | `exchange` | exchanges: network sets with a client, a server, and what they carry |
//! | `arrivals` | exchanges, by where they arrive and what they carry |
//! | `inner` | whether one span is around another, by clocks that may be off |
//! | `thread` | syscall chains: which spans one thread wrote and read for one request |
//! | `serving` | for each outgoing call, the inbound request it was made for |
//! | `app_tree` | application spans: whose child each is, and where a process is entered |
//! | `by_start` | spans by their start, and the latest of them that last until some time |
//! | `path` | captures of one exchange: pieces put together, ordered, linked |
//! | `joints` | the decisions |
//! | `lend` | what each span of a process is known as |

mod app_tree;
mod arrivals;
mod by_start;
mod exchange;
mod inner;
mod joints;
mod lend;
mod path;
mod serving;
mod thread;

use super::assembly::{Assembled, Material};
use crate::flow::Texts;

/// Links everything that evidence ties together, and tells each span its resource.
pub(super) fn assemble(material: Material<'_>, texts: &Texts) -> Assembled {
    let Material { networks, mut resources, mut tree, tolerance, .. } = material;
    let mut networks = path::reunite(networks, tree.flows, texts);
    for set in &mut networks {
        path::order_by_rank(&mut set.members, tree.flows);
        path::link(&set.members, &mut tree);
    }
    joints::decide(&mut tree, &networks, tolerance.host_clock_offset_us);
    let hosts = lend::lend_resources(&tree, &mut resources);
    Assembled { grown: tree.into_forest(), networks, resources, hosts: Some(hosts) }
}
