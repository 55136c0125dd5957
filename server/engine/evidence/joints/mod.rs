//! The decisions: below which span each call and each process entry belongs.
//!
//! Each phase makes a struct of its own out of those before it, so that none can read what is not decided
//! yet:
//!
//! ```text
//! Facts ─► CallsByHeader ─► Entries ─► AppsOfRequests ─► Callers ─► links
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `facts` | what is known before anything is decided |
//! | `calls` | calls that carry a span id which says who made them |
//! | `entries` | which exchange brought the request of each application span that enters a process |
//! | `apps_of_requests` | the application spans of each request, and which of them is around a call |
//! | `other_calls` | which span made each of the other calls |
//! | `links` | the links that follow |

mod apps_of_requests;
mod calls;
mod entries;
mod facts;
mod links;
mod other_calls;

use self::{
    apps_of_requests::AppsOfRequests, calls::CallsByHeader, entries::Entries, facts::Facts,
    other_calls::Callers,
};
use super::exchange;
use crate::engine::{network_set::Networks, tree::Tree};

/// Decides below which span each head of an exchange and each application span belongs, and links them.
pub(super) fn decide(tree: &mut Tree<'_>, networks: &Networks, host_clock_offset_us: i64) {
    let exchanges = exchange::collect(tree.flows, networks);
    let facts = Facts::of(tree.flows, exchanges.as_slice(), host_clock_offset_us);
    let by_header = CallsByHeader::of(&facts);
    let entries = Entries::of(&facts, &by_header);
    let apps = AppsOfRequests::of(&facts, &by_header, &entries);
    let callers = Callers::of(&facts, by_header, &apps);
    links::link(tree, &facts, &entries, &apps, &callers);
}
