//! The two doors, gRPC and REST, on one port. The only place that knows tonic, axum and hyper. A new door is a
//! folder or file beside these, and gets its route in `routes`.
//!
//! | file | holds |
//! |---|---|
//! | [`server`] | [`run`]: accepts connections, serves both doors, drains at a shutdown |
//! | `routes` | which path is which door, and what every other path gets |
//! | `supervise` | what surrounds every request of both doors |
//! | `grpc`, `rest` | one door each: reads the request, sends the answer |
//! | `completer` | from a request to a completion and its answer, the same for every door |
//! | `door` | the names of the doors, and how each says an error |
//! | `refusal` | an error as a status, a message or an HTTP answer; notes each failure for the log |
//! | `scope` | what is known of one request: id, deadline, outcome, one log line |
//! | [`error`] | why there is no answer: gRPC code, HTTP status, `OPT_STATUS` |
//! | [`gate`] | bounds how many completions are at work and how many wait |
//! | [`readiness`] | whether the store answers, with hysteresis |
//! | `first_bytes` | cuts connections that never say anything |
//! | `unread` | reads what is left of a request that is answered early |
//! | `http` | small things of HTTP |
//! | `panics`, `shutdown` | panics as values; the signal that the server ends |

mod completer;
mod door;
pub mod error;
mod first_bytes;
pub mod gate;
mod grpc;
mod http;
mod panics;
pub mod readiness;
mod refusal;
mod rest;
mod routes;
mod scope;
pub mod server;
mod shutdown;
mod supervise;
mod unread;

pub use error::ApiError;
pub use server::{Drained, run};
