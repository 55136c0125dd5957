//! Recorded rows carry names, and the original read them as they were recorded. A ClickHouse takes names from
//! dictionaries and addresses, and so it cannot return each recorded name.
//!
//! If two recorded rows name one device differently, nothing has to be adjusted: the device is an instance
//! then, and its name is no part of an answer.

use serde_json::{Map, Value};
use trace_completion::flow_log::StoredRow;

/// Reason of an adjustment, and the number of cells of a case that it touched.
pub(crate) type Adjusted = (&'static str, usize);

/// A row as ClickHouse returns it. The name of an instance or service without a resource is its address. Ids
/// stay as they are, because the writer takes care of them.
pub(crate) fn row(mut row: StoredRow) -> StoredRow {
    let ips = [row.ip_text(0), row.ip_text(1)];
    for (kind, name, ip) in [
        (row.auto_instance_type_0, &mut row.auto_instance_0, &ips[0]),
        (row.auto_instance_type_1, &mut row.auto_instance_1, &ips[1]),
        (row.auto_service_type_0, &mut row.auto_service_0, &ips[0]),
        (row.auto_service_type_1, &mut row.auto_service_1, &ips[1]),
    ] {
        if is_bare_address(kind) {
            name.clone_from(ip);
        }
    }
    row
}

/// The case with the answer that the original would have given to the rows as ClickHouse returns them.
pub(crate) fn case(case: &Value, rows: &[StoredRow]) -> (Value, Vec<Adjusted>) {
    let mut case = case.clone();
    let mut renamed = 0;
    for (key, span) in case["expected"]["spans"].as_object_mut().into_iter().flatten() {
        let row = rows.iter().find(|row| *key == format!("{}/{}", row._id, row.observation_point));
        if let (Some(row), Some(fields)) = (row, span["fields"].as_object_mut()) {
            renamed += usize::from(address_for_name(row, fields));
        }
    }
    let reason =
        "a service without a resource is read under its address, and was recorded under another name";
    let adjusted = if renamed > 0 { vec![(reason, renamed)] } else { Vec::new() };
    (case, adjusted)
}

/// Puts the address in the place of the service name of a span, if the span has one row and shows the service
/// of that row's own side, the type has no resource, and the recorded name is not the row's address. An example
/// is the name `""` of OpenTelemetry rows without an address. Returns whether it did.
fn address_for_name(recorded: &StoredRow, fields: &mut Map<String, Value>) -> bool {
    let of_server = recorded.observation_point.starts_with('s') || recorded.observation_point == "app";
    let (kind, name, ip) = if of_server {
        (recorded.auto_service_type_1, &recorded.auto_service_1, recorded.ip_text(1))
    } else {
        (recorded.auto_service_type_0, &recorded.auto_service_0, recorded.ip_text(0))
    };
    let shown = fields["auto_service"] == name.as_str() && fields["auto_service_type"] == kind;
    let wrong = is_bare_address(kind) && *name != ip;
    if shown && wrong {
        fields.insert("auto_service".to_owned(), ip.into());
    }
    shown && wrong
}

fn is_bare_address(auto_type: u8) -> bool {
    matches!(auto_type, 0 | 255)
}
