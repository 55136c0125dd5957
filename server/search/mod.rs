//! The search: which rows of the flow log belong to a trace (algorithm 2). A state machine that says
//! what to ask next and never waits.

pub mod question;

pub use question::{AssociationKeys, Question, Window};
