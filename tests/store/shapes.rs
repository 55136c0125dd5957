//! The queries as the server sees them: their settings, and how much of the table they read.

use trace_completion::{
    flow::{RowId, Texts},
    flow_log::StoredRow,
    search::{AssociationKeys, Question, Window},
    store::FlowStore,
};

use crate::fixture::{Fixture, SECOND, WINDOW, by_trace_id, context, entry, row};

const HOURS: u32 = 20;

/// A row at the beginning of each of [`HOURS`] hours, hence a partition for each.
fn one_row_an_hour() -> Vec<StoredRow> {
    (0..HOURS)
        .map(|hour| {
            let second = SECOND + hour * 3600;
            StoredRow { _id: (u64::from(second) << 32) | 1, time: second, trace_id: "t".into(), ..row(1) }
        })
        .collect()
}

fn questions(window: Window) -> Vec<Question> {
    let none = AssociationKeys::default;
    let keys = [
        AssociationKeys { req_tcp_seqs: vec![1], ..none() },
        AssociationKeys { resp_tcp_seqs: vec![1], ..none() },
        AssociationKeys { syscall_trace_ids: vec![1], ..none() },
        AssociationKeys { x_request_ids: vec!["1".into()], ..none() },
        AssociationKeys { dns_request_ids: vec![1], ..none() },
        AssociationKeys { response_flow_ids: vec![1], ..none() },
        AssociationKeys {
            req_tcp_seqs: vec![1],
            resp_tcp_seqs: vec![1],
            syscall_trace_ids: vec![1],
            x_request_ids: vec!["1".into()],
            dns_request_ids: vec![1],
            response_flow_ids: vec![1],
        },
    ];
    let trace_ids = vec!["t".to_owned(), "u".to_owned()];
    let mut questions =
        vec![Question::Entry { trace_id: "t".into(), window }, Question::ByTraceId { trace_ids, window }];
    questions.extend(keys.map(|keys| Question::ByAssociation { keys, window }));
    questions
}

#[tokio::test]
async fn each_shape_reads_the_hours_of_its_window_only() {
    let (fixture, _) = Fixture::with_rows(&one_row_an_hour()).await;
    let context = context(10);
    let mut texts = Texts::new();
    let window = Window { from_s: i64::from(SECOND) - 3, to_s: i64::from(SECOND) + 3 };
    let questions = questions(window);
    for question in &questions {
        fixture.store.search(&context, question, &mut texts).await.unwrap();
    }
    let ids = [RowId(u64::from(SECOND) << 32), RowId((u64::from(SECOND) << 32) | 1)];
    fixture.store.fetch(&context, &ids, &mut texts).await.unwrap();

    for query in fixture.sent(&context, "query", questions.len() + 1).await {
        let plan = fixture.texts(&format!("EXPLAIN indexes = 1 {query}")).await;
        let parts: Vec<&str> = plan
            .iter()
            .filter_map(|line| line.trim().strip_prefix("Parts: "))
            .filter(|parts| parts.contains('/'))
            .collect();
        // a window may touch the hour beside its own
        let after_partition = parts.first().map(|part| part.split_once('/').unwrap());
        let (read, of) = after_partition.unwrap_or_else(|| panic!("no index is used: {plan:#?}"));
        assert_eq!(of, HOURS.to_string(), "{plan:#?}");
        assert!(read.parse::<u32>().unwrap() <= 2, "{plan:#?}");
        assert!(plan.iter().any(|line| line.contains("PrimaryKey")), "{plan:#?}");
    }
}

#[tokio::test]
async fn queries_carry_their_id_and_limits() {
    let (fixture, _) = Fixture::with_rows(&one_row_an_hour()).await;
    let mut context = context(10);
    context.deadline = Some(tokio::time::Instant::now() + std::time::Duration::from_secs(5));
    for question in questions(WINDOW) {
        fixture.store.search(&context, &question, &mut Texts::new()).await.unwrap();
    }
    let ids = fixture.sent(&context, "query_id", 9).await;
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 9);

    for setting in ["cancel_http_readonly_queries_on_client_close", "max_result_bytes", "max_execution_time"]
    {
        let values = fixture.sent(&context, &format!("Settings['{setting}']"), 9).await;
        assert!(values.iter().all(|value| !value.is_empty()), "{setting}: {values:?}");
    }
    for time in fixture.sent(&context, "Settings['max_execution_time']", 9).await {
        let seconds: f64 = time.parse().unwrap();
        assert!(seconds > 0.0 && seconds <= 5.0, "more than the deadline leaves: {time}");
    }
    for query in fixture.sent(&context, "query", 9).await {
        assert!(query.contains(" ORDER BY `time`, `_id`, ") && query.contains(" LIMIT 1"), "{query}");
    }
}

#[tokio::test]
async fn a_read_only_user_is_enough() {
    let (fixture, _) = Fixture::with_rows(&one_row_an_hour()).await;
    let store = fixture.store_with(|settings| crate::fixture::become_user(settings, "reader"));
    store.ping().await.unwrap();
    let mut texts = Texts::new();
    let page = store.search(&context(10), &entry("t"), &mut texts).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    let page = store.search(&context(10), &by_trace_id(["t"]), &mut texts).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    let page = store.fetch(&context(10), &[page.rows[0].id], &mut texts).await.unwrap();
    assert_eq!(texts.get(page.rows[0].l7_protocol_enum), "N/A");
}
