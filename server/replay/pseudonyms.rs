//! Pseudonyms in the place of what identifies somebody, so that a case can be handed on.
//!
//! Replaced are trace, span and X-Request-IDs; names of services, instances, processes, subnets, networks
//! and regions; resources, endpoints, domains and names of spans; exceptions, results and business codes;
//! addresses. Request types, protocols and versions are replaced where they are not the usual short ones.
//! Kept are numbers: times, row and flow ids, sequence numbers, syscall trace ids, request ids, ports,
//! process ids, ids and types of agents and resources, response codes.
//!
//! What the engine can see of a text stays: equal texts stay equal and different ones different, in all
//! fields alike; the empty text stays empty; trace ids that are joined with commas stay joined, and keep
//! their order; trace and span ids of 16 characters or more stay so long (such span ids name spans of the
//! answer), and of texts of more than 1024 characters those that share the first 1024 do so afterwards too.
//! The unspecified and loopback addresses stay, since they name nobody.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::Value;

use super::{
    case::Case,
    question::{CaseKeys, CaseQuestion},
    row::CaseRow,
};
use crate::store::{StoredRow, ddl};

/// What a text is, so that its pseudonym says so. Of several the first: trace ids must keep their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Class {
    Trace,
    Span,
    XRequestId,
    Address4,
    Address6,
    Name,
    Text,
}

impl Class {
    fn prefix(self) -> &'static str {
        match self {
            Class::Trace => "trace-",
            Class::Span => "span-",
            Class::XRequestId => "x-",
            Class::Name => "name-",
            Class::Address4 | Class::Address6 | Class::Text => "text-",
        }
    }
}

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
    // A search asks for keys in their order.
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

/// Applies a function to each trace id of a joined text, as `TraceIds::parse` finds them.
fn each_trace_id(joined: &str, mut change: impl FnMut(&str) -> String) -> String {
    let mut parts = Vec::new();
    for part in joined.split(',') {
        let id = part.trim();
        let before = part.len() - part.trim_start().len();
        parts.push(format!("{}{}{}", &part[..before], change(id), &part[before + id.len()..]));
    }
    parts.join(",")
}

fn note(seen: &mut BTreeMap<String, Class>, class: Class, text: &str) {
    if class == Class::Trace {
        each_trace_id(text, |id| {
            note_one(seen, class, id);
            String::new()
        });
    } else {
        note_one(seen, class, text);
    }
}

fn note_one(seen: &mut BTreeMap<String, Class>, class: Class, text: &str) {
    let class = match text.parse() {
        Ok(address) if names_nobody(address) => return,
        Ok(IpAddr::V4(_)) => class.min(Class::Address4),
        Ok(IpAddr::V6(_)) => class.min(Class::Address6),
        Err(_) => class,
    };
    let mut add = |text: &str| {
        let known = seen.entry(text.to_owned()).or_insert(class);
        *known = class.min(*known);
    };
    if !text.is_empty() {
        add(text);
    }
    if let Some(begin) = first_1024(text) {
        add(begin);
    }
}

fn names_nobody(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback()
}

/// Of span ids only those of so many characters name spans of the answer.
const LONG: usize = 16;
/// Of texts with more characters only these are compared.
const VERY_LONG: usize = 1024;

/// The first 1024 characters of a text that has more.
fn first_1024(text: &str) -> Option<&str> {
    text.char_indices().nth(VERY_LONG).map(|(end, _)| &text[..end])
}

/// Pseudonyms of all texts of a case.
struct Pseudonyms(BTreeMap<String, String>);

impl Pseudonyms {
    /// Numbers the texts of each class in their order, which so stays.
    fn new(seen: BTreeMap<String, Class>) -> Self {
        let mut last = BTreeMap::new();
        for &class in seen.values() {
            *last.entry(class).or_insert(0u32) += 1;
        }
        let width: BTreeMap<Class, usize> =
            last.iter().map(|(&class, count)| (class, count.to_string().len())).collect();
        last.clear();
        let pseudonym = |(text, class): (String, Class)| {
            let number = last.entry(class).or_insert(0u32);
            *number += 1;
            let pseudonym = match class {
                // Never anybody's: class E, and the prefix of documentation.
                Class::Address4 => Ipv4Addr::from_bits(0xf000_0000 | (*number & 0x0fff_ffff)).to_string(),
                Class::Address6 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(*number)).to_string(),
                _ => {
                    let width = width.get(&class).copied().unwrap_or(1);
                    format!("{}{number:0width$}", class.prefix())
                }
            };
            (text, pseudonym)
        };
        Pseudonyms(seen.into_iter().map(pseudonym).collect())
    }

    fn of(&self, text: &str) -> String {
        let Some(pseudonym) = self.0.get(text) else { return text.to_owned() };
        match first_1024(text) {
            Some(begin) => {
                let begin = self.0.get(begin).map_or("", String::as_str);
                format!("{begin:-<VERY_LONG$}+{pseudonym}")
            }
            None if text.chars().nth(LONG - 1).is_some() && is_id(pseudonym) => {
                format!("{pseudonym:-<LONG$}")
            }
            None => pseudonym.clone(),
        }
    }
}

