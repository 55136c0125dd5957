//! Rows of `flow_log.l7_flow_log`, as far as a completion reads them (data-model sections 3 and 5).

use super::{
    ids::{AgentId, L4Protocol, L7Protocol, LogType, RowId, SignalSource, SyscallTraceId, TcpSeq},
    text::Text,
};

/// The columns that a search reads of every row (algorithm 2.1).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct KeyRow {
    /// `_id`.
    pub id: RowId,
    /// `type`: request, response or session.
    pub kind: LogType,
    /// `signal_source`.
    pub signal_source: SignalSource,
    /// `l7_protocol`.
    pub l7_protocol: L7Protocol,
    /// `protocol`.
    pub protocol: L4Protocol,
    /// `tap_side`, physically `observation_point`.
    pub tap_side: Text,
    /// `vtap_id`, physically `agent_id`.
    pub agent: AgentId,
    /// Start, in µs since the epoch.
    pub start_us: i64,
    /// End, in µs since the epoch.
    pub end_us: i64,
    /// `req_tcp_seq`.
    pub req_tcp_seq: TcpSeq,
    /// `resp_tcp_seq`.
    pub resp_tcp_seq: TcpSeq,
    /// `syscall_trace_id_request`.
    pub syscall_request: SyscallTraceId,
    /// `syscall_trace_id_response`.
    pub syscall_response: SyscallTraceId,
    /// `trace_id`: the first and the second id, joined with `", "` where both are there.
    pub trace_id: Text,
    /// `span_id`.
    pub span_id: Text,
    /// `parent_span_id`.
    pub parent_span_id: Text,
    /// `x_request_id_0`, of the request.
    pub x_request_id_0: Text,
    /// `x_request_id_1`, of the response.
    pub x_request_id_1: Text,
    /// `request_id`.
    pub request_id: Option<u64>,
    /// `flow_id`.
    pub flow_id: u64,
    /// `syscall_cap_seq_0` and `_1`.
    pub syscall_cap_seq: [u32; 2],
}

/// All columns of a row that an answer needs. On request spans, what an APM does not send is 0,
/// empty or null (R-APP-1).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FlowRow {
    /// The columns that the search reads too.
    pub key: KeyRow,
    /// Name of a request span; empty on stored rows, whose name is their `endpoint`.
    pub name: Text,
    /// `l7_protocol_str`, physically `biz_protocol`.
    pub l7_protocol_str: Text,
    /// Display name of the protocol.
    pub l7_protocol_enum: Text,
    /// `version` of the protocol.
    pub version: Text,
    /// `is_tls`.
    pub is_tls: u8,
    /// `is_async`.
    pub is_async: u8,
    /// `server_port`; 1 is a unix socket.
    pub server_port: u16,
    /// `tap_id`, physically `capture_network_type_id`.
    pub tap_id: u8,
    /// Name of `tap_id`.
    pub tap: Text,
    /// `response_status`.
    pub response_status: u8,
    /// `response_duration`, in µs; may be negative on request spans.
    pub duration_us: i64,
    /// `biz_response_code`.
    pub biz_response_code: Text,
    /// `response_code`.
    pub response_code: Option<i32>,
    /// `response_exception`.
    pub response_exception: Text,
    /// `response_result`.
    pub response_result: Text,
    /// `request_type`.
    pub request_type: Text,
    /// `request_domain`.
    pub request_domain: Text,
    /// `request_resource`.
    pub request_resource: Text,
    /// `http_proxy_client`.
    pub http_proxy_client: Text,
    /// `endpoint`.
    pub endpoint: Text,
    /// `app_service`.
    pub app_service: Text,
    /// `app_instance`.
    pub app_instance: Text,
    /// What is known of the client (`_0`) and of the server (`_1`).
    pub sides: [Side; 2],
}

/// What a row knows of one end of its exchange.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Side {
    /// `process_id`, of the host.
    pub process_id: i32,
    /// `process_kname`.
    pub process_kname: Text,
    /// Name of the global process.
    pub gprocess: Text,
    /// `subnet_id`.
    pub subnet_id: u16,
    /// Name of the subnet.
    pub subnet: Text,
    /// Address.
    pub ip: Text,
    /// `auto_instance_type`.
    pub auto_instance_type: u8,
    /// `auto_instance_id`; the subnet's where the type is 0 or 255.
    pub auto_instance_id: u32,
    /// Name of the instance; the address where the type is 0 or 255.
    pub auto_instance: Text,
    /// `auto_service_type`.
    pub auto_service_type: u8,
    /// `auto_service_id`; the subnet's where the type is 0 or 255.
    pub auto_service_id: u32,
    /// Name of the service; the address where the type is 0 or 255.
    pub auto_service: Text,
}
