//! Rows of a case. Each can be read as a [`StoredRow`]. What a store may give that a [`StoredRow`] cannot
//! hold is kept beside it, so that nothing of what the engine saw is lost.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    flow::{FlowRow, KeyRow, Side, Text, Texts},
    flow_log::{StoredRow, matching::Searchable},
};

/// A row as the flow log gave it: in full, or the columns that a search reads.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CaseRow {
    #[serde(flatten)]
    pub(super) stored: StoredRow,
    /// Tells rows of one id apart, where the flow log gave several.
    pub(super) variant: u32,
    /// Display name of the protocol, where it is not the one that the protocol's number has.
    pub(super) l7_protocol_enum: Option<String>,
    /// Addresses, where they are not what [`StoredRow::ip_text`] gives.
    pub(super) ip_0: Option<String>,
    pub(super) ip_1: Option<String>,
}

/// Columns in which 0 is a value, other than no value.
const MEANINGFUL_ZERO: [&str; 3] = ["request_id", "response_code", "span_kind"];

impl Serialize for CaseRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let CaseRow { stored, variant, l7_protocol_enum, ip_0, ip_1 } = self;
        let mut columns = match serde_json::to_value(stored) {
            Ok(Value::Object(columns)) => columns,
            _ => Map::new(),
        };
        columns.insert("variant".to_owned(), (*variant).into());
        for (name, value) in [("l7_protocol_enum", l7_protocol_enum), ("ip_0", ip_0), ("ip_1", ip_1)] {
            // Such a value may be the empty text, which is not the same as no value.
            if let Some(value) = value {
                columns.insert(name.to_owned(), value.as_str().into());
            }
        }
        columns.retain(|name, value| match value {
            Value::Null => false,
            Value::Number(number) => {
                number.as_u64() != Some(0) || MEANINGFUL_ZERO.contains(&name.as_str()) || name == "_id"
            }
            Value::String(text) => {
                !text.is_empty() || matches!(name.as_str(), "l7_protocol_enum" | "ip_0" | "ip_1")
            }
            _ => true,
        });
        columns.serialize(serializer)
    }
}

impl CaseRow {
    /// A row of which only the columns of a search are known.
    pub(super) fn of_key(row: &KeyRow, texts: &Texts) -> CaseRow {
        // Complete, so that the compiler asks about each new column.
        let KeyRow {
            id,
            kind,
            signal_source,
            l7_protocol,
            protocol,
            tap_side,
            agent,
            start_us,
            end_us,
            req_tcp_seq,
            resp_tcp_seq,
            syscall_request,
            syscall_response,
            trace_id,
            span_id,
            parent_span_id,
            x_request_id_0,
            x_request_id_1,
            request_id,
            flow_id,
            syscall_cap_seq,
        } = *row;
        let text = |text: Text| texts.get(text).to_owned();
        let stored = StoredRow {
            _id: id.0,
            time: u32::try_from(id.second()).unwrap_or(u32::MAX),
            r#type: kind.0,
            signal_source: signal_source.0,
            l7_protocol: l7_protocol.0,
            protocol: protocol.0,
            observation_point: text(tap_side),
            agent_id: agent.0,
            start_time: start_us,
            end_time: end_us,
            req_tcp_seq: req_tcp_seq.0,
            resp_tcp_seq: resp_tcp_seq.0,
            syscall_trace_id_request: syscall_request.0,
            syscall_trace_id_response: syscall_response.0,
            // Two ids come joined, and stay joined.
            trace_id: text(trace_id),
            span_id: text(span_id),
            parent_span_id: text(parent_span_id),
            x_request_id_0: text(x_request_id_0),
            x_request_id_1: text(x_request_id_1),
            request_id,
            flow_id,
            syscall_cap_seq_0: syscall_cap_seq[0],
            syscall_cap_seq_1: syscall_cap_seq[1],
            ..StoredRow::default()
        };
        CaseRow { stored, ..CaseRow::default() }
    }

