//! The names that each column has had in releases of DeepFlow (data-model sections 4 and 5).

/// Columns under which a value may be stored, the newest first.
pub(super) type ColumnNames = &'static [&'static str];

pub(super) const ID: ColumnNames = &["_id"];
pub(super) const FLOW_ID: ColumnNames = &["flow_id"];
pub(super) const TIME: ColumnNames = &["time"];
pub(super) const START_TIME: ColumnNames = &["start_time"];
pub(super) const END_TIME: ColumnNames = &["end_time"];
pub(super) const TAP_SIDE: ColumnNames = &["observation_point", "tap_side"];
pub(super) const AGENT: ColumnNames = &["agent_id", "vtap_id"];
pub(super) const TYPE: ColumnNames = &["type"];
pub(super) const TRACE_ID: ColumnNames = &["trace_id"];
pub(super) const TRACE_ID_2: ColumnNames = &["_trace_id_2"];
pub(super) const REQ_TCP_SEQ: ColumnNames = &["req_tcp_seq"];
pub(super) const RESP_TCP_SEQ: ColumnNames = &["resp_tcp_seq"];
pub(super) const SYSCALL_REQUEST: ColumnNames = &["syscall_trace_id_request"];
pub(super) const SYSCALL_RESPONSE: ColumnNames = &["syscall_trace_id_response"];
pub(super) const X_REQUEST_ID_0: ColumnNames = &["x_request_id_0", "x_request_id"];
pub(super) const X_REQUEST_ID_1: ColumnNames = &["x_request_id_1", "x_request_id"];
pub(super) const L7_PROTOCOL: ColumnNames = &["l7_protocol"];
pub(super) const REQUEST_ID: ColumnNames = &["request_id"];

/// The columns of one end of an exchange.
pub(super) struct SideColumns {
    pub(super) process_id: ColumnNames,
    pub(super) process_kname: ColumnNames,
    pub(super) gprocess_id: ColumnNames,
    pub(super) subnet_id: ColumnNames,
    pub(super) ip4: ColumnNames,
    pub(super) ip6: ColumnNames,
    /// Type and id.
    pub(super) instance: [ColumnNames; 2],
    /// Type and id.
    pub(super) service: [ColumnNames; 2],
    /// Aliases in the select list, in the order in which the expressions write them.
    pub(super) aliases: [&'static str; 12],
}

pub(super) const CLIENT: SideColumns = SideColumns {
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

pub(super) const SERVER: SideColumns = SideColumns {
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

/// The columns that a search needs, under their newest names.
#[cfg(test)]
pub(super) const NEEDED: &[&str] = &[
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
