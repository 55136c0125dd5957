//! The expressions of every column that we read, for the names that a server happens to have
//! (data-model sections 4 and 5).

use std::collections::BTreeMap;

use super::{dictionary::Dictionary, sql};
use crate::store::StoreError;

/// Columns under which a value may be stored, the newest first.
type Names = &'static [&'static str];

const ID: Names = &["_id"];
const FLOW_ID: Names = &["flow_id"];
const TIME: Names = &["time"];
const START_TIME: Names = &["start_time"];
const END_TIME: Names = &["end_time"];
const TAP_SIDE: Names = &["observation_point", "tap_side"];
const AGENT: Names = &["agent_id", "vtap_id"];
const TYPE: Names = &["type"];
const TRACE_ID: Names = &["trace_id"];
const TRACE_ID_2: Names = &["_trace_id_2"];
const REQ_TCP_SEQ: Names = &["req_tcp_seq"];
const RESP_TCP_SEQ: Names = &["resp_tcp_seq"];
const SYSCALL_REQUEST: Names = &["syscall_trace_id_request"];
const SYSCALL_RESPONSE: Names = &["syscall_trace_id_response"];
const X_REQUEST_ID_0: Names = &["x_request_id_0", "x_request_id"];
const X_REQUEST_ID_1: Names = &["x_request_id_1", "x_request_id"];
const L7_PROTOCOL: Names = &["l7_protocol"];
const REQUEST_ID: Names = &["request_id"];

/// The queries' own view of a table: what to select, and what to compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    /// Select list of a [`super::records::KeyRecord`].
    pub(super) key: Vec<Selected>,
    /// Select list of a [`super::records::FlowRecord`].
    pub(super) flow: Vec<Selected>,
    pub(super) id: String,
    pub(super) time: String,
    /// Orders rows with the same `time` and `_id`, which are few and mostly the same row twice.
    pub(super) ties: Vec<String>,
    /// One or two columns, any of which may hold a trace id.
    pub(super) trace_ids: Vec<String>,
    pub(super) req_tcp_seq: String,
    pub(super) resp_tcp_seq: String,
    pub(super) syscall_ids: Vec<String>,
    /// One or two columns, any of which may hold an X-Request-ID.
    pub(super) x_request_ids: Vec<String>,
    pub(super) l7_protocol: String,
    pub(super) r#type: String,
    pub(super) flow_id: String,
    pub(super) request_id: String,
}

/// An expression of a select list and its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selected {
    pub(super) alias: &'static str,
    pub(super) expression: String,
}

impl Columns {
    /// For a table with the columns `present`, each with its type, and `dictionaries` that answer. Fails where something is
    /// missing that a search cannot do without.
    pub(super) fn new(
        table: &str,
        present: &BTreeMap<String, String>,
        tag_database: &str,
        dictionaries: &[Dictionary],
    ) -> Result<Self, StoreError> {
        let writer = Writer { table, present, tag_database, dictionaries };
        let key = writer.key()?;
        let flow = writer.flow(&key);
        let mut trace_ids = vec![writer.required(TRACE_ID)?];
        trace_ids.extend(writer.find(TRACE_ID_2));
        let mut x_request_ids = vec![writer.required(X_REQUEST_ID_0)?, writer.required(X_REQUEST_ID_1)?];
        x_request_ids.dedup();
        Ok(Self {
            key,
            flow,
            id: writer.required(ID)?,
            time: writer.required(TIME)?,
            ties: [START_TIME, END_TIME, TAP_SIDE, AGENT, TYPE]
                .into_iter()
                .map(|names| writer.required(names))
                .collect::<Result<_, _>>()?,
            trace_ids,
            req_tcp_seq: writer.required(REQ_TCP_SEQ)?,
            resp_tcp_seq: writer.required(RESP_TCP_SEQ)?,
            syscall_ids: vec![writer.required(SYSCALL_REQUEST)?, writer.required(SYSCALL_RESPONSE)?],
            x_request_ids,
            l7_protocol: writer.required(L7_PROTOCOL)?,
            r#type: writer.required(TYPE)?,
            flow_id: writer.required(FLOW_ID)?,
            request_id: writer.required(REQUEST_ID)?,
        })
    }
}

struct Writer<'a> {
    table: &'a str,
    present: &'a BTreeMap<String, String>,
    tag_database: &'a str,
    dictionaries: &'a [Dictionary],
}

