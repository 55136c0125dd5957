//! Notes what a store gives, for one completion.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use super::{
    case::{Case, CaseAnswer, CaseFetched, RowName},
    row::CaseRow,
};
use crate::{
    completion::Completion,
    config::Tracing,
    flow::{CompletionRequest, FlowRow, KeyRow, RowId, Texts},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

/// A store that notes what another store gives. For one completion only: the strings of the notes are in the
/// completion's `Texts`.
pub struct RecordingStore<S> {
    inner: S,
    notes: Mutex<Notes>,
}

/// What a store gave.
#[derive(Default)]
struct Notes {
    answers: Vec<(Question, Result<Page<KeyRow>, StoreError>)>,
    fetched: Page<FlowRow>,
}

impl<S: FlowStore> RecordingStore<S> {
    /// A store that has noted nothing yet.
    pub fn new(inner: S) -> Self {
        RecordingStore { inner, notes: Mutex::default() }
    }

    /// The case of the completion that this store has served, without an answer.
    pub fn into_case(
        self,
        completion: &Completion,
        request: &CompletionRequest,
        tracing: &Tracing,
        region: &str,
    ) -> Case {
        let Notes { answers, fetched } = self.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Rows { texts: completion.texts.clone(), known: HashMap::new(), rows: Vec::new() };
        let fetched = CaseFetched {
            rows: fetched.rows.iter().map(|row| rows.flow(row)).collect(),
            read_rows: fetched.read_rows,
        };
        let answers = answers
            .iter()
            .map(|(question, answer)| {
                let question = question.into();
                match answer {
                    Ok(page) => CaseAnswer {
                        question,
                        rows: page.rows.iter().map(|row| rows.key(row)).collect(),
                        truncated: page.truncated,
                        read_rows: page.read_rows,
                        error: None,
                    },
                    Err(error) => CaseAnswer {
                        question,
                        rows: Vec::new(),
                        truncated: false,
                        read_rows: 0,
                        error: Some(error.clone().into()),
                    },
                }
            })
            .collect();
        let mut rows = rows.rows;
        rows.sort_by_key(|row| (row.stored._id, row.variant));
        Case {
            redacted: false,
            region: region.to_owned(),
            tracing: tracing.clone(),
            request: request.clone(),
            answer: Value::Null,
            answers,
            fetched,
            rows,
        }
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: FlowStore> FlowStore for RecordingStore<S> {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let answer = self.inner.search(context, question, texts).await;
        self.note(|notes| notes.answers.push((question.clone(), answer.clone())));
        answer
    }

    async fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let page = self.inner.fetch(context, ids, texts).await?;
        self.note(|notes| notes.fetched = page.clone());
        Ok(page)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// The rows of a case, each once.
struct Rows {
    texts: Texts,
    /// The different rows of each id, by variant.
    known: HashMap<RowId, Vec<Known>>,
    rows: Vec<CaseRow>,
}

struct Known {
    key: KeyRow,
    whole: Option<FlowRow>,
}

impl Rows {
    fn flow(&mut self, row: &FlowRow) -> RowName {
        let known = self.known.entry(row.key.id).or_default();
        match known.iter().position(|known| known.whole.as_ref() == Some(row)) {
            Some(variant) => name(row.key.id, variant),
            None => {
                known.push(Known { key: row.key, whole: Some(row.clone()) });
                let case = CaseRow::of_flow(row, &mut self.texts);
                self.add(row.key.id, case)
            }
        }
    }

    fn key(&mut self, row: &KeyRow) -> RowName {
        let known = self.known.entry(row.id).or_default();
        match known.iter().position(|known| known.key == *row) {
            Some(variant) => name(row.id, variant),
            None => {
                known.push(Known { key: *row, whole: None });
                let case = CaseRow::of_key(row, &self.texts);
                self.add(row.id, case)
            }
        }
    }

    /// Adds the row of the last known variant.
    fn add(&mut self, id: RowId, row: CaseRow) -> RowName {
        let name = name(id, self.known.get(&id).map_or(0, |known| known.len().saturating_sub(1)));
        self.rows.push(CaseRow { variant: name.variant, ..row });
        name
    }
}

fn name(id: RowId, variant: usize) -> RowName {
    RowName { id: id.0, variant: u32::try_from(variant).unwrap_or(u32::MAX) }
}
