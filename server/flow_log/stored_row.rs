//! A row of the flow log as tests, the demo and recorded cases have it. It can be written to a flow log, or
//! kept in memory; a search reads it as a [`KeyRow`], an answer as a [`FlowRow`].

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::ddl;
use crate::flow::{
    AgentId, FlowRow, KeyRow, L4Protocol, L7Protocol, LogType, RowId, Side, SignalSource, SyscallTraceId,
    TcpSeq, Text, Texts,
};

/// Physical columns under their newest names, plus the names that DeepFlow resolves through
/// dictionaries (`subnet_*`, `auto_instance_*`, `auto_service_*`, `gprocess_*`, `capture_network_type`).
/// Suffix `_0` is the client's end, `_1` the server's.
///
/// Reads sparse JSON: a column that is left out is `""`, 0 or null. Unknown keys are ignored, since recorded
/// rows have columns that no completion reads.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the fields are the columns; data-model section 3 explains each
pub struct StoredRow {
    pub _id: u64,
    /// Second in which the row ends, since the epoch; equal to `_id >> 32`.
    pub time: u32,
    pub agent_id: u16,
    pub observation_point: String,
    pub signal_source: u16,
    pub capture_network_type_id: u8,
    /// Name of `capture_network_type_id`.
    pub capture_network_type: String,
    /// A MAC address, of which the last four bytes are stored, an IPv4 address, or a number.
    pub capture_nic: String,
    pub capture_nic_type: u8,
    pub is_ipv4: u8,
    /// `None` is 0.0.0.0.
    pub ip4_0: Option<Ipv4Addr>,
    /// `None` is 0.0.0.0.
    pub ip4_1: Option<Ipv4Addr>,
    /// `None` is `::`.
    pub ip6_0: Option<Ipv6Addr>,
    /// `None` is `::`.
    pub ip6_1: Option<Ipv6Addr>,
    pub protocol: u8,
    pub client_port: u16,
    pub server_port: u16,
    pub flow_id: u64,
    pub req_tcp_seq: u32,
    pub resp_tcp_seq: u32,
    /// In µs since the epoch.
    pub start_time: i64,
    /// In µs since the epoch.
    pub end_time: i64,
    pub gprocess_id_0: u32,
    pub gprocess_id_1: u32,
    /// Name of `gprocess_id_0`.
    pub gprocess_0: String,
    /// Name of `gprocess_id_1`.
    pub gprocess_1: String,
    pub process_id_0: i32,
    pub process_id_1: i32,
    pub process_kname_0: String,
    pub process_kname_1: String,
    pub syscall_trace_id_request: u64,
    pub syscall_trace_id_response: u64,
    pub syscall_cap_seq_0: u32,
    pub syscall_cap_seq_1: u32,
    pub subnet_id_0: u16,
    pub subnet_id_1: u16,
    /// Name of `subnet_id_0`.
    pub subnet_0: String,
    /// Name of `subnet_id_1`.
    pub subnet_1: String,
    pub auto_instance_id_0: u32,
    pub auto_instance_id_1: u32,
    pub auto_instance_type_0: u8,
    pub auto_instance_type_1: u8,
    /// Name of the instance of the client's end.
    pub auto_instance_0: String,
    /// Name of the instance of the server's end.
    pub auto_instance_1: String,
    pub auto_service_id_0: u32,
    pub auto_service_id_1: u32,
    pub auto_service_type_0: u8,
    pub auto_service_type_1: u8,
    /// Name of the service of the client's end.
    pub auto_service_0: String,
    /// Name of the service of the server's end.
    pub auto_service_1: String,
    pub l7_protocol: u8,
    pub biz_protocol: String,
    pub version: String,
    pub r#type: u8,
    pub is_tls: u8,
    pub is_async: u8,
    pub is_reversed: u8,
    pub request_type: String,
    pub request_domain: String,
    pub request_resource: String,
    pub endpoint: String,
    pub request_id: Option<u64>,
    pub response_status: u8,
    pub response_code: Option<i32>,
    pub response_exception: String,
    pub response_result: String,
    pub biz_response_code: String,
    pub http_proxy_client: String,
    pub x_request_id_0: String,
    pub x_request_id_1: String,
    pub trace_id: String,
    pub _trace_id_2: String,
    pub span_id: String,
    pub parent_span_id: String,
    pub span_kind: Option<u8>,
    pub app_service: String,
    pub app_instance: String,
    /// In µs.
    pub response_duration: u64,
}

