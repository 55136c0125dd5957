//! Rows as the server sends them, and how they become [`KeyRow`] and [`FlowRow`]. Texts are borrowed from the
//! receive buffer and copied into [`Texts`] once.
//!
//! Fields begin with `r_` because they are the aliases of the query, and an alias that is also a column
//! would replace the column in `WHERE`. `expressions` writes the select list in the same order.

use std::borrow::Cow;

use clickhouse::Row;
use serde::Deserialize;

use super::{error::Failure, read::Reader, sql::Statement};
use crate::{
    flow::{
        AgentId, FlowRow, KeyRow, L4Protocol, L7Protocol, LogType, RowId, Side, SignalSource, SyscallTraceId,
        TcpSeq, Text, Texts,
    },
    store::flow_store::ReadContext,
};

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Row, Deserialize)]
        pub(super) struct $name<'a> {
            pub(super) r_id: u64,
            pub(super) r_time: u32,
            pub(super) r_type: u8,
            pub(super) r_signal_source: u16,
            pub(super) r_l7_protocol: u8,
            pub(super) r_protocol: u8,
            pub(super) r_tap_side: &'a [u8],
            pub(super) r_agent: u16,
            pub(super) r_start_us: i64,
            pub(super) r_end_us: i64,
            pub(super) r_req_tcp_seq: u32,
            pub(super) r_resp_tcp_seq: u32,
            pub(super) r_syscall_request: u64,
            pub(super) r_syscall_response: u64,
            pub(super) r_trace_id: &'a [u8],
            pub(super) r_span_id: &'a [u8],
            pub(super) r_parent_span_id: &'a [u8],
            pub(super) r_x_request_id_0: &'a [u8],
            pub(super) r_x_request_id_1: &'a [u8],
            pub(super) r_request_id: Option<u64>,
            pub(super) r_flow_id: u64,
            pub(super) r_syscall_cap_seq_0: u32,
            pub(super) r_syscall_cap_seq_1: u32,
            $(pub(super) $field: $type,)*
        }

        impl $name<'_> {
            fn key_row(&self, texts: &mut Texts) -> KeyRow {
                KeyRow {
                    id: RowId(self.r_id),
                    kind: LogType(self.r_type),
                    signal_source: SignalSource(self.r_signal_source),
                    l7_protocol: L7Protocol(self.r_l7_protocol),
                    protocol: L4Protocol(self.r_protocol),
                    tap_side: intern(texts, self.r_tap_side),
                    agent: AgentId(self.r_agent),
                    start_us: self.r_start_us,
                    end_us: self.r_end_us,
                    req_tcp_seq: TcpSeq(self.r_req_tcp_seq),
                    resp_tcp_seq: TcpSeq(self.r_resp_tcp_seq),
                    syscall_request: SyscallTraceId(self.r_syscall_request),
                    syscall_response: SyscallTraceId(self.r_syscall_response),
                    trace_id: intern(texts, self.r_trace_id),
                    span_id: intern(texts, self.r_span_id),
                    parent_span_id: intern(texts, self.r_parent_span_id),
                    x_request_id_0: intern(texts, self.r_x_request_id_0),
                    x_request_id_1: intern(texts, self.r_x_request_id_1),
                    request_id: self.r_request_id,
                    flow_id: self.r_flow_id,
                    syscall_cap_seq: [self.r_syscall_cap_seq_0, self.r_syscall_cap_seq_1],
                }
            }
        }
    };
}

record! {
    /// The columns of a [`KeyRow`].
    KeyRecord {}
}

record! {
    /// The columns of a [`FlowRow`].
    FlowRecord {
        r_l7_protocol_str: &'a [u8],
        r_l7_protocol_enum: &'a [u8],
        r_version: &'a [u8],
        r_is_tls: u8,
        r_is_async: u8,
        r_server_port: u16,
        r_tap_id: u8,
        r_tap: &'a [u8],
        r_response_status: u8,
        r_duration: u64,
        r_biz_response_code: &'a [u8],
        r_response_code: Option<i32>,
        r_response_exception: &'a [u8],
        r_response_result: &'a [u8],
        r_request_type: &'a [u8],
        r_request_domain: &'a [u8],
        r_request_resource: &'a [u8],
        r_http_proxy_client: &'a [u8],
        r_endpoint: &'a [u8],
        r_app_service: &'a [u8],
        r_app_instance: &'a [u8],
        r_process_id_0: i32,
        r_process_kname_0: &'a [u8],
        r_gprocess_0: &'a [u8],
        r_subnet_id_0: u16,
        r_subnet_0: &'a [u8],
        r_ip_0: &'a [u8],
        r_instance_type_0: u8,
        r_instance_id_0: u32,
        r_instance_0: &'a [u8],
        r_service_type_0: u8,
        r_service_id_0: u32,
        r_service_0: &'a [u8],
        r_process_id_1: i32,
        r_process_kname_1: &'a [u8],
        r_gprocess_1: &'a [u8],
        r_subnet_id_1: u16,
        r_subnet_1: &'a [u8],
        r_ip_1: &'a [u8],
        r_instance_type_1: u8,
        r_instance_id_1: u32,
        r_instance_1: &'a [u8],
        r_service_type_1: u8,
        r_service_id_1: u32,
        r_service_1: &'a [u8],
    }
}

