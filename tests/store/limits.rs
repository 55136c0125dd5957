//! Every limit is reached here.

use std::time::Duration;

use tokio::time::Instant;
use trace_completion::{
    config::Compression,
    flow::{RowId, Texts},
    flow_log::StoredRow,
    search::{AssociationKeys, Question},
    store::{FlowStore, ReadContext, StoreError},
};

use crate::fixture::{Fixture, SECOND, WINDOW, by_trace_id, context, counters, entry, eventually, row};

fn rows(count: u64) -> Vec<StoredRow> {
    // written in an order that is not that of the ids
    let mut rows: Vec<_> =
        (1..=count).map(|counter| StoredRow { trace_id: "t".into(), ..row(counter) }).collect();
    rows.reverse();
    rows
}

#[tokio::test]
async fn a_page_is_the_first_rows_and_says_if_there_are_more() {
    let (fixture, _) = Fixture::with_rows(&rows(10)).await;
    for (limit, truncated) in [(1, true), (9, true), (10, false), (11, false), (u32::MAX, false)] {
        let page =
            fixture.store.search(&context(limit), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap();
        let want: Vec<u64> = (1..=u64::from(limit.min(10))).collect();
        assert_eq!((counters(&page.rows), page.truncated), (want, truncated), "limit {limit}");
    }
    let page = fixture.store.search(&context(100), &entry("t"), &mut Texts::new()).await.unwrap();
    assert_eq!((counters(&page.rows), page.truncated), (vec![1], false));
}

#[tokio::test]
async fn long_lists_of_ids_take_several_queries() {
    const COUNT: u64 = 12_000;
    let (fixture, _) = Fixture::with_rows(&rows(COUNT)).await;
    let ids: Vec<RowId> =
        (1..=COUNT).rev().map(|counter| RowId((u64::from(SECOND) << 32) | counter)).collect();
    let context = context(1);
    let page = fixture.store.fetch(&context, &ids, &mut Texts::new()).await.unwrap();
    assert_eq!(page.rows.len(), COUNT as usize, "the limit of a question does not bind a fetch");
    assert!(page.rows.is_sorted_by_key(|row| row.key.id));
    assert!(!page.truncated);
    fixture.sent(&context, "1", COUNT.div_ceil(5000) as usize).await;
}

#[tokio::test]
async fn long_lists_of_keys_take_several_queries() {
    let mut rows = rows(6);
    for (number, row) in rows.iter_mut().enumerate() {
        let number = number as u32 * 2000;
        (row.req_tcp_seq, row.trace_id) = (number + 1, format!("trace-{number:0>60}"));
        row.x_request_id_1.clone_from(&row.trace_id);
    }
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let keys = AssociationKeys { req_tcp_seqs: (1..=12_000).collect(), ..AssociationKeys::default() };
    let texts =
        |prefix: &str| (0..12_000).map(|number| format!("{prefix}-{number:0>60}")).collect::<Vec<_>>();
    let long = AssociationKeys { x_request_ids: texts("trace"), ..keys.clone() };
    for question in [
        Question::ByAssociation { keys, window: WINDOW },
        Question::ByAssociation { keys: long, window: WINDOW },
        Question::ByTraceId { trace_ids: texts("trace"), window: WINDOW },
    ] {
        let page = fixture.store.search(&context(100), &question, &mut Texts::new()).await.unwrap();
        assert_eq!((counters(&page.rows), page.truncated), (vec![1, 2, 3, 4, 5, 6], false));
        let page = fixture.store.search(&context(4), &question, &mut Texts::new()).await.unwrap();
        assert_eq!((counters(&page.rows), page.truncated), (vec![1, 2, 3, 4], true));
    }
}

#[tokio::test]
async fn one_very_long_key_is_no_problem() {
    let long = "x".repeat(300_000);
    let (fixture, _) = Fixture::with_rows(&[StoredRow { trace_id: long.clone(), ..row(1) }]).await;
    let page = fixture.store.search(&context(10), &by_trace_id([&long]), &mut Texts::new()).await.unwrap();
    assert_eq!(counters(&page.rows), [1]);
}

#[tokio::test]
async fn both_compressions_carry_the_same() {
    let (fixture, _) = Fixture::with_rows(&rows(3000)).await;
    let ids: Vec<RowId> = (1..=3000).map(|counter| RowId((u64::from(SECOND) << 32) | counter)).collect();
    let mut texts = Texts::new();
    let mut pages = Vec::new();
    for compression in [Compression::None, Compression::Lz4] {
        let store = fixture.store_with(|settings| settings.compression = compression);
        pages.push(store.fetch(&context(1), &ids, &mut texts).await.unwrap().rows);
    }
    assert_eq!(pages[0].len(), 3000);
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error() {
    let rows: Vec<StoredRow> =
        (1..=40).map(|counter| StoredRow { request_resource: "r".repeat(10_000), ..row(counter) }).collect();
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let store = fixture.store_with(|settings| settings.max_result_bytes = 65_536);
    let ids: Vec<RowId> = rows.iter().map(|row| RowId(row._id)).collect();
    let error = store.fetch(&context(1), &ids, &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Exhausted("size of the answer (code 396)".into()));
    let page = fixture.store.fetch(&context(1), &ids, &mut Texts::new()).await.unwrap();
    assert_eq!(page.rows.len(), 40);
}

/// A flow log that takes a multiple of `seconds` for its one row: the server evaluates the condition of the
/// view for indexes too.
async fn slow(seconds: f64) -> Fixture {
    let (fixture, _) = Fixture::with_rows(&rows(1)).await;
    fixture.run("DROP TABLE `$flow_log`.l7_flow_log").await;
    fixture
        .run(&format!(
            "CREATE VIEW `$flow_log`.l7_flow_log AS SELECT * FROM `$flow_log`.l7_flow_log_local \
             WHERE NOT ignore(sleepEachRow({seconds}))"
        ))
        .await;
    fixture
}

fn until(context: ReadContext, time: Duration) -> ReadContext {
    ReadContext { deadline: Some(Instant::now() + time), ..context }
}

#[tokio::test]
async fn a_deadline_ends_a_query_here_and_there() {
    let fixture = slow(3.0).await;
    fixture.store.ping().await.unwrap();
    let begin = Instant::now();
    let context = until(context(10), Duration::from_millis(400));
    let error = fixture.store.search(&context, &by_trace_id(["t"]), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    nothing_runs(&fixture, &context).await;
}

#[tokio::test]
async fn a_deadline_that_has_passed_asks_nothing() {
    let (fixture, _) = Fixture::with_rows(&rows(1)).await;
    let context = until(context(10), Duration::ZERO);
    for _ in 0..2 {
        let error = fixture.store.search(&context, &entry("t"), &mut Texts::new()).await.unwrap_err();
        assert_eq!(error, StoreError::Timeout);
    }
    let error = fixture.store.fetch(&context, &[RowId(row(1)._id)], &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout);
}

#[tokio::test]
async fn the_longest_run_of_a_query_is_configured() {
    let fixture = slow(0.15).await;
    let store = fixture.store_with(|settings| settings.max_execution_time_s = 1);
    let begin = Instant::now();
    let error = store.search(&context(10), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    let page = fixture.store.search(&context(10), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap();
    assert_eq!(page.rows.len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_query_along() {
    let fixture = slow(2.9).await;
    let context = context(10);
    let (question, mut texts) = (by_trace_id(["t"]), Texts::new());
    let search = fixture.store.search(&context, &question, &mut texts);
    let running = eventually("the query to run", || async { running(&fixture, &context).await == 1 });
    tokio::select! {
        result = search => panic!("the search is done: {result:?}"),
        () = running => {}
    }
    // the search has been dropped
    nothing_runs(&fixture, &context).await;
}

async fn running(fixture: &Fixture, context: &ReadContext) -> u64 {
    let sql = format!(
        "SELECT count() FROM system.processes WHERE query_id LIKE '{}-%' AND query LIKE '%FROM `$flow_log`%'",
        context.request_id
    );
    fixture.number(&sql).await
}

async fn nothing_runs(fixture: &Fixture, context: &ReadContext) {
    eventually("the query to end", || async { running(fixture, context).await == 0 }).await;
    fixture.run("SYSTEM FLUSH LOGS").await;
    let sql = format!(
        "SELECT count() FROM system.query_log WHERE query_id LIKE '{}-%' AND type = 'QueryFinish' \
         AND query LIKE '%FROM `$flow_log`%'",
        context.request_id
    );
    assert_eq!(fixture.number(&sql).await, 0, "the query has run to its end");
}
