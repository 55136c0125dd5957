//! The gRPC door.
//!
//! | file | holds |
//! |---|---|
//! | `service` | the methods of `TraceCompletionService` |
//! | `stream` | one answer in pieces: progress, chunks of spans, a summary |
//! | `batch` | many questions on one stream |
//! | `pieces` | what a streamed answer is: work, and the messages that it sends |

mod batch;
mod pieces;
mod service;
mod stream;

pub(super) use service::GrpcDoor;
