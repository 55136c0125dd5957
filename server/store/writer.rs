//! Writes rows and names into a schema of our own ([`ddl`]): for the demo, tests and benchmarks. Nothing
//! that serves requests writes.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use ::clickhouse::{Client, Row};
use serde::Serialize;

use super::{
    StoreError, StoreSettings, StoredRow,
    clickhouse::{self as store, InvalidStoreSetting},
    ddl,
    stored_row::is_bare_address,
};

/// Writes into one flow log and the names beside it.
pub struct FlowWriter {
    client: Client,
    database: String,
    tag_database: String,
}

impl FlowWriter {
    /// A writer to the server and database of the settings. The user needs all rights on both databases.
    pub fn new(settings: &StoreSettings) -> Result<Self, InvalidStoreSetting> {
        Ok(Self {
            client: store::client(settings)?,
            database: settings.database.clone(),
            tag_database: settings.tag_database(),
        })
    }

    /// Makes databases, tables, dictionaries and enumerations, where they are not there yet.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        for statement in ddl::statements_of(self.prefix()) {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    /// Writes rows, and their names so that a reader sees them at once. Of two names for one number the last
    /// row's counts, and it counts for rows written earlier too.
    ///
    /// The flow log has no id for an address without a resource (types 0 and 255) but that of its subnet. A
    /// row whose instance or service is such an address under an id of its own is written with that id as
    /// its subnet's.
    pub async fn write(&self, rows: &[StoredRow]) -> Result<(), StoreError> {
        self.write_names(rows).await?;
        // RowBinary without the check of the columns, since the table has many that we leave out
        let client = self.client.clone().with_database(&self.database).with_validation(false);
        // one insert may span more hours than the server thinks wise
        let client = client.with_setting("max_partitions_per_insert_block", "0");
        let mut insert =
            client.insert::<PhysicalRow<'_>>("l7_flow_log_local").await.map_err(store::store_error)?;
        for row in rows {
            insert.write(&PhysicalRow::from(row)).await.map_err(store::store_error)?;
        }
        insert.end().await.map_err(store::store_error)
    }

