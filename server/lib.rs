//! Trace Completion: an APM sends a few application spans of one trace, and gets them back with the
//! system and network spans that DeepFlow recorded around them, as one call tree.
//!
//! Most users run the program and call it over gRPC or REST. This library gives the same answers inside of a
//! Rust program. Here the client span of an APM is completed with what eBPF saw of the call in two processes:
//!
//! ```
//! use trace_completion::{
//!     completion,
//!     config::Tracing,
//!     flow::{AppSpan, CompletionRequest, LogType, SignalSource, SpanKind},
//!     flow_log::{MemoryStore, StoredRow},
//!     store::ReadContext,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let seen = |counter: u64, point: &str, start_time, end_time| StoredRow {
//!     _id: 100 << 32 | counter, // the second in which the row ends, and a number in it
//!     time: 100,
//!     start_time, // in µs, like all times of rows and spans
//!     end_time,
//!     observation_point: point.to_owned(),
//!     signal_source: SignalSource::EBPF.0,
//!     r#type: LogType::SESSION.0, // a request with its response
//!     req_tcp_seq: 17, // the same wherever the exchange is seen
//!     resp_tcp_seq: 4711,
//!     trace_id: "trace".to_owned(), // from the header that the client sent
//!     span_id: "span".to_owned(),
//!     ..StoredRow::default()
//! };
//! let client_process = seen(1, "c-p", 100_100_000, 100_800_000);
//! let server_process = seen(2, "s-p", 100_200_000, 100_700_000);
//! let store = MemoryStore::new(vec![server_process, client_process]);
//!
//! let tracing = Tracing::default();
//! let request = CompletionRequest {
//!     app_spans: vec![AppSpan {
//!         trace_id: "trace".to_owned(),
//!         span_id: "span".to_owned(),
//!         span_kind: SpanKind::Client,
//!         start_time_us: 100_000_000,
//!         end_time_us: 100_900_000,
//!         ..AppSpan::default()
//!     }],
//!     max_iteration: tracing.max_iteration,
//!     network_delay_us: tracing.network_delay_us,
//!     host_clock_offset_us: tracing.host_clock_offset_us,
//!     explain: false,
//! };
//! let context = ReadContext { request_id: "1".to_owned(), limit_rows: 1000, deadline: None };
//!
//! let completion = completion::complete(&store, &tracing, &request, &context).await?;
//!
//! let tree: Vec<(&str, Option<u32>)> = completion
//!     .completed
//!     .spans
//!     .iter()
//!     .map(|span| (completion.texts.get(span.row.key.tap_side), span.parent))
//!     .collect();
//! // Each span with the position of its parent: the client process is below the APM's span, the server process
//! // below the client process.
//! assert_eq!(tree, [("c-app", None), ("c-p", Some(0)), ("s-p", Some(1))]);
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
