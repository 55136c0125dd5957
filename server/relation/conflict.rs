//! Conflicts (R-CONF): fields in which two captures of one exchange may not differ (algorithm 3.3). A field that
//! either side does not know (0, empty, null) is no difference.

use crate::flow::{FlowRow, KeyRow, L7Protocol, Text, Texts, TraceIds};

/// R-CONF-2 over the columns that a search has (R-CONF-6). A null `request_id` never conflicts.
pub fn of_keys(a: &KeyRow, a_ids: &TraceIds, b: &KeyRow, b_ids: &TraceIds) -> bool {
    match of_trace(a, a_ids, b, b_ids) {
        Some(decided) => decided,
        None => of_key_fields(a, b),
    }
}

/// R-CONF-1, R-CONF-2, R-CONF-3, R-CONF-4, over all columns.
pub fn of_rows(a: &FlowRow, a_ids: &TraceIds, b: &FlowRow, b_ids: &TraceIds, texts: &Texts) -> bool {
    if let Some(decided) = of_trace(&a.key, a_ids, &b.key, b_ids) {
        return decided;
    }
    let grpc_either_way = differs(a.key.l7_protocol.0, b.key.l7_protocol.0) && both_grpc_like(&a.key, &b.key);
    of_key_fields(&a.key, &b.key)
        || texts_differ(a.http_proxy_client, b.http_proxy_client)
        || texts_differ(a.version, b.version)
        || texts_differ(a.request_type, b.request_type)
        || texts_differ(a.request_domain, b.request_domain)
        || differs(a.response_code.unwrap_or(0), b.response_code.unwrap_or(0))
        || texts_differ(a.response_exception, b.response_exception)
        || texts_differ(a.response_result, b.response_result)
        || !grpc_either_way
            && (texts_differ(a.l7_protocol_str, b.l7_protocol_str)
                || texts_differ(a.endpoint, b.endpoint)
                || resources_differ(a.request_resource, b.request_resource, texts))
}

/// R-CONF-5 over the columns that a search has.
pub fn of_dns_keys(a: &KeyRow, b: &KeyRow) -> bool {
    differs(a.protocol.0, b.protocol.0)
        || differs(a.request_id.unwrap_or(0), b.request_id.unwrap_or(0))
        || differs(a.l7_protocol.0, b.l7_protocol.0)
}

/// R-CONF-5, over all columns.
pub fn of_dns_rows(a: &FlowRow, b: &FlowRow) -> bool {
    of_dns_keys(&a.key, &b.key)
        || texts_differ(a.endpoint, b.endpoint)
        || texts_differ(a.request_resource, b.request_resource)
        || texts_differ(a.request_type, b.request_type)
        || differs(a.response_code.unwrap_or(0), b.response_code.unwrap_or(0))
        || texts_differ(a.response_exception, b.response_exception)
        || texts_differ(a.response_result, b.response_result)
}

/// R-CONF-1: where both know their trace, only trace id and span id decide.
fn of_trace(a: &KeyRow, a_ids: &TraceIds, b: &KeyRow, b_ids: &TraceIds) -> Option<bool> {
    if a_ids.is_empty() || b_ids.is_empty() {
        return None;
    }
    Some(!a_ids.intersects(b_ids) || a.span_id != b.span_id)
}

fn of_key_fields(a: &KeyRow, b: &KeyRow) -> bool {
    differs(a.l7_protocol.0, b.l7_protocol.0) && !both_grpc_like(a, b)
        || texts_differ(a.x_request_id_0, b.x_request_id_0)
        || texts_differ(a.x_request_id_1, b.x_request_id_1)
        || differs(a.protocol.0, b.protocol.0)
        || differs(a.request_id.unwrap_or(0), b.request_id.unwrap_or(0))
}

/// R-CONF-3: HTTP/2 and gRPC are two names of one thing.
fn both_grpc_like(a: &KeyRow, b: &KeyRow) -> bool {
    L7Protocol::is_grpc_like(a.l7_protocol) && L7Protocol::is_grpc_like(b.l7_protocol)
}

fn differs<T: PartialEq + Default>(a: T, b: T) -> bool {
    let unknown = T::default();
    a != unknown && b != unknown && a != b
}

fn texts_differ(a: Text, b: Text) -> bool {
    differs(a, b)
}

/// R-CONF-4: agents cut long resources, so of two long ones only the first 1024 characters count.
fn resources_differ(a: Text, b: Text, texts: &Texts) -> bool {
    texts_differ(a, b) && {
        match (beyond_1024_characters(texts.get(a)), beyond_1024_characters(texts.get(b))) {
            (Some(a), Some(b)) => a != b,
            _ => true,
        }
    }
}

/// The first 1024 characters of a text that has more.
fn beyond_1024_characters(text: &str) -> Option<&str> {
    text.char_indices().nth(1024).map(|(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_and_span_id_decide_alone() {
        let mut texts = Texts::new();
        let (t, s) = (texts.intern("t"), texts.intern("s"));
        let (one, two) = (TraceIds::parse(t, &mut texts), TraceIds::parse(s, &mut texts));
        let a = KeyRow { span_id: s, l7_protocol: L7Protocol(20), ..KeyRow::default() };
        let b = KeyRow { span_id: s, l7_protocol: L7Protocol(60), ..KeyRow::default() };
        let spanless = KeyRow::default();
        assert!(!of_keys(&a, &one, &b, &one), "no other field is looked at");
        assert!(of_keys(&a, &one, &b, &two));
        assert!(of_keys(&a, &one, &spanless, &one), "one span id missing is a conflict");
        assert!(of_keys(&a, &one, &b, &TraceIds::default()), "now the protocol counts");
        assert!(!of_keys(&a, &one, &spanless, &TraceIds::default()));
    }

    #[test]
    fn grpc_and_http2_are_one() {
        let mut texts = Texts::new();
        let row = |l7, resource| FlowRow {
            key: KeyRow { l7_protocol: L7Protocol(l7), ..KeyRow::default() },
            request_resource: resource,
            ..FlowRow::default()
        };
        let (x, y) = (texts.intern("/x"), texts.intern("/y"));
        let none = TraceIds::default();
        assert!(!of_rows(&row(21, x), &none, &row(41, y), &none, &texts));
        assert!(of_rows(&row(41, x), &none, &row(41, y), &none, &texts));
        assert!(of_rows(&row(20, x), &none, &row(41, x), &none, &texts));
    }

    #[test]
    fn only_long_resources_are_cut() {
        let mut texts = Texts::new();
        let long = "é".repeat(1024);
        let (cut, a, b) =
            (texts.intern(&long), texts.intern(&format!("{long}a")), texts.intern(&format!("{long}b")));
        assert!(!resources_differ(a, b, &texts));
        assert!(resources_differ(cut, b, &texts), "one of them is not longer");
    }
}
