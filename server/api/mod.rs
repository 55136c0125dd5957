//! x
pub mod answer;
pub mod proto;
