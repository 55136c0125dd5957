//! The columns of `l7_flow_log_local` (data-model section 3).

/// A skip index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Index {
    None,
    /// Least and greatest value.
    Range,
    /// Up to 300 values.
    Values,
    /// Bloom filter.
    Bloom,
}

use Index::{Bloom, None, Range, Values};

/// Name, type with codec, skip index. A name that ends in `*` is two columns, `0` of the client's end and `1`
/// of the server's.
pub(super) const COLUMNS: &[(&str, &str, Index)] = &[
    ("_id", "UInt64 CODEC(T64)", Range),
    ("region_id_*", "UInt16", Range),
    ("az_id_*", "UInt16", Range),
    ("host_id_*", "UInt16", Range),
    ("l3_device_type_*", "UInt8", Values),
    ("l3_device_id_*", "UInt32", Range),
    ("pod_node_id_*", "UInt32", Range),
    ("pod_ns_id_*", "UInt16", Range),
    ("pod_group_id_*", "UInt32", Range),
    ("pod_id_*", "UInt32", Range),
    ("pod_cluster_id_*", "UInt16", Range),
    ("l3_epc_id_*", "Int32", Range),
    ("epc_id_*", "Int32", Range),
    ("subnet_id_*", "UInt16", Range),
    ("service_id_*", "UInt32", Range),
    ("auto_instance_id_*", "UInt32", Range),
    ("auto_instance_type_*", "UInt8", Values),
    ("auto_service_id_*", "UInt32", Range),
    ("auto_service_type_*", "UInt8", Values),
    ("tag_source_*", "UInt8", Values),
    ("team_id", "UInt16", Range),
    ("time", "DateTime('Asia/Shanghai') CODEC(DoubleDelta)", Range),
    ("ip4_*", "IPv4", Range),
    ("ip6_*", "IPv6", Range),
    ("is_ipv4", "UInt8", Range),
    ("protocol", "UInt8", Range),
    ("client_port", "UInt16", Range),
    ("server_port", "UInt16", Values),
    ("flow_id", "UInt64 CODEC(T64)", Range),
    ("capture_network_type_id", "UInt8", Values),
    ("nat_source", "UInt8", Values),
    ("capture_nic_type", "UInt8", None),
    ("signal_source", "UInt16", None),
    ("tunnel_type", "UInt8", None),
    ("capture_nic", "UInt32", None),
    ("observation_point", "LowCardinality(String)", None),
    ("agent_id", "UInt16", Values),
    ("req_tcp_seq", "UInt32", Range),
    ("resp_tcp_seq", "UInt32", Range),
    ("start_time", "DateTime64(6, 'Asia/Shanghai') CODEC(DoubleDelta)", Range),
    ("end_time", "DateTime64(6, 'Asia/Shanghai') CODEC(DoubleDelta)", Range),
    ("gprocess_id_*", "UInt32", Range),
    ("biz_type", "UInt8", Values),
    ("biz_code", "String", Bloom),
    ("biz_scenario", "String", Bloom),
    ("biz_response_code", "String", Bloom),
    ("process_id_*", "Int32", Range),
    ("process_kname_*", "String", None),
    ("syscall_trace_id_request", "UInt64 CODEC(T64)", Range),
    ("syscall_trace_id_response", "UInt64 CODEC(T64)", Range),
    ("syscall_thread_*", "UInt32", Range),
    ("syscall_coroutine_*", "UInt64 CODEC(T64)", Range),
    ("syscall_cap_seq_*", "UInt32", Range),
    ("l7_protocol", "UInt8", None),
    ("biz_protocol", "LowCardinality(String)", None),
    ("version", "LowCardinality(String)", None),
    ("type", "UInt8", None),
    ("is_tls", "UInt8", Values),
    ("is_async", "UInt8", Values),
    ("is_reversed", "UInt8", Values),
    ("request_type", "LowCardinality(String)", None),
    ("request_domain", "String", Bloom),
    ("request_resource", "String", Bloom),
    ("endpoint", "String", Bloom),
    ("request_id", "Nullable(UInt64)", None),
    ("response_status", "UInt8", Values),
    ("response_code", "Nullable(Int32)", None),
    ("response_exception", "String", None),
    ("response_result", "String", None),
    ("http_proxy_client", "String", None),
    ("x_request_id_*", "String", Bloom),
    ("trace_id", "String", Bloom),
    ("_trace_id_2", "String", Bloom),
    ("trace_id_index", "UInt64 CODEC(T64)", Range),
    ("span_id", "String", None),
    ("parent_span_id", "String", None),
    ("span_kind", "Nullable(UInt8)", None),
    ("app_service", "LowCardinality(String)", None),
    ("app_instance", "LowCardinality(String)", None),
    ("response_duration", "UInt64 CODEC(T64)", Range),
    ("request_length", "Nullable(Int64)", None),
    ("response_length", "Nullable(Int64)", None),
    ("sql_affected_rows", "Nullable(UInt64)", None),
    ("direction_score", "UInt8", Range),
    ("captured_request_byte", "UInt32", Range),
    ("captured_response_byte", "UInt32", Range),
    ("attribute_names", "Array(LowCardinality(String))", None),
    ("attribute_values", "Array(String)", None),
    ("metrics_names", "Array(LowCardinality(String))", None),
    ("metrics_values", "Array(Float64)", None),
    ("events", "String", None),
];

/// [`COLUMNS`] with both ends spelled out: name, type, index.
pub(super) fn columns() -> impl Iterator<Item = (String, &'static str, Index)> {
    COLUMNS.iter().flat_map(|&(name, kind, index)| {
        let names = match name.strip_suffix('*') {
            Some(stem) => vec![format!("{stem}0"), format!("{stem}1")],
            Option::None => vec![name.to_owned()],
        };
        names.into_iter().map(move |name| (name, kind, index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_columns_of_the_release_are_there() {
        let mut names: Vec<String> = columns().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), 119);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 119);
    }
}
