//! The expression of every column that we read, under the names that this server has (data-model sections 4
//! and 5).

use std::collections::BTreeMap;

use super::{
    column_names::{
        AGENT, CLIENT, ColumnNames, END_TIME, FLOW_ID, ID, L7_PROTOCOL, REQ_TCP_SEQ, REQUEST_ID,
        RESP_TCP_SEQ, SERVER, START_TIME, SYSCALL_REQUEST, SYSCALL_RESPONSE, SideColumns, TAP_SIDE, TIME,
        TRACE_ID, TRACE_ID_2, TYPE, X_REQUEST_ID_0, X_REQUEST_ID_1,
    },
    dictionary::Dictionary,
    quoting,
};
use crate::store::error::StoreError;

/// An expression of a select list and its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selected {
    pub(super) alias: &'static str,
    pub(super) expression: String,
}

/// Writes expressions for the columns and dictionaries that this server has.
pub(super) struct Expressions<'a> {
    /// The table, with its database, for errors.
    pub(super) table: &'a str,
    /// Its columns, each with its type.
    pub(super) present: &'a BTreeMap<String, String>,
    pub(super) tag_database: &'a str,
    /// The dictionaries that answer.
    pub(super) dictionaries: &'a [Dictionary],
}

impl Expressions<'_> {
    /// The column, quoted, under the newest of its names.
    pub(super) fn find(&self, names: ColumnNames) -> Option<String> {
        names.iter().find(|name| self.present.contains_key(**name)).map(|name| quoting::identifier(name))
    }

    /// The column, quoted, or the error that names it.
    pub(super) fn required(&self, names: ColumnNames) -> Result<String, StoreError> {
        let newest = names.first().copied().unwrap_or_default();
        self.find(names).ok_or_else(|| StoreError::Schema(format!("column `{newest}` of {}", self.table)))
    }

    fn or_zero(&self, names: ColumnNames) -> String {
        self.find(names).unwrap_or_else(|| "0".to_owned())
    }

    fn or_empty(&self, names: ColumnNames) -> String {
        self.find(names).unwrap_or_else(|| "''".to_owned())
    }

    fn name_of(&self, dictionary: Dictionary, values: &[&str; 2]) -> String {
        if self.dictionaries.contains(&dictionary) {
            dictionary.lookup(self.tag_database, values)
        } else {
            "''".to_owned()
        }
    }

    /// The select list of a `KeyRecord`.
    pub(super) fn key(&self) -> Result<Vec<Selected>, StoreError> {
        let trace_id = self.required(TRACE_ID)?;
        let trace_ids = match self.find(TRACE_ID_2) {
            None => trace_id,
            Some(second) => {
                format!("concat({trace_id}, if(empty({trace_id}) OR empty({second}), '', ', '), {second})")
            }
        };
        let micros = |names| self.required(names).map(|column| format!("toUnixTimestamp64Micro({column})"));
        Ok(vec![
            self.selected("r_id", "UInt64", &self.required(ID)?),
            self.selected("r_time", "UInt32", &format!("toUnixTimestamp({})", self.required(TIME)?)),
            self.selected("r_type", "UInt8", &self.required(TYPE)?),
            self.selected("r_signal_source", "UInt16", &self.required(&["signal_source"])?),
            self.selected("r_l7_protocol", "UInt8", &self.required(L7_PROTOCOL)?),
            self.selected("r_protocol", "UInt8", &self.required(&["protocol"])?),
            self.selected("r_tap_side", "String", &self.required(TAP_SIDE)?),
            self.selected("r_agent", "UInt16", &self.required(AGENT)?),
            self.selected("r_start_us", "Int64", &micros(START_TIME)?),
            self.selected("r_end_us", "Int64", &micros(END_TIME)?),
            self.selected("r_req_tcp_seq", "UInt32", &self.required(REQ_TCP_SEQ)?),
            self.selected("r_resp_tcp_seq", "UInt32", &self.required(RESP_TCP_SEQ)?),
            self.selected("r_syscall_request", "UInt64", &self.required(SYSCALL_REQUEST)?),
            self.selected("r_syscall_response", "UInt64", &self.required(SYSCALL_RESPONSE)?),
            self.selected("r_trace_id", "String", &trace_ids),
            self.selected("r_span_id", "String", &self.required(&["span_id"])?),
            self.selected("r_parent_span_id", "String", &self.required(&["parent_span_id"])?),
            self.selected("r_x_request_id_0", "String", &self.required(X_REQUEST_ID_0)?),
            self.selected("r_x_request_id_1", "String", &self.required(X_REQUEST_ID_1)?),
            self.selected("r_request_id", "Nullable(UInt64)", &self.required(REQUEST_ID)?),
            self.selected("r_flow_id", "UInt64", &self.required(FLOW_ID)?),
            self.selected("r_syscall_cap_seq_0", "UInt32", &self.or_zero(&["syscall_cap_seq_0"])),
            self.selected("r_syscall_cap_seq_1", "UInt32", &self.or_zero(&["syscall_cap_seq_1"])),
        ])
    }

    /// The select list of a `FlowRecord`, which begins with that of a `KeyRecord`.
    pub(super) fn flow(&self, key: &[Selected]) -> Vec<Selected> {
        let protocol = self.or_zero(L7_PROTOCOL);
        let tap_id = self.or_zero(&["capture_network_type_id", "tap_type"]);
        let protocol_str = match (self.find(&["biz_protocol"]), self.find(&["l7_protocol_str"])) {
            // An upgrade adds the new column, and old rows keep their values in the old one.
            (Some(new), Some(old)) => format!("if({new} != '', {new}, {old})"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "''".to_owned(),
        };
        let mut all = key.to_vec();
        all.extend([
            self.selected("r_l7_protocol_str", "String", &protocol_str),
            self.selected(
                "r_l7_protocol_enum",
                "String",
                &self.name_of(Dictionary::IntEnum, &[&protocol, ""]),
            ),
            self.selected("r_version", "String", &self.or_empty(&["version"])),
            self.selected("r_is_tls", "UInt8", &self.or_zero(&["is_tls"])),
            self.selected("r_is_async", "UInt8", &self.or_zero(&["is_async"])),
            self.selected("r_server_port", "UInt16", &self.or_zero(&["server_port"])),
            self.selected("r_tap_id", "UInt8", &tap_id),
            self.selected("r_tap", "String", &self.name_of(Dictionary::TapType, &[&tap_id, ""])),
            self.selected("r_response_status", "UInt8", &self.or_zero(&["response_status"])),
            self.selected("r_duration", "UInt64", &self.or_zero(&["response_duration"])),
            self.selected("r_biz_response_code", "String", &self.or_empty(&["biz_response_code"])),
            self.selected(
                "r_response_code",
                "Nullable(Int32)",
                &self.find(&["response_code"]).unwrap_or_else(|| "NULL".to_owned()),
            ),
            self.selected("r_response_exception", "String", &self.or_empty(&["response_exception"])),
            self.selected("r_response_result", "String", &self.or_empty(&["response_result"])),
            self.selected("r_request_type", "String", &self.or_empty(&["request_type"])),
            self.selected("r_request_domain", "String", &self.or_empty(&["request_domain"])),
            self.selected("r_request_resource", "String", &self.or_empty(&["request_resource"])),
            self.selected("r_http_proxy_client", "String", &self.or_empty(&["http_proxy_client"])),
            self.selected("r_endpoint", "String", &self.or_empty(&["endpoint"])),
            self.selected("r_app_service", "String", &self.or_empty(&["app_service", "service_name"])),
            self.selected(
                "r_app_instance",
                "String",
                &self.or_empty(&["app_instance", "service_instance_id"]),
            ),
        ]);
        all.extend(self.side(&CLIENT));
        all.extend(self.side(&SERVER));
        all
    }

    fn side(&self, side: &SideColumns) -> [Selected; 12] {
        let subnet_id = self.or_zero(side.subnet_id);
        let gprocess_id = self.or_zero(side.gprocess_id);
        let ip = match (self.find(&["is_ipv4"]), self.find(side.ip4), self.find(side.ip6)) {
            (Some(is_ipv4), Some(ip4), Some(ip6)) => {
                format!("if({is_ipv4} = 1, IPv4NumToString({ip4}), IPv6NumToString({ip6}))")
            }
            _ => "''".to_owned(),
        };
        let [instance_type, instance_id, instance] = self.auto(side.instance, &subnet_id, &ip);
        let [service_type, service_id, service] = self.auto(side.service, &subnet_id, &ip);
        let aliases = side.aliases;
        [
            self.selected(aliases[0], "Int32", &self.or_zero(side.process_id)),
            self.selected(aliases[1], "String", &self.or_empty(side.process_kname)),
            self.selected(aliases[2], "String", &self.name_of(Dictionary::Gprocess, &[&gprocess_id, ""])),
            self.selected(aliases[3], "UInt16", &subnet_id),
            self.selected(aliases[4], "String", &self.name_of(Dictionary::Subnet, &[&subnet_id, ""])),
            self.selected(aliases[5], "String", &ip),
            self.selected(aliases[6], "UInt8", &instance_type),
            self.selected(aliases[7], "UInt32", &instance_id),
            self.selected(aliases[8], "String", &instance),
            self.selected(aliases[9], "UInt8", &service_type),
            self.selected(aliases[10], "UInt32", &service_id),
            self.selected(aliases[11], "String", &service),
        ]
    }

    /// Type, id and name of an instance or service. Types 0 and 255 say that only the address is known.
    fn auto(&self, [auto_type, id]: [ColumnNames; 2], subnet_id: &str, ip: &str) -> [String; 3] {
        let (auto_type, id) = (self.or_zero(auto_type), self.or_zero(id));
        let name = self.name_of(Dictionary::Device, &[&auto_type, &id]);
        let bare = format!("{auto_type} IN (0, 255)");
        [
            auto_type,
            format!("if({bare}, toUInt32({subnet_id}), toUInt32({id}))"),
            format!("if({bare}, {ip}, {name})"),
        ]
    }

    /// Selects an expression as `wire_type`, the type that we read. A column that has this type already, in
    /// `LowCardinality` or not, is not cast: some sixty casts would cost the server's planner time. All
    /// others are cast, because releases of DeepFlow differ in the width of columns.
    fn selected(&self, alias: &'static str, wire_type: &str, expression: &str) -> Selected {
        let name = expression.trim_matches('`');
        let is_of_the_type = match self.present.get(name) {
            Some(kind) => kind == wire_type || *kind == format!("LowCardinality({wire_type})"),
            None => false,
        };
        let is_made_of_it =
            MAKERS.iter().any(|&(function, kind)| kind == wire_type && expression.starts_with(function));
        let expression = if is_of_the_type || is_made_of_it {
            expression.to_owned()
        } else {
            format!("CAST({expression} AS {wire_type})")
        };
        Selected { alias, expression }
    }
}

/// Functions, and the type of their result, which needs no cast.
const MAKERS: [(&str, &str); 6] = [
    ("toUnixTimestamp(", "UInt32"),
    ("toUnixTimestamp64Micro(", "Int64"),
    ("concat(", "String"),
    ("dictGet", "String"),
    ("if(", "String"),
    ("if(", "UInt32"),
];
