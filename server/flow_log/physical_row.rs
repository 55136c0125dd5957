//! The columns of the table that a [`StoredRow`] is written into.

use std::net::{Ipv4Addr, Ipv6Addr};

use ::clickhouse::Row;
use serde::Serialize;

use super::stored_row::{StoredRow, is_bare_address};

/// The columns of a row that we write, under their physical names and types.
#[derive(Row, Serialize)]
pub(super) struct PhysicalRow<'a> {
    _id: u64,
    time: u32,
    agent_id: u16,
    observation_point: &'a str,
    signal_source: u16,
    capture_network_type_id: u8,
    capture_nic: u32,
    capture_nic_type: u8,
    is_ipv4: u8,
    #[serde(with = "::clickhouse::serde::ipv4")]
    ip4_0: Ipv4Addr,
    #[serde(with = "::clickhouse::serde::ipv4")]
    ip4_1: Ipv4Addr,
    ip6_0: Ipv6Addr,
    ip6_1: Ipv6Addr,
    protocol: u8,
    client_port: u16,
    server_port: u16,
    flow_id: u64,
    req_tcp_seq: u32,
    resp_tcp_seq: u32,
    start_time: i64,
    end_time: i64,
    gprocess_id_0: u32,
    gprocess_id_1: u32,
    process_id_0: i32,
    process_id_1: i32,
    process_kname_0: &'a str,
    process_kname_1: &'a str,
    syscall_trace_id_request: u64,
    syscall_trace_id_response: u64,
    syscall_cap_seq_0: u32,
    syscall_cap_seq_1: u32,
    subnet_id_0: u16,
    subnet_id_1: u16,
    auto_instance_id_0: u32,
    auto_instance_id_1: u32,
    auto_instance_type_0: u8,
    auto_instance_type_1: u8,
    auto_service_id_0: u32,
    auto_service_id_1: u32,
    auto_service_type_0: u8,
    auto_service_type_1: u8,
    l7_protocol: u8,
    biz_protocol: &'a str,
    version: &'a str,
    r#type: u8,
    is_tls: u8,
    is_async: u8,
    is_reversed: u8,
    request_type: &'a str,
    request_domain: &'a str,
    request_resource: &'a str,
    endpoint: &'a str,
    request_id: Option<u64>,
    response_status: u8,
    response_code: Option<i32>,
    response_exception: &'a str,
    response_result: &'a str,
    biz_response_code: &'a str,
    http_proxy_client: &'a str,
    x_request_id_0: &'a str,
    x_request_id_1: &'a str,
    trace_id: &'a str,
    _trace_id_2: &'a str,
    span_id: &'a str,
    parent_span_id: &'a str,
    span_kind: Option<u8>,
    app_service: &'a str,
    app_instance: &'a str,
    response_duration: u64,
}

