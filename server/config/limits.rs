//! The `[limits]` table: how much one caller, one connection and all callers together may take. Errors
//! that a limit causes name its key.

use serde::{Deserialize, Serialize};

use super::check::{Range, Ranges, range};

/// What a request, a connection and all of them together may take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest request, in bytes: the REST body or the gRPC message. Default 4194304 (4 MiB).
    pub max_request_bytes: u32,
    /// Largest answer of either door, in bytes of its protobuf form. Default 67108864 (64 MiB).
    pub max_answer_bytes: u32,
    /// Most application spans of one request. Default 10000.
    pub max_app_spans: u32,
    /// Longest string of a request, in bytes. Default 1024.
    pub max_string_bytes: u32,
    /// Largest `max_iteration` of a request, in rounds. Default 100.
    pub max_iteration: u32,
    /// Time for one request from its head to the head of the answer, in ms. The search may not use the last
    /// tenth of it (at most a second), which is for putting the answer together. Default 30000.
    pub max_request_ms: u32,
    /// Completions that work at the same time. Default 64.
    pub max_concurrent: u32,
    /// Completions that wait for one of those places; further ones are rejected. Default 256.
    pub max_waiting: u32,
    /// Longest wait for a place, in ms; then the completion is rejected. Default 1000.
    pub max_wait_ms: u32,
    /// Most bytes of spans in one message of a streamed answer, in its protobuf form; a single larger span
    /// gets a message of its own. Default 1048576 (1 MiB).
    pub stream_chunk_bytes: u32,
    /// Questions of one batch stream that are worked on, or whose answer the caller has not read yet. The
    /// next one is read when there are fewer. Default 16.
    pub batch_in_flight: u32,
    /// Longest time that a stream waits for its caller to read, in ms; then the stream is cut. Default 30000.
    pub stream_stall_ms: u32,
    /// Connections open at the same time; more wait in the kernel's queue. Default 4096.
    pub max_connections: u32,
    /// HTTP/2 streams of one connection at the same time. Default 256.
    pub max_streams: u32,
    /// Largest head of a request, in bytes. Default 16384.
    pub max_header_bytes: u32,
    /// Time for the head of an HTTP/1 request, and for the first bytes of any connection, in ms.
    /// Default 10000.
    pub header_timeout_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_request_bytes: 4 << 20,
            max_answer_bytes: 64 << 20,
            max_app_spans: 10_000,
            max_string_bytes: 1024,
            max_iteration: 100,
            max_request_ms: 30_000,
            max_concurrent: 64,
            max_waiting: 256,
            max_wait_ms: 1000,
            stream_chunk_bytes: 1 << 20,
            batch_in_flight: 16,
            stream_stall_ms: 30_000,
            max_connections: 4096,
            max_streams: 256,
            max_header_bytes: 16 << 10,
            header_timeout_ms: 10_000,
        }
    }
}

impl Ranges for Limits {
    fn ranges(&self) -> Vec<Range> {
        vec![
            range("limits.max_request_bytes", self.max_request_bytes, 1 << 10, 256 << 20),
            range("limits.max_answer_bytes", self.max_answer_bytes, 1 << 10, 1 << 30),
            range("limits.max_app_spans", self.max_app_spans, 1, 1_000_000),
            range("limits.max_string_bytes", self.max_string_bytes, 16, 1 << 20),
            range("limits.max_iteration", self.max_iteration, 1, 10_000),
            range("limits.max_request_ms", self.max_request_ms, 10, 3_600_000),
            range("limits.max_concurrent", self.max_concurrent, 1, 1_000_000),
            range("limits.max_waiting", self.max_waiting, 0, 1_000_000),
            range("limits.max_wait_ms", self.max_wait_ms, 0, 3_600_000),
            range("limits.stream_chunk_bytes", self.stream_chunk_bytes, 1 << 10, 64 << 20),
            range("limits.batch_in_flight", self.batch_in_flight, 1, 10_000),
            range("limits.stream_stall_ms", self.stream_stall_ms, 10, 3_600_000),
            range("limits.max_connections", self.max_connections, 1, 1_000_000),
            range("limits.max_streams", self.max_streams, 1, 100_000),
            // hyper refuses a smaller buffer than 8 KiB.
            range("limits.max_header_bytes", self.max_header_bytes, 8 << 10, 1 << 20),
            range("limits.header_timeout_ms", self.header_timeout_ms, 10, 600_000),
        ]
    }
}
