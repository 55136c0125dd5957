//! Replaces texts that identify somebody by pseudonyms, so that a case can be given to others.
//!
//! Replaced are trace, span and X-Request-IDs; names of services, instances, processes, subnets, networks
//! and regions; resources, endpoints, domains and names of spans; exceptions, results and business codes;
//! addresses. Request types, protocols and versions are replaced where they are not the usual short ones.
//! Kept are numbers: times, row and flow ids, sequence numbers, syscall trace ids, request ids, ports,
//! process ids, ids and types of agents and resources, response codes. Observation points are kept too.
//!
//! The tree must not change, so everything stays that the engine looks at:
//!
//! - Equal texts stay equal and different texts different, also in different fields. The empty text stays
//!   empty.
//! - Trace ids that are joined with commas stay joined, and keep their order.
//! - Trace and span ids of 16 characters or more keep at least 16: ids of spans in the answer are made of
//!   such span ids.
//! - Texts of more than 1024 characters that begin with the same 1024 characters still do.
//!
//! The unspecified and loopback addresses stay, since they identify nobody.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    case::{Case, CaseAnswer},
    pseudonyms::{Class, Pseudonyms, each_trace_id, note},
    question::{CaseKeys, CaseQuestion},
    row::CaseRow,
};
use crate::{
    flow::{AppSpan, CompletionRequest},
    flow_log::{StoredRow, ddl},
};

/// The case with pseudonyms, and without an answer.
pub(super) fn with_pseudonyms(case: &Case) -> Case {
    let mut case = Case { answer: Value::Null, redacted: true, ..case.clone() };
    let mut seen = BTreeMap::new();
    visit(&mut case, &mut |class, text| {
        note(&mut seen, class, text);
    });
    let pseudonyms = Pseudonyms::new(seen);
    visit(&mut case, &mut |class, text| {
        let pseudonym = match class {
            Class::Trace => each_trace_id(text, |id| pseudonyms.of(id)),
            _ => pseudonyms.of(text),
        };
        *text = pseudonym;
    });
    // A search asks for keys in ascending order.
    for answer in &mut case.answers {
        match &mut answer.question {
            CaseQuestion::TraceId { trace_ids, .. } => trace_ids.sort_unstable(),
            CaseQuestion::Association { keys, .. } => keys.x_request_ids.sort_unstable(),
            CaseQuestion::Entry { .. } => {}
        }
        // Texts for operators may name hosts.
        if let Some(fault) = &mut answer.error {
            fault.text = "redacted".to_owned();
        }
    }
    case
}

/// Shows each text of a case that is redacted, always in the same order. Every struct is taken apart
/// completely: the compiler asks about each new field, which would otherwise stay readable in a redacted
/// file.
fn visit(case: &mut Case, see: &mut impl FnMut(Class, &mut String)) {
    let Case { redacted: _, region, tracing: _, request, answer: _, answers, fetched: _, rows } = case;
    see(Class::Name, region);
    let CompletionRequest {
        max_iteration: _,
        network_delay_us: _,
        host_clock_offset_us: _,
        explain: _,
        app_spans,
    } = request;
    for span in app_spans {
        visit_span(span, see);
    }
    for CaseAnswer { question, rows: _, truncated: _, read_rows: _, error: _ } in answers {
        visit_question(question, see);
    }
    for row in rows {
        visit_row(row, see);
    }
}

fn visit_span(span: &mut AppSpan, see: &mut impl FnMut(Class, &mut String)) {
    let AppSpan {
        trace_id,
        span_id,
        parent_span_id,
        span_kind: _,
        start_time_us: _,
        end_time_us: _,
        name,
        app_service,
        app_instance,
    } = span;
    see(Class::Trace, trace_id);
    see(Class::Span, span_id);
    see(Class::Span, parent_span_id);
    see(Class::Text, name);
    see(Class::Name, app_service);
    see(Class::Name, app_instance);
}

fn visit_question(question: &mut CaseQuestion, see: &mut impl FnMut(Class, &mut String)) {
    match question {
        CaseQuestion::Entry { trace_id, from_s: _, to_s: _ } => see(Class::Trace, trace_id),
        CaseQuestion::TraceId { trace_ids, from_s: _, to_s: _ } => {
            trace_ids.iter_mut().for_each(|id| see(Class::Trace, id));
        }
        CaseQuestion::Association { keys, from_s: _, to_s: _ } => {
            let CaseKeys {
                x_request_ids,
                req_tcp_seqs: _,
                resp_tcp_seqs: _,
                syscall_trace_ids: _,
                dns_request_ids: _,
                response_flow_ids: _,
            } = keys;
            x_request_ids.iter_mut().for_each(|id| see(Class::XRequestId, id));
        }
    }
}

