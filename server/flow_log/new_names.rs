//! The names that are in rows, as rows of the tables under the dictionaries.

use std::collections::BTreeMap;

use ::clickhouse::Row;
use serde::Serialize;

use super::{
    physical_row::written_subnet_id,
    stored_row::{StoredRow, is_bare_address},
};

/// A row of `ch_device`.
#[derive(Row, Serialize)]
pub(super) struct Device {
    pub(super) devicetype: u64,
    pub(super) deviceid: u64,
    pub(super) name: String,
}

/// A row of `ch_subnet` or `ch_gprocess`.
#[derive(Row, Serialize)]
pub(super) struct Numbered {
    pub(super) id: u64,
    pub(super) name: String,
}

/// A row of `ch_tap_type`.
#[derive(Row, Serialize)]
pub(super) struct TapType {
    pub(super) value: u64,
    pub(super) name: String,
}

/// The names of some rows, one for each number.
pub(super) struct NewNames {
    pub(super) devices: Vec<Device>,
    pub(super) subnets: Vec<Numbered>,
    pub(super) gprocesses: Vec<Numbered>,
    pub(super) tap_types: Vec<TapType>,
}

impl NewNames {
    pub(super) fn of(rows: &[StoredRow]) -> Self {
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