    async fn write_names(&self, rows: &[StoredRow]) -> Result<(), StoreError> {
        let names = Names::of(rows);
        self.insert_names("ch_device", names.devices).await?;
        self.insert_names("ch_subnet", names.subnets).await?;
        self.insert_names("ch_gprocess", names.gprocesses).await?;
        self.insert_names("ch_tap_type", names.tap_types).await?;
        for statement in ddl::reload_statements(self.prefix()) {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    async fn insert_names<R>(&self, table: &str, names: Vec<R>) -> Result<(), StoreError>
    where
        R: Serialize + for<'a> Row<Value<'a> = R> + ::clickhouse::RowWrite + Send + Sync,
    {
        if names.is_empty() {
            return Ok(());
        }
        let client = self.client.clone().with_database(&self.tag_database).with_validation(false);
        let mut insert = client.insert::<R>(table).await.map_err(store::store_error)?;
        for name in &names {
            insert.write(name).await.map_err(store::store_error)?;
        }
        insert.end().await.map_err(store::store_error)
    }

    async fn execute(&self, statement: &str) -> Result<(), StoreError> {
        self.client.query(statement).execute().await.map_err(store::store_error)
    }

    fn prefix(&self) -> &str {
        self.database.strip_suffix("flow_log").unwrap_or_default()
    }
}

/// A row of `ch_device`.
#[derive(Row, Serialize)]
struct Device {
    devicetype: u64,
    deviceid: u64,
    name: String,
}

/// A row of `ch_subnet` or `ch_gprocess`.
#[derive(Row, Serialize)]
struct Numbered {
    id: u64,
    name: String,
}

/// A row of `ch_tap_type`.
#[derive(Row, Serialize)]
struct TapType {
    value: u64,
    name: String,
}

#[derive(Default)]
struct Names {
    devices: Vec<Device>,
    subnets: Vec<Numbered>,
    gprocesses: Vec<Numbered>,
    tap_types: Vec<TapType>,
}

impl Names {
    fn of(rows: &[StoredRow]) -> Self {
        let mut devices = BTreeMap::new();
        let mut subnets = BTreeMap::new();
        let mut gprocesses = BTreeMap::new();
        let mut tap_types = BTreeMap::new();
        for row in rows {
            for (kind, id, name) in [
                (row.auto_instance_type_0, row.auto_instance_id_0, &row.auto_instance_0),
                (row.auto_instance_type_1, row.auto_instance_id_1, &row.auto_instance_1),
                (row.auto_service_type_0, row.auto_service_id_0, &row.auto_service_0),
                (row.auto_service_type_1, row.auto_service_id_1, &row.auto_service_1),
            ] {
                if !is_bare_address(kind) {
                    insert_name(&mut devices, (kind, id), name);
                }
            }
            insert_name(&mut subnets, written_subnet_id(row, 0), &row.subnet_0);
            insert_name(&mut subnets, written_subnet_id(row, 1), &row.subnet_1);
            insert_name(&mut gprocesses, row.gprocess_id_0, &row.gprocess_0);
            insert_name(&mut gprocesses, row.gprocess_id_1, &row.gprocess_1);
            insert_name(&mut tap_types, row.capture_network_type_id, &row.capture_network_type);
        }
        Self {
            devices: devices
                .into_iter()
                .map(|((kind, id), name): ((u8, u32), &str)| Device {
                    devicetype: kind.into(),
                    deviceid: id.into(),
                    name: name.to_owned(),
                })
                .collect(),
            subnets: numbered(subnets),
            gprocesses: numbered(gprocesses),
            tap_types: tap_types
                .into_iter()
                .map(|(value, name): (u8, &str)| TapType { value: value.into(), name: name.to_owned() })
                .collect(),
        }
    }
}

fn insert_name<'a, K: Ord>(names: &mut BTreeMap<K, &'a str>, id: K, name: &'a str) {
    if !name.is_empty() {
        names.insert(id, name);
    }
}

fn numbered<K: Into<u64>>(names: BTreeMap<K, &str>) -> Vec<Numbered> {
    names.into_iter().map(|(id, name)| Numbered { id: id.into(), name: name.to_owned() }).collect()
}

/// The `subnet_id` that makes a reader see the row's ids of instance and service.
fn written_subnet_id(row: &StoredRow, side: usize) -> u16 {
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

/// The columns of a row that we write, under their physical names and types.
#[derive(Row, Serialize)]
struct PhysicalRow<'a> {
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
        Self {
            _id: row._id,
            time: row.time,
            agent_id: row.agent_id,
            observation_point: &row.observation_point,
            signal_source: row.signal_source,
            capture_network_type_id: row.capture_network_type_id,
            capture_nic: nic_number(&row.capture_nic),
            capture_nic_type: row.capture_nic_type,
            is_ipv4: row.is_ipv4,
            ip4_0: row.ip4_0.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ip4_1: row.ip4_1.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ip6_0: row.ip6_0.unwrap_or(Ipv6Addr::UNSPECIFIED),
            ip6_1: row.ip6_1.unwrap_or(Ipv6Addr::UNSPECIFIED),
            protocol: row.protocol,
            client_port: row.client_port,
            server_port: row.server_port,
            flow_id: row.flow_id,
            req_tcp_seq: row.req_tcp_seq,
            resp_tcp_seq: row.resp_tcp_seq,
            start_time: row.start_time,
            end_time: row.end_time,
            gprocess_id_0: row.gprocess_id_0,
            gprocess_id_1: row.gprocess_id_1,
            process_id_0: row.process_id_0,
            process_id_1: row.process_id_1,
            process_kname_0: &row.process_kname_0,
            process_kname_1: &row.process_kname_1,
            syscall_trace_id_request: row.syscall_trace_id_request,
            syscall_trace_id_response: row.syscall_trace_id_response,
            syscall_cap_seq_0: row.syscall_cap_seq_0,
            syscall_cap_seq_1: row.syscall_cap_seq_1,
            subnet_id_0: written_subnet_id(row, 0),
            subnet_id_1: written_subnet_id(row, 1),
            auto_instance_id_0: row.auto_instance_id_0,
            auto_instance_id_1: row.auto_instance_id_1,
            auto_instance_type_0: row.auto_instance_type_0,
            auto_instance_type_1: row.auto_instance_type_1,
            auto_service_id_0: row.auto_service_id_0,
            auto_service_id_1: row.auto_service_id_1,
            auto_service_type_0: row.auto_service_type_0,
            auto_service_type_1: row.auto_service_type_1,
            l7_protocol: row.l7_protocol,
            biz_protocol: &row.biz_protocol,
            version: &row.version,
            r#type: row.r#type,
            is_tls: row.is_tls,
            is_async: row.is_async,
            is_reversed: row.is_reversed,
            request_type: &row.request_type,
            request_domain: &row.request_domain,
            request_resource: &row.request_resource,
            endpoint: &row.endpoint,
            request_id: row.request_id,
            response_status: row.response_status,
            response_code: row.response_code,
            response_exception: &row.response_exception,
            response_result: &row.response_result,
            biz_response_code: &row.biz_response_code,
            http_proxy_client: &row.http_proxy_client,
            x_request_id_0: &row.x_request_id_0,
            x_request_id_1: &row.x_request_id_1,
            trace_id: &row.trace_id,
            _trace_id_2: &row._trace_id_2,
            span_id: &row.span_id,
            parent_span_id: &row.parent_span_id,
            span_kind: row.span_kind,
            app_service: &row.app_service,
            app_instance: &row.app_instance,
            response_duration: row.response_duration,
        }
    }
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
