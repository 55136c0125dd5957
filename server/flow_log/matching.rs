//! Which rows answer a question of the search, without ClickHouse. The flow log in memory and the replay of
//! recorded cases both use it, so that there is one reading of what a question means beside the SQL of the
//! store.

use rustc_hash::FxHashSet;

use super::stored_row::StoredRow;
use crate::{
    flow::{KeyRow, L7Protocol, LogType, Texts},
    search::{AssociationKeys, Question, Window},
    store::Page,
};

/// A row that can answer a question.
pub trait Searchable {
    /// Its columns.
    fn stored(&self) -> &StoredRow;

    /// Whether any of its trace ids is wanted.
    fn carries(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let row = self.stored();
        is_wanted(&row.trace_id) || is_wanted(&row._trace_id_2)
    }
}

impl Searchable for StoredRow {
    fn stored(&self) -> &StoredRow {
        self
    }
}

/// The page that answers a question: of the rows that match, the first ones, and of several rows with one
/// `_id` the first one. `rows` are in the order of the store: (`time`, `_id`).
pub fn page<'r, R: Searchable + 'r>(
    rows: impl IntoIterator<Item = &'r R>,
    question: &Question,
    limit_rows: u32,
    texts: &mut Texts,
) -> Page<KeyRow> {
    let matcher = Matcher::new(question);
    let mut seen = FxHashSet::default();
    let mut found = rows
        .into_iter()
        .filter(|row| matcher.matches(*row) && seen.insert(row.stored()._id))
        .map(|row| row.stored().key_row(texts));
    let is_entry = matches!(question, Question::Entry { .. });
    let limit = if is_entry { 1 } else { limit_rows as usize };
    let rows = found.by_ref().take(limit).collect();
    let truncated = !is_entry && found.next().is_some();
    Page { rows, truncated, read_rows: 0 }
}

/// A question, ready to be compared with many rows.
struct Matcher<'q> {
    window: Window,
    wanted: Wanted<'q>,
}

enum Wanted<'q> {
    TraceIds(FxHashSet<&'q str>),
    Keys(WantedKeys<'q>),
}

/// The lists of [`AssociationKeys`] as sets.
struct WantedKeys<'q> {
    req_tcp_seqs: FxHashSet<u32>,
    resp_tcp_seqs: FxHashSet<u32>,
    syscall_trace_ids: FxHashSet<u64>,
    x_request_ids: FxHashSet<&'q str>,
    dns_request_ids: FxHashSet<u64>,
    response_flow_ids: FxHashSet<u64>,
}

impl<'q> Matcher<'q> {
    fn new(question: &'q Question) -> Self {
        let (window, wanted) = match question {
            Question::Entry { trace_id, window } => (window, trace_ids(std::slice::from_ref(trace_id))),
            Question::ByTraceId { trace_ids: ids, window } => (window, trace_ids(ids)),
            Question::ByAssociation { keys, window } => (window, Wanted::Keys(WantedKeys::new(keys))),
        };
        Matcher { window: *window, wanted }
    }

    fn matches(&self, row: &impl Searchable) -> bool {
        let Window { from_s, to_s } = self.window;
        (from_s..=to_s).contains(&i64::from(row.stored().time))
            && match &self.wanted {
                Wanted::TraceIds(ids) => row.carries(|id| ids.contains(id)),
                Wanted::Keys(keys) => keys.match_row(row.stored()),
            }
    }
}

/// The empty text is no trace id: every row without one would match.
fn trace_ids(ids: &[String]) -> Wanted<'_> {
    Wanted::TraceIds(ids.iter().map(String::as_str).filter(|id| !id.is_empty()).collect())
}

impl<'q> WantedKeys<'q> {
    fn new(keys: &'q AssociationKeys) -> Self {
        let AssociationKeys {
            req_tcp_seqs,
            resp_tcp_seqs,
            syscall_trace_ids,
            x_request_ids,
            dns_request_ids,
            response_flow_ids,
        } = keys;
        WantedKeys {
            req_tcp_seqs: req_tcp_seqs.iter().copied().collect(),
            resp_tcp_seqs: resp_tcp_seqs.iter().copied().collect(),
            syscall_trace_ids: syscall_trace_ids.iter().copied().collect(),
            x_request_ids: x_request_ids.iter().map(String::as_str).collect(),
            dns_request_ids: dns_request_ids.iter().copied().collect(),
            response_flow_ids: response_flow_ids.iter().copied().collect(),
        }
    }

