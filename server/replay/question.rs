//! The questions of a search in a case.

use serde::{Deserialize, Serialize};

use crate::{
    flow::{L7Protocol, LogType},
    search::{AssociationKeys, Question, Window},
    store::StoredRow,
};

/// A question, with the seconds in which rows end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum CaseQuestion {
    Entry { trace_id: String, from_s: i64, to_s: i64 },
    TraceId { trace_ids: Vec<String>, from_s: i64, to_s: i64 },
    Association { keys: CaseKeys, from_s: i64, to_s: i64 },
}

/// Keys of a question, as [`AssociationKeys`] has them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CaseKeys {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) req_tcp_seqs: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resp_tcp_seqs: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) syscall_trace_ids: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) x_request_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dns_request_ids: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) response_flow_ids: Vec<u64>,
}

impl From<&Question> for CaseQuestion {
    fn from(question: &Question) -> Self {
        match question.clone() {
            Question::Entry { trace_id, window: Window { from_s, to_s } } => {
                CaseQuestion::Entry { trace_id, from_s, to_s }
            }
            Question::ByTraceId { trace_ids, window: Window { from_s, to_s } } => {
                CaseQuestion::TraceId { trace_ids, from_s, to_s }
            }
            Question::ByAssociation { keys, window: Window { from_s, to_s } } => {
                let AssociationKeys {
                    req_tcp_seqs,
                    resp_tcp_seqs,
                    syscall_trace_ids,
                    x_request_ids,
                    dns_request_ids,
                    response_flow_ids,
                } = keys;
                let keys = CaseKeys {
                    req_tcp_seqs,
                    resp_tcp_seqs,
                    syscall_trace_ids,
                    x_request_ids,
                    dns_request_ids,
                    response_flow_ids,
                };
                CaseQuestion::Association { keys, from_s, to_s }
            }
        }
    }
}

impl CaseQuestion {
    /// Its kind, as explanations name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            CaseQuestion::Entry { .. } => "entry",
            CaseQuestion::TraceId { .. } => "trace_id",
            CaseQuestion::Association { .. } => "association",
        }
    }

    /// Whether a row answers the question, as far as the row of a case tells.
    pub(super) fn matches(&self, row: &StoredRow) -> bool {
        let (CaseQuestion::Entry { from_s, to_s, .. }
        | CaseQuestion::TraceId { from_s, to_s, .. }
        | CaseQuestion::Association { from_s, to_s, .. }) = self;
        (*from_s..=*to_s).contains(&i64::from(row.time))
            && match self {
                CaseQuestion::Entry { trace_id, .. } => carries(row, trace_id),
                CaseQuestion::TraceId { trace_ids, .. } => trace_ids.iter().any(|id| carries(row, id)),
                CaseQuestion::Association { keys, .. } => keys.match_row(row),
            }
    }
}

impl CaseKeys {
    fn match_row(&self, row: &StoredRow) -> bool {
        self.req_tcp_seqs.contains(&row.req_tcp_seq)
            || self.resp_tcp_seqs.contains(&row.resp_tcp_seq)
            || self.syscall_trace_ids.contains(&row.syscall_trace_id_request)
            || self.syscall_trace_ids.contains(&row.syscall_trace_id_response)
            || self.x_request_ids.contains(&row.x_request_id_0)
            || self.x_request_ids.contains(&row.x_request_id_1)
            || (row.l7_protocol == L7Protocol::DNS.0
                && row.request_id.is_some_and(|id| self.dns_request_ids.contains(&id)))
            || (row.r#type == LogType::RESPONSE.0 && self.response_flow_ids.contains(&row.flow_id))
    }
}

/// The two trace ids of a row come joined. An id may hold a comma itself.
fn carries(row: &StoredRow, trace_id: &str) -> bool {
    let joined = row.trace_id.as_str();
    !trace_id.is_empty() && (joined == trace_id || joined.split(", ").any(|part| part == trace_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_survives_json() {
        let window = Window { from_s: -1, to_s: 7 };
        let keys = AssociationKeys {
            req_tcp_seqs: vec![1],
            x_request_ids: vec!["x".into()],
            syscall_trace_ids: vec![u64::MAX],
            ..AssociationKeys::default()
        };
        for question in [
            Question::Entry { trace_id: "t".into(), window },
            Question::ByTraceId { trace_ids: vec!["a".into(), "b".into()], window },
            Question::ByAssociation { keys, window },
        ] {
            let case = CaseQuestion::from(&question);
            assert_eq!(case.name(), question.name());
            let json = serde_json::to_string(&case).unwrap();
            assert_eq!(serde_json::from_str::<CaseQuestion>(&json).unwrap(), case, "{json}");
        }
    }

    #[test]
    fn rows_answer_by_any_key_within_the_window() {
        let row = StoredRow { time: 5, trace_id: "a, b".into(), req_tcp_seq: 9, ..StoredRow::default() };
        let entry = |id: &str, to_s| CaseQuestion::Entry { trace_id: id.into(), from_s: 0, to_s };
        assert!(entry("b", 5).matches(&row));
        assert!(entry("a, b", 5).matches(&row));
        assert!(!entry("b", 4).matches(&row));
        assert!(!entry("", 5).matches(&StoredRow { time: 5, ..StoredRow::default() }));
        let keys = |seq| CaseKeys { req_tcp_seqs: vec![seq], ..CaseKeys::default() };
        assert!(CaseQuestion::Association { keys: keys(9), from_s: 5, to_s: 5 }.matches(&row));
        assert!(!CaseQuestion::Association { keys: keys(8), from_s: 5, to_s: 5 }.matches(&row));
    }
}
