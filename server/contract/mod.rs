//! What the messages are, apart from who serves them: the generated contract, what a request may say, and how a
//! completion becomes an answer. Doors, the command line, recorded cases and the demo share it. It knows no
//! server, no connection and no store.
//!
//! | file | holds |
//! |---|---|
//! | [`proto`] | the types generated from `proto/`, and the names of the contract |
//! | [`validate`] | the rules for a request, the same for every door |
//! | [`violations`] | the faults of a request, each with its path |
//! | [`json`] | strict reading of a request in the JSON of the REST door |
//! | `scalar` | one value of that JSON |
//! | [`mod@answer`] | a completed trace as the documented answer |
//! | `explanation` | the part of the answer that says why it looks as it does |

pub mod answer;
mod explanation;
pub mod json;
pub mod proto;
mod scalar;
pub mod validate;
pub mod violations;

pub use proto::REST_PATH;
pub use validate::Rules;
pub use violations::{Violation, Violations};