fn visit_row(row: &mut CaseRow, see: &mut impl FnMut(Class, &mut String)) {
    let mut ips = row.ips();
    ips.iter_mut().for_each(|ip| see(Class::Name, ip));
    row.set_ips(ips);

    let CaseRow { stored, variant: _, l7_protocol_enum, ip_0: _, ip_1: _ } = row;
    let StoredRow {
        capture_network_type,
        capture_nic,
        gprocess_0,
        gprocess_1,
        process_kname_0,
        process_kname_1,
        subnet_0,
        subnet_1,
        auto_instance_0,
        auto_instance_1,
        auto_service_0,
        auto_service_1,
        biz_protocol,
        version,
        request_type,
        request_domain,
        request_resource,
        endpoint,
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
        app_service,
        app_instance,
        // One of the points that agents have: names nobody, and decides the tree.
        observation_point: _,
        // Addresses, replaced above.
        is_ipv4: _,
        ip4_0: _,
        ip4_1: _,
        ip6_0: _,
        ip6_1: _,
        // Numbers.
        _id: _,
        time: _,
        agent_id: _,
        signal_source: _,
        capture_network_type_id: _,
        capture_nic_type: _,
        protocol: _,
        client_port: _,
        server_port: _,
        flow_id: _,
        req_tcp_seq: _,
        resp_tcp_seq: _,
        start_time: _,
        end_time: _,
        gprocess_id_0: _,
        gprocess_id_1: _,
        process_id_0: _,
        process_id_1: _,
        syscall_trace_id_request: _,
        syscall_trace_id_response: _,
        syscall_cap_seq_0: _,
        syscall_cap_seq_1: _,
        subnet_id_0: _,
        subnet_id_1: _,
        auto_instance_id_0: _,
        auto_instance_id_1: _,
        auto_instance_type_0: _,
        auto_instance_type_1: _,
        auto_service_id_0: _,
        auto_service_id_1: _,
        auto_service_type_0: _,
        auto_service_type_1: _,
        l7_protocol: _,
        r#type: _,
        is_tls: _,
        is_async: _,
        is_reversed: _,
        request_id: _,
        response_status: _,
        response_code: _,
        span_kind: _,
        response_duration: _,
    } = stored;
    // No completion reads it, but a file may have it.
    capture_nic.clear();
    see(Class::Trace, trace_id);
    see(Class::Trace, _trace_id_2);
    see(Class::Span, span_id);
    see(Class::Span, parent_span_id);
    see(Class::XRequestId, x_request_id_0);
    see(Class::XRequestId, x_request_id_1);
    for name in [
        capture_network_type,
        process_kname_0,
        process_kname_1,
        gprocess_0,
        gprocess_1,
        subnet_0,
        subnet_1,
        auto_instance_0,
        auto_instance_1,
        auto_service_0,
        auto_service_1,
        app_service,
        app_instance,
        http_proxy_client,
    ] {
        see(Class::Name, name);
    }
    for text in
        [request_domain, request_resource, endpoint, response_exception, response_result, biz_response_code]
    {
        see(Class::Text, text);
    }
    for (text, harmless) in
        [(biz_protocol, is_protocol as fn(&str) -> bool), (version, is_version), (request_type, is_verb)]
    {
        if !harmless(text) {
            see(Class::Text, text);
        }
    }
    if let Some(name) = l7_protocol_enum
        && !is_protocol(name)
    {
        see(Class::Text, name);
    }
}

/// Whether a text is the usual name of a protocol, which is kept. A pseudonym never is, so that both visits
/// of a case see the same texts.
fn is_protocol(text: &str) -> bool {
    (0..=u8::MAX).any(|number| ddl::l7_protocol_name(number) == Some(text))
}

fn is_version(text: &str) -> bool {
    text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// `GET`, `SELECT`, `COM_QUERY`, `AAAA`, and the like.
fn is_verb(text: &str) -> bool {
    text.len() <= 24 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_has_is_kept() {
        assert!(is_verb("GET") && is_verb("COM_QUERY") && is_verb("") && !is_verb("com.acme.Orders/List"));
        assert!(is_version("1.1") && !is_version("acme-2"));
        assert!(is_protocol("HTTP") && is_protocol("MySQL") && !is_protocol("AcmeBank"));
    }

    /// A row in which every column of text has a secret keeps none of them.
    #[test]
    fn no_text_of_a_row_stays() {
        let row = serde_json::to_value(StoredRow::default()).unwrap();
        let texts = row.as_object().unwrap().iter().filter(|(_, value)| value.is_string());
        let secret =
            texts.map(|(name, _)| (name.clone(), Value::from(format!("secret of {name}")))).collect();
        let mut row = CaseRow {
            stored: serde_json::from_value(Value::Object(secret)).unwrap(),
            l7_protocol_enum: Some("secret protocol".to_owned()),
            ip_0: Some("secret address".to_owned()),
            ip_1: Some("secret address".to_owned()),
            ..CaseRow::default()
        };
        visit_row(&mut row, &mut |_, text| "pseudonym".clone_into(text));
        row.stored.observation_point.clear();
        let json = serde_json::to_string(&row).unwrap();
        assert!(json.contains("pseudonym") && !json.contains("secret"), "{json}");
    }
}