impl StoredRow {
    /// The row as a search reads it.
    pub fn key_row(&self, texts: &mut Texts) -> KeyRow {
        KeyRow {
            id: RowId(self._id),
            kind: LogType(self.r#type),
            signal_source: SignalSource(self.signal_source),
            l7_protocol: L7Protocol(self.l7_protocol),
            protocol: L4Protocol(self.protocol),
            tap_side: texts.intern(&self.observation_point),
            agent: AgentId(self.agent_id),
            start_us: self.start_time,
            end_us: self.end_time,
            req_tcp_seq: TcpSeq(self.req_tcp_seq),
            resp_tcp_seq: TcpSeq(self.resp_tcp_seq),
            syscall_request: SyscallTraceId(self.syscall_trace_id_request),
            syscall_response: SyscallTraceId(self.syscall_trace_id_response),
            trace_id: self.joined_trace_id(texts),
            span_id: texts.intern(&self.span_id),
            parent_span_id: texts.intern(&self.parent_span_id),
            x_request_id_0: texts.intern(&self.x_request_id_0),
            x_request_id_1: texts.intern(&self.x_request_id_1),
            request_id: self.request_id,
            flow_id: self.flow_id,
            syscall_cap_seq: [self.syscall_cap_seq_0, self.syscall_cap_seq_1],
        }
    }

    /// The row as an answer reads it, with the names that are in the row itself.
    pub fn flow_row(&self, texts: &mut Texts) -> FlowRow {
        FlowRow {
            key: self.key_row(texts),
            name: Text::EMPTY,
            l7_protocol_str: texts.intern(&self.biz_protocol),
            l7_protocol_enum: match ddl::l7_protocol_name(self.l7_protocol) {
                Some(name) => texts.intern(name),
                None => texts.intern(&self.l7_protocol.to_string()),
            },
            version: texts.intern(&self.version),
            is_tls: self.is_tls,
            is_async: self.is_async,
            server_port: self.server_port,
            tap_id: self.capture_network_type_id,
            tap: texts.intern(&self.capture_network_type),
            response_status: self.response_status,
            duration_us: i64::try_from(self.response_duration).unwrap_or(i64::MAX),
            biz_response_code: texts.intern(&self.biz_response_code),
            response_code: self.response_code,
            response_exception: texts.intern(&self.response_exception),
            response_result: texts.intern(&self.response_result),
            request_type: texts.intern(&self.request_type),
            request_domain: texts.intern(&self.request_domain),
            request_resource: texts.intern(&self.request_resource),
            http_proxy_client: texts.intern(&self.http_proxy_client),
            endpoint: texts.intern(&self.endpoint),
            app_service: texts.intern(&self.app_service),
            app_instance: texts.intern(&self.app_instance),
            sides: [self.client_side(texts), self.server_side(texts)],
        }
    }

    /// Sets the instance and service of each end to what a reader of DeepFlow's tables sees: where the type
    /// is 0 or 255 there is no resource, so that the id is that of the subnet and the name is the address.
    /// Recorded rows may have other values; after this, every store gives the same for the row.
    pub fn resolve_bare_addresses(&mut self) {
        let ips = [self.ip_text(0), self.ip_text(1)];
        let [ip_0, ip_1] = &ips;
        for (kind, id, name, subnet_id, ip) in [
            (
                self.auto_instance_type_0,
                &mut self.auto_instance_id_0,
                &mut self.auto_instance_0,
                self.subnet_id_0,
                ip_0,
            ),
            (
                self.auto_instance_type_1,
                &mut self.auto_instance_id_1,
                &mut self.auto_instance_1,
                self.subnet_id_1,
                ip_1,
            ),
            (
                self.auto_service_type_0,
                &mut self.auto_service_id_0,
                &mut self.auto_service_0,
                self.subnet_id_0,
                ip_0,
            ),
            (
                self.auto_service_type_1,
                &mut self.auto_service_id_1,
                &mut self.auto_service_1,
                self.subnet_id_1,
                ip_1,
            ),
        ] {
            if is_bare_address(kind) {
                *id = u32::from(subnet_id);
                name.clone_from(ip);
            }
        }
    }

    /// The address of the client's (0) or server's end (1), as text.
    pub fn ip_text(&self, side: usize) -> String {
        let (v4, v6) = if side == 0 { (self.ip4_0, self.ip6_0) } else { (self.ip4_1, self.ip6_1) };
        if self.is_ipv4 == 1 {
            v4.unwrap_or(Ipv4Addr::UNSPECIFIED).to_string()
        } else {
            v6.unwrap_or(Ipv6Addr::UNSPECIFIED).to_string()
        }
    }

    fn joined_trace_id(&self, texts: &mut Texts) -> Text {
        match (self.trace_id.as_str(), self._trace_id_2.as_str()) {
            (one, "") | ("", one) => texts.intern(one),
            (first, second) => texts.intern(&format!("{first}, {second}")),
        }
    }

    fn client_side(&self, texts: &mut Texts) -> Side {
        Side {
            process_id: self.process_id_0,
            process_kname: texts.intern(&self.process_kname_0),
            gprocess: texts.intern(&self.gprocess_0),
            subnet_id: self.subnet_id_0,
            subnet: texts.intern(&self.subnet_0),
            ip: texts.intern(&self.ip_text(0)),
            auto_instance_type: self.auto_instance_type_0,
            auto_instance_id: self.auto_instance_id_0,
            auto_instance: texts.intern(&self.auto_instance_0),
            auto_service_type: self.auto_service_type_0,
            auto_service_id: self.auto_service_id_0,
            auto_service: texts.intern(&self.auto_service_0),
        }
    }

    fn server_side(&self, texts: &mut Texts) -> Side {
        Side {
            process_id: self.process_id_1,
            process_kname: texts.intern(&self.process_kname_1),
            gprocess: texts.intern(&self.gprocess_1),
            subnet_id: self.subnet_id_1,
            subnet: texts.intern(&self.subnet_1),
            ip: texts.intern(&self.ip_text(1)),
            auto_instance_type: self.auto_instance_type_1,
            auto_instance_id: self.auto_instance_id_1,
            auto_instance: texts.intern(&self.auto_instance_1),
            auto_service_type: self.auto_service_type_1,
            auto_service_id: self.auto_service_id_1,
            auto_service: texts.intern(&self.auto_service_1),
        }
    }
}

/// Whether a type of instance or service means that only an address is known.
pub(crate) fn is_bare_address(auto_type: u8) -> bool {
    matches!(auto_type, 0 | 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_json_is_a_row() {
        let row: StoredRow = serde_json::from_str(
            r#"{"_id": 4294967297, "time": 1, "ip4_0": "10.0.0.1", "is_ipv4": 1, "type": 2, "request_id": 7,
                "start_time": 1000000, "end_time": 1500000, "capture_nic_name": "eth0"}"#,
        )
        .unwrap();
        assert_eq!(
            (row._id, row.r#type, row.request_id, row.response_code),
            (4_294_967_297, 2, Some(7), None)
        );
        assert_eq!((row.ip_text(0), row.ip_text(1)), ("10.0.0.1".to_owned(), "0.0.0.0".to_owned()));
    }

    #[test]
    fn trace_ids_are_joined_as_the_querier_does() {
        for (first, second, want) in [("a", "", "a"), ("", "b", "b"), ("a", "b", "a, b"), ("", "", "")] {
            let row =
                StoredRow { trace_id: first.into(), _trace_id_2: second.into(), ..StoredRow::default() };
            let mut texts = Texts::new();
            let key = row.key_row(&mut texts);
            assert_eq!(texts.get(key.trace_id), want);
        }
    }

    #[test]
    fn a_bare_address_is_its_own_name() {
        let mut row = StoredRow {
            is_ipv4: 1,
            ip4_1: Some(Ipv4Addr::new(10, 0, 0, 9)),
            subnet_id_1: 3,
            auto_service_type_1: 255,
            auto_service_id_1: 10,
            auto_instance_type_1: 10,
            auto_instance_id_1: 101,
            auto_instance_1: "pod".into(),
            ..StoredRow::default()
        };
        row.resolve_bare_addresses();
        assert_eq!((row.auto_service_id_1, row.auto_service_1.as_str()), (3, "10.0.0.9"));
        assert_eq!((row.auto_instance_id_1, row.auto_instance_1.as_str()), (101, "pod"));
        assert_eq!((row.auto_service_id_0, row.auto_service_0.as_str()), (0, "0.0.0.0"));
    }
}