    fn match_row(&self, row: &StoredRow) -> bool {
        self.req_tcp_seqs.contains(&row.req_tcp_seq)
            || self.resp_tcp_seqs.contains(&row.resp_tcp_seq)
            || self.syscall_trace_ids.contains(&row.syscall_trace_id_request)
            || self.syscall_trace_ids.contains(&row.syscall_trace_id_response)
            || self.x_request_ids.contains(row.x_request_id_0.as_str())
            || self.x_request_ids.contains(row.x_request_id_1.as_str())
            || (row.l7_protocol == L7Protocol::DNS.0
                && row.request_id.is_some_and(|id| self.dns_request_ids.contains(&id)))
            || (row.r#type == LogType::RESPONSE.0 && self.response_flow_ids.contains(&row.flow_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(question: &Question, row: &StoredRow) -> bool {
        Matcher::new(question).matches(row)
    }

    #[test]
    fn rows_answer_by_any_trace_id_within_the_window() {
        let row =
            StoredRow { time: 5, trace_id: "a, b".into(), _trace_id_2: "c".into(), ..StoredRow::default() };
        let entry =
            |id: &str, to_s| Question::Entry { trace_id: id.into(), window: Window { from_s: 0, to_s } };
        assert!(matches(&entry("a, b", 5), &row));
        assert!(matches(&entry("c", 5), &row));
        assert!(!matches(&entry("b", 5), &row));
        assert!(!matches(&entry("c", 4), &row));
        assert!(!matches(&entry("", 5), &StoredRow { time: 5, ..StoredRow::default() }));
    }

    #[test]
    fn each_kind_of_key_matches_its_columns_only() {
        let window = Window { from_s: 5, to_s: 5 };
        let row = |row: StoredRow| StoredRow { time: 5, ..row };
        let default = StoredRow::default;
        let cases: [(AssociationKeys, StoredRow, StoredRow); 8] = [
            (
                AssociationKeys { req_tcp_seqs: vec![9], ..AssociationKeys::default() },
                StoredRow { req_tcp_seq: 9, ..default() },
                StoredRow { resp_tcp_seq: 9, ..default() },
            ),
            (
                AssociationKeys { resp_tcp_seqs: vec![9], ..AssociationKeys::default() },
                StoredRow { resp_tcp_seq: 9, ..default() },
                StoredRow { req_tcp_seq: 9, ..default() },
            ),
            (
                AssociationKeys { syscall_trace_ids: vec![9], ..AssociationKeys::default() },
                StoredRow { syscall_trace_id_request: 9, ..default() },
                StoredRow { flow_id: 9, ..default() },
            ),
            (
                AssociationKeys { syscall_trace_ids: vec![9], ..AssociationKeys::default() },
                StoredRow { syscall_trace_id_response: 9, ..default() },
                StoredRow { syscall_trace_id_response: 8, ..default() },
            ),
            (
                AssociationKeys { x_request_ids: vec!["x".into()], ..AssociationKeys::default() },
                StoredRow { x_request_id_0: "x".into(), ..default() },
                StoredRow { trace_id: "x".into(), ..default() },
            ),
            (
                AssociationKeys { x_request_ids: vec!["x".into()], ..AssociationKeys::default() },
                StoredRow { x_request_id_1: "x".into(), ..default() },
                StoredRow { x_request_id_1: "y".into(), ..default() },
            ),
            (
                AssociationKeys { dns_request_ids: vec![9], ..AssociationKeys::default() },
                StoredRow { l7_protocol: 120, request_id: Some(9), ..default() },
                StoredRow { l7_protocol: 20, request_id: Some(9), ..default() },
            ),
            (
                AssociationKeys { response_flow_ids: vec![9], ..AssociationKeys::default() },
                StoredRow { r#type: 1, flow_id: 9, ..default() },
                StoredRow { r#type: 2, flow_id: 9, ..default() },
            ),
        ];
        for (keys, matching, other) in cases {
            let question = Question::ByAssociation { keys, window };
            assert!(matches(&question, &row(matching.clone())), "{question:?}");
            assert!(!matches(&question, &StoredRow { time: 6, ..matching }), "{question:?}");
            assert!(!matches(&question, &row(other)), "{question:?}");
        }
    }

    #[test]
    fn a_page_holds_each_id_once_and_says_that_there_are_more() {
        let row = |id| StoredRow { _id: id, time: 5, trace_id: "t".into(), ..StoredRow::default() };
        let rows = [row(1), row(1), row(2), row(3)];
        let window = Window { from_s: 5, to_s: 5 };
        let ids = |question: &Question, limit| {
            let page = page(&rows, question, limit, &mut Texts::new());
            (page.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), page.truncated)
        };
        let all = Question::ByTraceId { trace_ids: vec!["t".into()], window };
        assert_eq!(ids(&all, 3), (vec![1, 2, 3], false));
        assert_eq!(ids(&all, 2), (vec![1, 2], true));
        assert_eq!(ids(&Question::Entry { trace_id: "t".into(), window }, 3), (vec![1], false));
    }
}
