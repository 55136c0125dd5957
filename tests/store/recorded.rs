//! The store in memory and the store on ClickHouse give the same pages for the questions that a search could
//! ask about recorded traces.

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;
use trace_completion::{
    flow::{RowId, Texts},
    flow_log::StoredRow,
    search::{AssociationKeys, Question, Window},
    store::FlowStore,
};

use crate::fixture::{Fixture, context};

#[derive(Deserialize)]
struct Case {
    rows: Vec<StoredRow>,
}

fn cases() -> Vec<(String, Vec<StoredRow>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store");
    let mut cases: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let case: Case = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), case.rows)
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(cases.len() >= 5);
    cases
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>, none: &T) -> Vec<T> {
    let set: BTreeSet<T> = values.filter(|value| value != none).collect();
    set.into_iter().collect()
}

fn questions(rows: &[StoredRow]) -> Vec<Question> {
    let from_s = rows.iter().map(|row| i64::from(row.time)).min().unwrap();
    let to_s = rows.iter().map(|row| i64::from(row.time)).max().unwrap();
    let mut questions = Vec::new();
    for window in [
        Window { from_s: from_s - 3, to_s: to_s + 3 },
        Window { from_s, to_s: from_s },
        Window { from_s: to_s + 1, to_s: to_s + 9 },
    ] {
        let trace_ids = distinct(
            rows.iter().flat_map(|row| [row.trace_id.clone(), row._trace_id_2.clone()]),
            &String::new(),
        );
        questions.extend(trace_ids.iter().map(|id| Question::Entry { trace_id: id.clone(), window }));
        questions
            .extend(trace_ids.iter().map(|id| Question::ByTraceId { trace_ids: vec![id.clone()], window }));
        questions.push(Question::ByTraceId { trace_ids, window });
        let all = AssociationKeys {
            req_tcp_seqs: distinct(rows.iter().map(|row| row.req_tcp_seq), &0),
            resp_tcp_seqs: distinct(rows.iter().map(|row| row.resp_tcp_seq), &0),
            syscall_trace_ids: distinct(
                rows.iter().flat_map(|row| [row.syscall_trace_id_request, row.syscall_trace_id_response]),
                &0,
            ),
            x_request_ids: distinct(
                rows.iter().flat_map(|row| [row.x_request_id_0.clone(), row.x_request_id_1.clone()]),
                &String::new(),
            ),
            dns_request_ids: distinct(rows.iter().filter_map(|row| row.request_id), &0),
            response_flow_ids: distinct(rows.iter().map(|row| row.flow_id), &0),
        };
        let none = AssociationKeys::default;
        let parts = [
            AssociationKeys { req_tcp_seqs: all.req_tcp_seqs.clone(), ..none() },
            AssociationKeys { resp_tcp_seqs: all.resp_tcp_seqs.clone(), ..none() },
            AssociationKeys { syscall_trace_ids: all.syscall_trace_ids.clone(), ..none() },
            AssociationKeys { x_request_ids: all.x_request_ids.clone(), ..none() },
            AssociationKeys { dns_request_ids: all.dns_request_ids.clone(), ..none() },
            AssociationKeys { response_flow_ids: all.response_flow_ids.clone(), ..none() },
            all,
        ];
        let asked = parts.into_iter().filter(|keys| !keys.is_empty());
        questions.extend(asked.map(|keys| Question::ByAssociation { keys, window }));
    }
    questions
}

#[tokio::test]
async fn both_stores_answer_alike() {
    for (name, mut rows) in cases() {
        rows.iter_mut().for_each(StoredRow::resolve_bare_addresses);
        let questions = questions(&rows);
        let (fixture, memory) = Fixture::with_rows(&rows).await;
        let cut = fixture.store_with(|settings| settings.keys_per_query = 10);
        let mut texts = Texts::new();
        let mut found = 0;
        for question in &questions {
            for limit in [4, 1000] {
                let want = memory.search(&context(limit), question, &mut texts).await.unwrap();
                let stores = [Some(&fixture.store), (limit == 4).then_some(&cut)];
                for store in stores.into_iter().flatten() {
                    let page = store.search(&context(limit), question, &mut texts).await.unwrap();
                    assert_eq!(page.rows, want.rows, "{name}: {question:?}, limit {limit}");
                    assert_eq!(page.truncated, want.truncated, "{name}: {question:?}, limit {limit}");
                }
                found += want.rows.len();
            }
        }
        assert!(found > rows.len(), "{name}: the questions find nothing");

        let mut ids: Vec<RowId> = rows.iter().map(|row| RowId(row._id)).collect();
        ids.push(RowId(1));
        let want = memory.fetch(&context(1), &ids, &mut texts).await.unwrap();
        assert_eq!(want.rows.len(), rows.len());
        for store in [&fixture.store, &cut] {
            let page = store.fetch(&context(1), &ids, &mut texts).await.unwrap();
            assert_eq!(page.rows, want.rows, "{name}");
        }
    }
}

/// Recorded rows give addresses without a resource ids of their own; the writer keeps them readable.
#[tokio::test]
async fn a_bare_address_is_read_under_its_recorded_id() {
    let (_, rows) = cases().into_iter().find(|(name, _)| name == "e-nat-path-1").unwrap();
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let ids: Vec<RowId> = rows.iter().map(|row| RowId(row._id)).collect();
    let mut texts = Texts::new();
    let page = fixture.store.fetch(&context(1), &ids, &mut texts).await.unwrap();
    let mut bare = 0;
    for row in &page.rows {
        let recorded = rows.iter().find(|recorded| recorded._id == row.key.id.0).unwrap();
        if recorded.auto_service_type_0 == 255 {
            bare += 1;
            let side = &row.sides[0];
            assert_eq!(side.auto_service_id, recorded.auto_service_id_0);
            assert_eq!(texts.get(side.auto_service), recorded.auto_service_0);
            assert_eq!(texts.get(side.subnet), recorded.subnet_0);
        }
    }
    assert!(bare > 0);
}
