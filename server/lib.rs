//! Trace Completion: an APM sends a few application spans of one trace, and gets them back with the
//! system and network spans that DeepFlow recorded around them, as one call tree.
//!
//! `ARCHITECTURE.md` is the map.

pub mod api;
pub mod cli;
pub mod completion;
pub mod config;
pub mod contract;
pub mod demo;
pub mod embedded;
pub mod engine;
pub mod flow;
pub mod flow_log;
pub mod offload;
pub mod relation;
pub mod replay;
pub mod search;
pub mod store;
pub mod telemetry;