/// Whether a pseudonym stands for a trace or span id.
fn is_id(pseudonym: &str) -> bool {
    [Class::Trace, Class::Span].iter().any(|class| pseudonym.starts_with(class.prefix()))
}

/// Shows each text of a case that is redacted, always in the same order.
fn visit(case: &mut Case, see: &mut impl FnMut(Class, &mut String)) {
    see(Class::Name, &mut case.region);
    for span in &mut case.request.app_spans {
        see(Class::Trace, &mut span.trace_id);
        see(Class::Span, &mut span.span_id);
        see(Class::Span, &mut span.parent_span_id);
        see(Class::Text, &mut span.name);
        see(Class::Name, &mut span.app_service);
        see(Class::Name, &mut span.app_instance);
    }
    for answer in &mut case.answers {
        match &mut answer.question {
            CaseQuestion::Entry { trace_id, .. } => see(Class::Trace, trace_id),
            CaseQuestion::TraceId { trace_ids, .. } => {
                trace_ids.iter_mut().for_each(|id| see(Class::Trace, id));
            }
            CaseQuestion::Association { keys: CaseKeys { x_request_ids, .. }, .. } => {
                x_request_ids.iter_mut().for_each(|id| see(Class::XRequestId, id));
            }
        }
    }
    for row in &mut case.rows {
        visit_row(row, see);
    }
}

fn visit_row(row: &mut CaseRow, see: &mut impl FnMut(Class, &mut String)) {
    let mut ips = row.ips();
    ips.iter_mut().for_each(|ip| see(Class::Name, ip));
    row.set_ips(ips);

    let StoredRow {
        trace_id,
        _trace_id_2,
        span_id,
        parent_span_id,
        x_request_id_0,
        x_request_id_1,
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
        biz_protocol,
        version,
        request_type,
        request_domain,
        request_resource,
        endpoint,
        response_exception,
        response_result,
        biz_response_code,
        capture_nic,
        ..
    } = &mut row.stored;
    // Nothing reads it, but a file may have it.
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
    if let Some(name) = &mut row.l7_protocol_enum
        && !is_protocol(name)
    {
        see(Class::Text, name);
    }
}

/// A pseudonym is none of these, so that it is seen as often as its text.
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

    fn pseudonyms(texts: &[(Class, &str)]) -> Vec<String> {
        let mut seen = BTreeMap::new();
        for (class, text) in texts {
            note(&mut seen, *class, text);
        }
        let pseudonyms = Pseudonyms::new(seen);
        let of = |(class, text): &(Class, &str)| match class {
            Class::Trace => each_trace_id(text, |id| pseudonyms.of(id)),
            _ => pseudonyms.of(text),
        };
        texts.iter().map(of).collect()
    }

    #[test]
    fn joined_trace_ids_stay_joined_and_ordered() {
        let texts = ["b", "a,c ,, b", " ", "", "a-trace-id-that-is-long", "c"].map(|id| (Class::Trace, id));
        let expected = ["trace-3", "trace-1,trace-4 ,, trace-3", " ", "", "trace-2---------", "trace-4"];
        assert_eq!(pseudonyms(&texts), expected);
    }

    #[test]
    fn a_text_has_one_pseudonym_in_all_fields() {
        let texts = [
            (Class::Text, "/x"),
            (Class::Name, "shop"),
            (Class::Text, "shop"),
            (Class::Span, "0123456789abcdef"),
            (Class::Trace, "0123456789abcdef"),
            (Class::Span, "0123"),
            (Class::Name, "10.1.2.3"),
            (Class::Text, "10.1.2.3"),
            (Class::Name, "fd00::1"),
            (Class::Name, "0.0.0.0"),
            (Class::Name, "::"),
            (Class::Name, "127.0.0.1"),
        ];
        let expected = [
            "text-1",
            "name-1",
            "name-1",
            "trace-1---------",
            "trace-1---------",
            "span-1",
            "240.0.0.1",
            "240.0.0.1",
            "2001:db8::1",
            "0.0.0.0",
            "::",
            "127.0.0.1",
        ];
        assert_eq!(pseudonyms(&texts), expected);
    }

    #[test]
    fn long_texts_share_their_first_1024_characters_or_do_not() {
        let begin = "é".repeat(1024);
        let texts = [format!("{begin}1"), format!("{begin}2"), format!("x{begin}"), begin.clone()];
        let texts: Vec<(Class, &str)> = texts.iter().map(|text| (Class::Text, text.as_str())).collect();
        let found = pseudonyms(&texts);
        let beginnings: Vec<Option<&str>> = found.iter().map(|text| first_1024(text)).collect();
        assert!(beginnings[0].is_some() && beginnings[2].is_some() && beginnings[3].is_none());
        assert_eq!(beginnings[0], beginnings[1]);
        assert_ne!(beginnings[0], beginnings[2]);
        assert_ne!(found[0], found[1]);
    }

    #[test]
    fn what_everybody_has_is_kept() {
        assert!(is_verb("GET") && is_verb("COM_QUERY") && is_verb("") && !is_verb("com.acme.Orders/List"));
        assert!(is_version("1.1") && !is_version("acme-2"));
        assert!(is_protocol("HTTP") && is_protocol("MySQL") && !is_protocol("AcmeBank"));
    }
}