/// A row that a record becomes.
pub(super) trait Recorded: Sized + Send {
    /// Runs a query that selects the columns of the record, and gives each row to `sink`.
    fn run(
        reader: &Reader,
        context: &ReadContext,
        statement: &Statement<'_>,
        sink: &mut (impl FnMut(Placed<Self>) + Send),
        texts: &mut Texts,
    ) -> impl Future<Output = Result<u64, Failure>> + Send;
}

impl Recorded for KeyRow {
    async fn run(
        reader: &Reader,
        context: &ReadContext,
        statement: &Statement<'_>,
        sink: &mut (impl FnMut(Placed<Self>) + Send),
        texts: &mut Texts,
    ) -> Result<u64, Failure> {
        let mut decode = |record: KeyRecord<'_>| {
            sink(Placed { time: record.r_time, id: record.r_id, row: record.key_row(texts) });
        };
        reader.run::<KeyRecord<'_>, _>(context, statement, &mut decode).await
    }
}

impl Recorded for FlowRow {
    async fn run(
        reader: &Reader,
        context: &ReadContext,
        statement: &Statement<'_>,
        sink: &mut (impl FnMut(Placed<Self>) + Send),
        texts: &mut Texts,
    ) -> Result<u64, Failure> {
        let mut decode = |record: FlowRecord<'_>| {
            sink(Placed { time: record.r_time, id: record.r_id, row: record.flow_row(texts) });
        };
        reader.run::<FlowRecord<'_>, _>(context, statement, &mut decode).await
    }
}

impl FlowRecord<'_> {
    fn flow_row(&self, texts: &mut Texts) -> FlowRow {
        FlowRow {
            key: self.key_row(texts),
            name: Text::EMPTY,
            l7_protocol_str: intern(texts, self.r_l7_protocol_str),
            l7_protocol_enum: intern(texts, self.r_l7_protocol_enum),
            version: intern(texts, self.r_version),
            is_tls: self.r_is_tls,
            is_async: self.r_is_async,
            server_port: self.r_server_port,
            tap_id: self.r_tap_id,
            tap: intern(texts, self.r_tap),
            response_status: self.r_response_status,
            duration_us: i64::try_from(self.r_duration).unwrap_or(i64::MAX),
            biz_response_code: intern(texts, self.r_biz_response_code),
            response_code: self.r_response_code,
            response_exception: intern(texts, self.r_response_exception),
            response_result: intern(texts, self.r_response_result),
            request_type: intern(texts, self.r_request_type),
            request_domain: intern(texts, self.r_request_domain),
            request_resource: intern(texts, self.r_request_resource),
            http_proxy_client: intern(texts, self.r_http_proxy_client),
            endpoint: intern(texts, self.r_endpoint),
            app_service: intern(texts, self.r_app_service),
            app_instance: intern(texts, self.r_app_instance),
            sides: [
                Side {
                    process_id: self.r_process_id_0,
                    process_kname: intern(texts, self.r_process_kname_0),
                    gprocess: intern(texts, self.r_gprocess_0),
                    subnet_id: self.r_subnet_id_0,
                    subnet: intern(texts, self.r_subnet_0),
                    ip: intern(texts, self.r_ip_0),
                    auto_instance_type: self.r_instance_type_0,
                    auto_instance_id: self.r_instance_id_0,
                    auto_instance: intern(texts, self.r_instance_0),
                    auto_service_type: self.r_service_type_0,
                    auto_service_id: self.r_service_id_0,
                    auto_service: intern(texts, self.r_service_0),
                },
                Side {
                    process_id: self.r_process_id_1,
                    process_kname: intern(texts, self.r_process_kname_1),
                    gprocess: intern(texts, self.r_gprocess_1),
                    subnet_id: self.r_subnet_id_1,
                    subnet: intern(texts, self.r_subnet_1),
                    ip: intern(texts, self.r_ip_1),
                    auto_instance_type: self.r_instance_type_1,
                    auto_instance_id: self.r_instance_id_1,
                    auto_instance: intern(texts, self.r_instance_1),
                    auto_service_type: self.r_service_type_1,
                    auto_service_id: self.r_service_id_1,
                    auto_service: intern(texts, self.r_service_1),
                },
            ],
        }
    }
}

/// A row with its place in the order of the store.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Placed<T> {
    pub(super) time: u32,
    pub(super) id: u64,
    pub(super) row: T,
}

/// Texts come from captured data, which need not be UTF-8.
fn intern(texts: &mut Texts, bytes: &[u8]) -> Text {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => texts.intern(text),
        Cow::Owned(text) => texts.intern(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{column_names::NEEDED, columns::Columns, dictionary::Dictionary, expressions::Selected},
        *,
    };

    #[test]
    fn select_lists_are_the_fields_of_the_records() {
        let present = NEEDED.iter().map(|name| ((*name).to_owned(), "UInt128".to_owned())).collect();
        let columns = Columns::new("flow_log.l7_flow_log", &present, "flow_tag", &Dictionary::ALL).unwrap();
        let aliases = |list: &[Selected]| list.iter().map(|selected| selected.alias).collect::<Vec<_>>();
        assert_eq!(aliases(&columns.key), KeyRecord::COLUMN_NAMES);
        assert_eq!(aliases(&columns.flow), FlowRecord::COLUMN_NAMES);
    }

    #[test]
    fn texts_that_are_not_utf8_are_mended() {
        let mut texts = Texts::new();
        let text = intern(&mut texts, b"GET \xff\xfe/");
        assert_eq!(texts.get(text), "GET \u{fffd}\u{fffd}/");
    }
}