    /// A whole row.
    pub(super) fn of_flow(row: &FlowRow, texts: &mut Texts) -> CaseRow {
        // Complete, so that the compiler asks about each new column.
        let FlowRow {
            key,
            // Empty on stored rows.
            name: _,
            l7_protocol_str,
            l7_protocol_enum,
            version,
            is_tls,
            is_async,
            server_port,
            tap_id,
            tap,
            response_status,
            duration_us,
            biz_response_code,
            response_code,
            response_exception,
            response_result,
            request_type,
            request_domain,
            request_resource,
            http_proxy_client,
            endpoint,
            app_service,
            app_instance,
            sides: [client, server],
        } = row;
        let Side {
            process_id: process_id_0,
            process_kname: process_kname_0,
            gprocess: gprocess_0,
            subnet_id: subnet_id_0,
            subnet: subnet_0,
            ip: ip_0,
            auto_instance_type: auto_instance_type_0,
            auto_instance_id: auto_instance_id_0,
            auto_instance: auto_instance_0,
            auto_service_type: auto_service_type_0,
            auto_service_id: auto_service_id_0,
            auto_service: auto_service_0,
        } = *client;
        let Side {
            process_id: process_id_1,
            process_kname: process_kname_1,
            gprocess: gprocess_1,
            subnet_id: subnet_id_1,
            subnet: subnet_1,
            ip: ip_1,
            auto_instance_type: auto_instance_type_1,
            auto_instance_id: auto_instance_id_1,
            auto_instance: auto_instance_1,
            auto_service_type: auto_service_type_1,
            auto_service_id: auto_service_id_1,
            auto_service: auto_service_1,
        } = *server;
        let mut case = Self::of_key(key, texts);
        let text = |text: Text| texts.get(text).to_owned();
        let stored = std::mem::take(&mut case.stored);
        case.stored = StoredRow {
            biz_protocol: text(*l7_protocol_str),
            version: text(*version),
            is_tls: *is_tls,
            is_async: *is_async,
            server_port: *server_port,
            capture_network_type_id: *tap_id,
            capture_network_type: text(*tap),
            response_status: *response_status,
            response_duration: u64::try_from(*duration_us).unwrap_or(0),
            biz_response_code: text(*biz_response_code),
            response_code: *response_code,
            response_exception: text(*response_exception),
            response_result: text(*response_result),
            request_type: text(*request_type),
            request_domain: text(*request_domain),
            request_resource: text(*request_resource),
            http_proxy_client: text(*http_proxy_client),
            endpoint: text(*endpoint),
            app_service: text(*app_service),
            app_instance: text(*app_instance),
            process_id_0,
            process_kname_0: text(process_kname_0),
            gprocess_0: text(gprocess_0),
            subnet_id_0,
            subnet_0: text(subnet_0),
            auto_instance_type_0,
            auto_instance_id_0,
            auto_instance_0: text(auto_instance_0),
            auto_service_type_0,
            auto_service_id_0,
            auto_service_0: text(auto_service_0),
            process_id_1,
            process_kname_1: text(process_kname_1),
            gprocess_1: text(gprocess_1),
            subnet_id_1,
            subnet_1: text(subnet_1),
            auto_instance_type_1,
            auto_instance_id_1,
            auto_instance_1: text(auto_instance_1),
            auto_service_type_1,
            auto_service_id_1,
            auto_service_1: text(auto_service_1),
            ..stored
        };
        case.set_ips([text(ip_0), text(ip_1)]);
        let name = texts.get(*l7_protocol_enum).to_owned();
        let usual = case.stored.flow_row(texts).l7_protocol_enum;
        case.l7_protocol_enum = (texts.get(usual) != name).then_some(name);
        case
    }

    /// The row as a search reads it.
    pub(super) fn key_row(&self, texts: &mut Texts) -> KeyRow {
        self.stored.key_row(texts)
    }

    /// The row as an answer reads it.
    pub(super) fn flow_row(&self, texts: &mut Texts) -> FlowRow {
        let mut row = self.stored.flow_row(texts);
        if let Some(name) = &self.l7_protocol_enum {
            row.l7_protocol_enum = texts.intern(name);
        }
        for (side, ip) in row.sides.iter_mut().zip([&self.ip_0, &self.ip_1]) {
            if let Some(ip) = ip {
                side.ip = texts.intern(ip);
            }
        }
        row
    }

    /// The addresses of client and server, as texts.
    pub(super) fn ips(&self) -> [String; 2] {
        [(0, &self.ip_0), (1, &self.ip_1)]
            .map(|(side, ip)| ip.clone().unwrap_or_else(|| self.stored.ip_text(side)))
    }