impl<'a> From<&'a StoredRow> for PhysicalRow<'a> {
    fn from(row: &'a StoredRow) -> Self {
        // Complete, so that the compiler asks about each new column. Names go into tables of their own.
        let StoredRow {
            _id,
            time,
            agent_id,
            observation_point,
            signal_source,
            capture_network_type_id,
            capture_network_type: _,
            capture_nic,
            capture_nic_type,
            is_ipv4,
            ip4_0,
            ip4_1,
            ip6_0,
            ip6_1,
            protocol,
            client_port,
            server_port,
            flow_id,
            req_tcp_seq,
            resp_tcp_seq,
            start_time,
            end_time,
            gprocess_id_0,
            gprocess_id_1,
            gprocess_0: _,
            gprocess_1: _,
            process_id_0,
            process_id_1,
            process_kname_0,
            process_kname_1,
            syscall_trace_id_request,
            syscall_trace_id_response,
            syscall_cap_seq_0,
            syscall_cap_seq_1,
            subnet_id_0: _,
            subnet_id_1: _,
            subnet_0: _,
            subnet_1: _,
            auto_instance_id_0,
            auto_instance_id_1,
            auto_instance_type_0,
            auto_instance_type_1,
            auto_instance_0: _,
            auto_instance_1: _,
            auto_service_id_0,
            auto_service_id_1,
            auto_service_type_0,
            auto_service_type_1,
            auto_service_0: _,
            auto_service_1: _,
            l7_protocol,
            biz_protocol,
            version,
            r#type,
            is_tls,
            is_async,
            is_reversed,
            request_type,
            request_domain,
            request_resource,
            endpoint,
            request_id,
            response_status,
            response_code,
            response_exception,
            response_result,
            biz_response_code,
            http_proxy_client,
            x_request_id_0,
            x_request_id_1,
            trace_id,
            _trace_id_2,
            span_id,
            parent_span_id,
            span_kind,
            app_service,
            app_instance,
            response_duration,
        } = row;
        Self {
            _id: *_id,
            time: *time,
            agent_id: *agent_id,
            observation_point,
            signal_source: *signal_source,
            capture_network_type_id: *capture_network_type_id,
            capture_nic: nic_number(capture_nic),
            capture_nic_type: *capture_nic_type,
            is_ipv4: *is_ipv4,
            ip4_0: ip4_0.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ip4_1: ip4_1.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ip6_0: ip6_0.unwrap_or(Ipv6Addr::UNSPECIFIED),
            ip6_1: ip6_1.unwrap_or(Ipv6Addr::UNSPECIFIED),
            protocol: *protocol,
            client_port: *client_port,
            server_port: *server_port,
            flow_id: *flow_id,
            req_tcp_seq: *req_tcp_seq,
            resp_tcp_seq: *resp_tcp_seq,
            start_time: *start_time,
            end_time: *end_time,
            gprocess_id_0: *gprocess_id_0,
            gprocess_id_1: *gprocess_id_1,
            process_id_0: *process_id_0,
            process_id_1: *process_id_1,
            process_kname_0,
            process_kname_1,
            syscall_trace_id_request: *syscall_trace_id_request,
            syscall_trace_id_response: *syscall_trace_id_response,
            syscall_cap_seq_0: *syscall_cap_seq_0,
            syscall_cap_seq_1: *syscall_cap_seq_1,
            subnet_id_0: written_subnet_id(row, 0),
            subnet_id_1: written_subnet_id(row, 1),
            auto_instance_id_0: *auto_instance_id_0,
            auto_instance_id_1: *auto_instance_id_1,
            auto_instance_type_0: *auto_instance_type_0,
            auto_instance_type_1: *auto_instance_type_1,
            auto_service_id_0: *auto_service_id_0,
            auto_service_id_1: *auto_service_id_1,
            auto_service_type_0: *auto_service_type_0,
            auto_service_type_1: *auto_service_type_1,
            l7_protocol: *l7_protocol,
            biz_protocol,
            version,
            r#type: *r#type,
            is_tls: *is_tls,
            is_async: *is_async,
            is_reversed: *is_reversed,
            request_type,
            request_domain,
            request_resource,
            endpoint,
            request_id: *request_id,
            response_status: *response_status,
            response_code: *response_code,
            response_exception,
            response_result,
            biz_response_code,
            http_proxy_client,
            x_request_id_0,
            x_request_id_1,
            trace_id,
            _trace_id_2,
            span_id,
            parent_span_id,
            span_kind: *span_kind,
            app_service,
            app_instance,
            response_duration: *response_duration,
        }
    }
}

/// The `subnet_id` to write: a reader sees it as the id of an instance or service that is a bare address.
pub(super) fn written_subnet_id(row: &StoredRow, side: usize) -> u16 {
    let (subnet_id, autos) = if side == 0 {
        let instance = (row.auto_instance_type_0, row.auto_instance_id_0);
        (row.subnet_id_0, [(row.auto_service_type_0, row.auto_service_id_0), instance])
    } else {
        let instance = (row.auto_instance_type_1, row.auto_instance_id_1);
        (row.subnet_id_1, [(row.auto_service_type_1, row.auto_service_id_1), instance])
    };
    let own_id = autos.into_iter().find(|&(kind, id)| is_bare_address(kind) && id != 0).map(|(_, id)| id);
    own_id.and_then(|id| u16::try_from(id).ok()).unwrap_or(subnet_id)
}

/// The stored form of a `capture_nic`: the last four bytes of a MAC address, an IPv4 address, or a number.
fn nic_number(text: &str) -> u32 {
    if let Ok(number) = text.parse() {
        return number;
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return address.into();
    }
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    bytes.fold(0, |number: u32, byte| (number << 8) | u32::from(byte.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nic_is_a_number() {
        for (text, number) in [
            ("", 0),
            ("17", 17),
            ("10.0.0.1", 0x0a00_0001),
            ("aa:bb:00:02:01:01", 0x0002_0101),
            ("00:02:01:01", 0x0002_0101),
        ] {
            assert_eq!(nic_number(text), number, "{text}");
        }
    }

    #[test]
    fn a_bare_address_keeps_an_id_of_its_own_as_its_subnets() {
        let row = StoredRow {
            subnet_id_1: 3,
            auto_service_type_1: 255,
            auto_service_id_1: 10,
            ..StoredRow::default()
        };
        assert_eq!(written_subnet_id(&row, 1), 10);
        let row = StoredRow { subnet_id_0: 3, auto_service_type_0: 255, ..StoredRow::default() };
        assert_eq!(written_subnet_id(&row, 0), 3);
    }
}
