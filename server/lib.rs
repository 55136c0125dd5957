//! Trace Completion: an APM sends a few application spans of one trace, and gets them back with the
//! system and network spans that DeepFlow recorded around them, as one call tree.
//!
//! Most users run the program and call it over gRPC or REST. This library gives the same answers inside a Rust
//! program. Here the client span of an APM is completed with what eBPF saw of the call in the client's process:
//!
//! ```
//! use trace_completion::{completion, config::Tracing, flow::*, flow_log::*, store::ReadContext};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A row at the client process (`c-p`). The upper half of its id is the second in which it ends.
//! let ids = StoredRow { trace_id: "trace".into(), span_id: "span".into(), ..StoredRow::default() };
//! let place = StoredRow { _id: 100 << 32, time: 100, observation_point: "c-p".into(), ..ids };
//! let row = StoredRow { signal_source: 3, start_time: 100_100_000, end_time: 100_800_000, ..place };
//! let ids = AppSpan { trace_id: "trace".into(), span_id: "span".into(), ..AppSpan::default() };
//! let span = AppSpan { start_time_us: 100_000_000, end_time_us: 100_900_000, ..ids };
//! let (store, tracing) = (MemoryStore::new(vec![row]), Tracing::default());
//!
//! let (request, context) = (tracing.request(vec![span]), ReadContext::new("example", 1000));
//! let trace = completion::complete(&store, &tracing, &request, &context).await?.completed;
//!
//! // The first span is that of the APM; the row of the client process stands below it.
//! assert_eq!(trace.spans.len(), 2);
//! assert_eq!((trace.spans[0].parent, trace.spans[1].parent), (None, Some(0)));
//! # Ok(())
//! # }
//! ```
//!
//! A server has [`store::ClickHouseStore`] in the place of [`flow_log::MemoryStore`]; any other
//! [`store::FlowStore`] will do.
//!
//! # What is stable
//!
//! Programs that call the server depend on the contract in `proto/` only, not on this library.
//!
//! A program that uses the library may rely on what the example uses: [`completion::complete`] with what it
//! takes and gives ([`flow`], [`config`], [`engine::Completed`]), [`store::FlowStore`] and its two
//! implementations, and [`replay::Case`]. While the version begins with 0, a minor version may change them; a
//! patch does not. A new field of a public struct is such a change, so that `..StoredRow::default()` in a
//! program is a good idea.
//!
//! All other public items are public for the program, its tests and benchmarks. They may change with every
//! commit.
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
