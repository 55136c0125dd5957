//! R-REL-1: by which keys a record can be found (algorithm 3.1).

use crate::flow::{KeyRow, L4Protocol, L7Protocol, LogType, SignalSource};

/// Whether the record can be found by its request-side sequence number (algorithm 3.1).
pub fn filed_by_req_seq(row: &KeyRow) -> bool {
    is_tcp_capture(row) && row.kind != LogType::RESPONSE
}

/// Whether the record can be found by its response-side sequence number (algorithm 3.1).
pub fn filed_by_resp_seq(row: &KeyRow) -> bool {
    is_tcp_capture(row) && row.kind != LogType::REQUEST
}

fn is_tcp_capture(row: &KeyRow) -> bool {
    row.signal_source != SignalSource::OTEL && row.protocol == L4Protocol::TCP
}

/// The transaction id by which a record looks for DNS captures, if any.
pub fn dns_key(row: &KeyRow) -> Option<u64> {
    row.request_id.filter(|&id| id != 0)
}

/// Whether a record can be found by its DNS transaction id (algorithm 3.1).
pub fn filed_by_dns(row: &KeyRow) -> bool {
    row.l7_protocol == L7Protocol::DNS
}
