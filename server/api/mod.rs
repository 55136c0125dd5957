//! The two doors, gRPC and REST, on one port. The only place that knows tonic, axum and hyper.
//!
//! | file | holds |
//! |---|---|
//! | [`server`] | [`run`]: accepts connections, serves both doors, drains at a shutdown |
//! | `doors` | the routes: which path is which door, and what everything else gets |
//! | `supervise` | what surrounds every request of both doors |
//! | `scope` | what is known of one request: id, deadline, panics, one log line |
//! | `grpc`, `rest` | one door each: reads the request, dresses the answer |
//! | `stream` | one answer in pieces: progress, chunks of spans, a summary |
//! | `batch` | many questions on one stream |
//! | `pieces` | what a streamed answer is: work, and the messages that it sends |
//! | [`json`] | strict reading of the REST body |
//! | `scalar` | one value of it |
//! | [`validate`] | what a request may say, the same for both doors |
//! | `core` | from a request to a completion and its answer, the same for every call |
//! | [`mod@answer`] | the completed trace as the documented answer |
//! | `explanation` | why an answer looks as it does |
//! | [`error`] | why there is no answer: gRPC code, HTTP status, `OPT_STATUS` |
//! | [`limits`] | the gate that bounds completions at work |
//! | [`readiness`] | whether the store answers, with hysteresis |
//! | `first_bytes` | cuts connections that never say anything |
//! | `unread` | reads what is left of a request that is answered early |
//! | [`proto`] | generated from the contract |

pub mod answer;
mod batch;
mod core;
mod doors;
pub mod error;
mod explanation;
mod first_bytes;
mod grpc;
pub mod json;
pub mod limits;
mod pieces;
pub mod proto;
pub mod readiness;
mod rest;
mod scalar;
mod scope;
pub mod server;
mod stream;
mod supervise;
mod unread;
pub mod validate;

pub use error::ApiError;
pub use rest::PATH as REST_PATH;
pub use server::{Drained, run};
pub use validate::{Rules, Violation, Violations};