impl Writer<'_> {
    /// The column, quoted, under the newest of its names.
    fn find(&self, names: Names) -> Option<String> {
        names.iter().find(|name| self.present.contains_key(**name)).map(|name| sql::identifier(name))
    }

    fn required(&self, names: Names) -> Result<String, StoreError> {
        let newest = names.first().copied().unwrap_or_default();
        self.find(names).ok_or_else(|| StoreError::Schema(format!("column `{newest}` of {}", self.table)))
    }

    fn or_zero(&self, names: Names) -> String {
        self.find(names).unwrap_or_else(|| "0".to_owned())
    }

    fn or_empty(&self, names: Names) -> String {
        self.find(names).unwrap_or_else(|| "''".to_owned())
    }

    fn name_of(&self, dictionary: Dictionary, values: &[&str; 2]) -> String {
        if self.dictionaries.contains(&dictionary) {
            dictionary.lookup(self.tag_database, values)
        } else {
            "''".to_owned()
        }
    }

    fn key(&self) -> Result<Vec<Selected>, StoreError> {
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

    fn flow(&self, key: &[Selected]) -> Vec<Selected> {
        let protocol = self.or_zero(L7_PROTOCOL);
        let tap_id = self.or_zero(&["capture_network_type_id", "tap_type"]);
        let protocol_str = match (self.find(&["biz_protocol"]), self.find(&["l7_protocol_str"])) {
            // an upgrade adds the new column and leaves the old rows in the old one
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
    fn auto(&self, [auto_type, id]: [Names; 2], subnet_id: &str, ip: &str) -> [String; 3] {
        let (auto_type, id) = (self.or_zero(auto_type), self.or_zero(id));
        let name = self.name_of(Dictionary::Device, &[&auto_type, &id]);
        let bare = format!("{auto_type} IN (0, 255)");
        [
            auto_type,
            format!("if({bare}, toUInt32({subnet_id}), toUInt32({id}))"),
            format!("if({bare}, {ip}, {name})"),
        ]
    }

    /// A column of the wire's type, wrapped in `LowCardinality` or not, is taken as it is: the planner pays for
    /// each of some sixty casts. All else is cast, whatever width a release of DeepFlow gave it.
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

/// Functions whose result has the wire's type.
const MAKERS: [(&str, &str); 6] = [
    ("toUnixTimestamp(", "UInt32"),
    ("toUnixTimestamp64Micro(", "Int64"),
    ("concat(", "String"),
    ("dictGet", "String"),
    ("if(", "String"),
    ("if(", "UInt32"),
];

/// Names of the columns of one end.
struct SideColumns {
    process_id: Names,
    process_kname: Names,
    gprocess_id: Names,
    subnet_id: Names,
    ip4: Names,
    ip6: Names,
    /// Type and id.
    instance: [Names; 2],
    /// Type and id.
    service: [Names; 2],
    aliases: [&'static str; 12],
}

const CLIENT: SideColumns = SideColumns {
    process_id: &["process_id_0"],
    process_kname: &["process_kname_0"],
    gprocess_id: &["gprocess_id_0"],
    subnet_id: &["subnet_id_0"],
    ip4: &["ip4_0"],
    ip6: &["ip6_0"],
    instance: [&["auto_instance_type_0"], &["auto_instance_id_0"]],
    service: [&["auto_service_type_0"], &["auto_service_id_0"]],
    aliases: [
        "r_process_id_0",
        "r_process_kname_0",
        "r_gprocess_0",
        "r_subnet_id_0",
        "r_subnet_0",
        "r_ip_0",
        "r_instance_type_0",
        "r_instance_id_0",
        "r_instance_0",
        "r_service_type_0",
        "r_service_id_0",
        "r_service_0",
    ],
};

const SERVER: SideColumns = SideColumns {
    process_id: &["process_id_1"],
    process_kname: &["process_kname_1"],
    gprocess_id: &["gprocess_id_1"],
    subnet_id: &["subnet_id_1"],
    ip4: &["ip4_1"],
    ip6: &["ip6_1"],
    instance: [&["auto_instance_type_1"], &["auto_instance_id_1"]],
    service: [&["auto_service_type_1"], &["auto_service_id_1"]],
    aliases: [
        "r_process_id_1",
        "r_process_kname_1",
        "r_gprocess_1",
        "r_subnet_id_1",
        "r_subnet_1",
        "r_ip_1",
        "r_instance_type_1",
        "r_instance_id_1",
        "r_instance_1",
        "r_service_type_1",
        "r_service_id_1",
        "r_service_1",
    ],
};

#[cfg(test)]
mod tests {
    use clickhouse::Row as _;

    use super::{
        super::records::{FlowRecord, KeyRecord},
        *,
    };

    const NEW: &[&str] = &[
        "_id",
        "time",
        "type",
        "signal_source",
        "l7_protocol",
        "protocol",
        "observation_point",
        "agent_id",
        "start_time",
        "end_time",
        "req_tcp_seq",
        "resp_tcp_seq",
        "syscall_trace_id_request",
        "syscall_trace_id_response",
        "trace_id",
        "span_id",
        "parent_span_id",
        "x_request_id_0",
        "x_request_id_1",
        "request_id",
        "flow_id",
    ];

    fn columns(change: impl Fn(&mut BTreeMap<String, String>)) -> Result<Columns, StoreError> {
        let mut present = NEW.iter().map(|name| ((*name).to_owned(), "UInt128".to_owned())).collect();
        change(&mut present);
        Columns::new("flow_log.l7_flow_log", &present, "flow_tag", &Dictionary::ALL)
    }

    fn flow_expression(columns: &Columns, alias: &str) -> String {
        columns.flow.iter().find(|selected| selected.alias == alias).unwrap().expression.clone()
    }

    #[test]
    fn select_lists_are_the_fields_of_the_records() {
        let columns = columns(|_| ()).unwrap();
        let aliases = |list: &[Selected]| list.iter().map(|selected| selected.alias).collect::<Vec<_>>();
        assert_eq!(aliases(&columns.key), KeyRecord::COLUMN_NAMES);
        assert_eq!(aliases(&columns.flow), FlowRecord::COLUMN_NAMES);
    }

    #[test]
    fn what_a_search_needs_is_required_under_its_newest_name() {
        for name in NEW {
            let error = columns(|present| assert!(present.remove(*name).is_some())).unwrap_err();
            assert_eq!(error, StoreError::Schema(format!("column `{name}` of flow_log.l7_flow_log")));
        }
    }

    #[test]
    fn old_names_do_where_the_new_are_missing() {
        let old = columns(|present| {
            for (new, old) in [("agent_id", "vtap_id"), ("observation_point", "tap_side")] {
                present.remove(new);
                present.insert(old.to_owned(), String::new());
            }
            present.remove("x_request_id_0");
            present.remove("x_request_id_1");
            present.insert("x_request_id".to_owned(), String::new());
            present.insert("tap_type".to_owned(), String::new());
        })
        .unwrap();
        assert_eq!(flow_expression(&old, "r_agent"), "CAST(`vtap_id` AS UInt16)");
        assert_eq!(flow_expression(&old, "r_tap_side"), "CAST(`tap_side` AS String)");
        assert_eq!(flow_expression(&old, "r_tap_id"), "CAST(`tap_type` AS UInt8)");
        assert_eq!(old.x_request_ids, ["`x_request_id`"]);
        assert_eq!(old.trace_ids, ["`trace_id`"]);
        assert_eq!(flow_expression(&old, "r_trace_id"), "CAST(`trace_id` AS String)");

        let both = columns(|present| {
            present.insert("vtap_id".to_owned(), String::new());
            present.insert("_trace_id_2".to_owned(), String::new());
            present.insert("biz_protocol".to_owned(), String::new());
            present.insert("l7_protocol_str".to_owned(), String::new());
        })
        .unwrap();
        assert_eq!(flow_expression(&both, "r_agent"), "CAST(`agent_id` AS UInt16)");
        assert_eq!(both.trace_ids, ["`trace_id`", "`_trace_id_2`"]);
        assert_eq!(
            flow_expression(&both, "r_l7_protocol_str"),
            "if(`biz_protocol` != '', `biz_protocol`, `l7_protocol_str`)"
        );
    }

    #[test]
    fn only_a_column_of_another_type_is_cast() {
        for (kind, want) in [
            ("UInt16", "`agent_id`"),
            ("LowCardinality(UInt16)", "`agent_id`"),
            ("UInt32", "CAST(`agent_id` AS UInt16)"),
        ] {
            let columns = columns(|present| {
                present.insert("agent_id".to_owned(), kind.to_owned());
            });
            assert_eq!(flow_expression(&columns.unwrap(), "r_agent"), want);
        }
    }
}
