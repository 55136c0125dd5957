//! The questions of a search in a case.

use serde::{Deserialize, Serialize};

use crate::search::{AssociationKeys, Question, Window};

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
}
