//! The search: which rows of the flow log belong to a trace (algorithm 2, R-SEARCH, R-ENTRY). A state machine that says
//! what to ask next and never waits:
//!
//! ```text
//! while let Some(question) = search.next() {
//!     search.answer(store.search(question));
//! }
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`machine`] | [`Search`]: the state machine |
//! | [`question`] | what it asks |
//! | `found` | the rows it has, and R-SEARCH-12 |
//! | `keys` | R-SEARCH-9: keys not asked for yet |
//! | `window` | R-WIN: the time in which rows are looked for |
//! | [`report`] | what each question brought |

mod found;
mod keys;
pub mod machine;
pub mod question;
pub mod report;
mod window;

pub use machine::{Search, SearchResult};
pub use question::{AssociationKeys, Question, Window};
pub use report::{Cost, Round};
