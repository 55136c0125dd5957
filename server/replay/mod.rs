//! A completion as a file: recorded with everything that the flow log gave, and run again without the flow
//! log. A report of a broken trace is such a file, and becomes a test unchanged (`tests/cases`).
//!
//! ```text
//! record:  question ─► search and engine ─► RecordingStore ─► flow log          = Case, with the answer
//! replay:  Case ─► search and engine ─► ReplayStore                             = the same answer, or why not
//! ```
//!
//! | file | holds |
//! |---|---|
//! | [`case`](mod@case) | the file: what is in it, reading, limits |
//! | `layout` | the file as text: a line for each row and span |
//! | `row` | rows, with nothing lost |
//! | `question` | the questions of a search |
//! | [`recording`] | [`RecordingStore`]: notes what a store gives |
//! | [`store`] | [`ReplayStore`]: gives it again |
//! | [`run`] | [`record`], [`replay`] and [`redact`] |
//! | `difference` | where two answers differ |
//! | `redaction` | which texts of a case identify somebody |
//! | `pseudonyms` | what stands in their place |

pub mod case;
mod difference;
mod layout;
mod pseudonyms;
mod question;
pub mod recording;
mod redaction;
mod row;
pub mod run;
pub mod store;

pub use case::{Case, CaseError, MAX_CASE_BYTES};
pub use recording::RecordingStore;
pub use run::{RecordError, Replayed, record, redact, replay};
pub use store::ReplayStore;