    /// Sets the addresses of client and server.
    pub(super) fn set_ips(&mut self, ips: [String; 2]) {
        let stored = &mut self.stored;
        let [v4_0, v4_1] = ips.each_ref().map(|ip| ip.parse::<Ipv4Addr>().ok());
        stored.is_ipv4 = u8::from(v4_0.is_some() && v4_1.is_some());
        [stored.ip4_0, stored.ip4_1] = [v4_0, v4_1].map(|ip| ip.filter(|ip| !ip.is_unspecified()));
        [stored.ip6_0, stored.ip6_1] = ips
            .each_ref()
            .map(|ip| ip.parse::<Ipv6Addr>().ok())
            .map(|ip| ip.filter(|ip| !ip.is_unspecified()));
        let usual = [stored.ip_text(0), stored.ip_text(1)];
        let [ip_0, ip_1] = ips;
        self.ip_0 = (usual[0] != ip_0).then_some(ip_0);
        self.ip_1 = (usual[1] != ip_1).then_some(ip_1);
    }
}

impl Searchable for CaseRow {
    fn stored(&self) -> &StoredRow {
        &self.stored
    }

    /// A text with a comma may be two trace ids that were joined, or one trace id with a comma. The file does
    /// not tell, so both are tried.
    fn carries(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let StoredRow { trace_id, _trace_id_2, .. } = &self.stored;
        is_wanted(trace_id) || is_wanted(_trace_id_2) || trace_id.split(", ").any(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{AgentId, L7Protocol, LogType, RowId, SignalSource};

    /// A row in which every field says something, with addresses and protocol name as given.
    fn row(texts: &mut Texts, ips: [&str; 2], protocol: &str) -> FlowRow {
        let mut n = 0;
        let mut text = |texts: &mut Texts| {
            n += 1;
            texts.intern(&format!("text {n}"))
        };
        let mut side = |texts: &mut Texts, ip: &str, n: u8| Side {
            process_id: 100 + i32::from(n),
            process_kname: text(texts),
            gprocess: text(texts),
            subnet_id: 7 + u16::from(n),
            subnet: text(texts),
            ip: texts.intern(ip),
            auto_instance_type: 10,
            auto_instance_id: 20 + u32::from(n),
            auto_instance: text(texts),
            auto_service_type: 11,
            auto_service_id: 30 + u32::from(n),
            auto_service: text(texts),
        };
        let sides = [side(texts, ips[0], 1), side(texts, ips[1], 2)];
        FlowRow {
            key: KeyRow {
                id: RowId(5 << 32 | 9),
                kind: LogType(2),
                signal_source: SignalSource(3),
                l7_protocol: L7Protocol(20),
                agent: AgentId(4),
                tap_side: texts.intern("c-p"),
                trace_id: texts.intern("a, b"),
                request_id: Some(0),
                start_us: -5,
                end_us: 6,
                syscall_cap_seq: [1, 2],
                ..KeyRow::default()
            },
            l7_protocol_enum: texts.intern(protocol),
            response_code: Some(0),
            duration_us: 11,
            tap: texts.intern("cloud"),
            tap_id: 3,
            request_resource: texts.intern("/x"),
            sides,
            ..FlowRow::default()
        }
    }

    #[test]
    fn nothing_is_lost() {
        for (ips, protocol) in [
            (["10.0.0.1", "0.0.0.0"], "HTTP"),
            (["2001:db8::1", "::"], "HTTP"),
            (["10.0.0.1", "2001:db8::1"], ""),
            (["::ffff:1.2.3.4", "::1.2.3.4"], "something new"),
            (["", "not an address"], "20"),
        ] {
            let mut texts = Texts::new();
            let row = row(&mut texts, ips, protocol);
            let case = CaseRow::of_flow(&row, &mut texts);
            let json = serde_json::to_string(&case).unwrap();
            let read: CaseRow = serde_json::from_str(&json).unwrap();
            assert_eq!(read, case, "{json}");
            assert_eq!(read.flow_row(&mut texts), row, "{json}");
            assert_eq!(read.key_row(&mut texts), row.key, "{json}");
            assert!(serde_json::from_str::<StoredRow>(&json).is_ok());
            let key = CaseRow::of_key(&row.key, &texts);
            assert_eq!(key.key_row(&mut texts), row.key);
            let json = serde_json::to_string(&key).unwrap();
            assert!(json.len() < 400 && !json.contains("\"\""), "{json}");
        }
    }

    #[test]
    fn joined_trace_ids_are_found_alone_and_joined() {
        let stored = StoredRow { trace_id: "a, b".into(), _trace_id_2: "c".into(), ..StoredRow::default() };
        let row = CaseRow { stored, ..CaseRow::default() };
        for id in ["a", "b", "a, b", "c"] {
            assert!(row.carries(|carried| carried == id), "{id}");
        }
        assert!(!row.carries(|carried| carried == "d"));
    }
}
