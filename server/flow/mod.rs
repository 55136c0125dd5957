//! What the rest of the program talks about: rows of the flow log, spans of a request, and the ids
//! and enumerations they are made of. No behaviour beyond their own.
//!
//! | file | holds |
//! |---|---|
//! | [`text`] | interned strings: [`Texts`] owns them, [`Text`] names one |
//! | [`ids`] | newtypes of ids and protocol numbers |
//! | [`point`] | where on its path an exchange was observed |
//! | [`row`] | [`KeyRow`] (what a search reads) and [`FlowRow`] (what an answer is made of) |
//! | [`trace_ids`] | the trace ids that one row carries |
//! | [`request`] | [`CompletionRequest`]: the question, already validated |

pub mod ids;
pub mod point;
pub mod request;
pub mod row;
pub mod text;
pub mod trace_ids;

pub use ids::{AgentId, L4Protocol, L7Protocol, LogType, RowId, SignalSource, SyscallTraceId, TcpSeq};
pub use point::ObservationPoint;
pub use request::{AppSpan, CompletionRequest, SpanKind};
pub use row::{FlowRow, KeyRow, Side};
pub use text::{Text, Texts};
pub use trace_ids::TraceIds;
