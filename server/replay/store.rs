//! Gives again what a store gave.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    case::{Case, CaseAnswer, CaseError, RowName},
    question::CaseQuestion,
};
use crate::{
    flow::{FlowRow, KeyRow, RowId, Texts},
    flow_log::matching,
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

/// The flow log of a case. It answers a recorded question as it was answered then. Any other question (the
/// search may have changed since) it answers from the rows that it has.
pub struct ReplayStore {
    case: Arc<Case>,
    index: FxHashMap<RowName, usize>,
    asked: Mutex<Asked>,
}

/// What has been asked so far.
#[derive(Default)]
struct Asked {
    questions: usize,
    /// Remarks on questions that were not recorded.
    remarks: Vec<String>,
}

impl ReplayStore {
    /// Over the rows of this case. Fails where an answer names a row that is not there.
    pub fn new(case: Arc<Case>) -> Result<Self, CaseError> {
        let index = case.index()?;
        Ok(ReplayStore { case, index, asked: Mutex::default() })
    }

    /// How the questions so far differ from the recorded ones, a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut remarks = asked.remarks.clone();
        let (recorded, now) = (self.case.answers.len(), asked.questions);
        if now != recorded {
            remarks.push(format!("the search asked {now} questions, {recorded} when it was recorded"));
        }
        remarks
    }

    /// The recorded answer to this question: that at the same place in the order, else the first one.
    fn recorded(&self, question: &CaseQuestion) -> Option<&CaseAnswer> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let at = asked.questions;
        asked.questions += 1;
        let answers = &self.case.answers;
        let same = |answer: &&CaseAnswer| answer.question == *question;
        let found = answers.get(at).filter(same).or_else(|| answers.iter().find(same));
        if found.is_none() {
            asked.remarks.push(format!(
                "question {} ({}) was not recorded; the rows of the case answer it",
                at + 1,
                question.name()
            ));
        }
        found
    }
}

impl FlowStore for ReplayStore {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let Some(answer) = self.recorded(&question.into()) else {
            // Rows are in the order of their ids, which begin with the second in which the row ends.
            return Ok(matching::page(&self.case.rows, question, context.limit_rows, texts));
        };
        if let Some(fault) = &answer.error {
            return Err(fault.clone().into());
        }
        let places = answer.rows.iter().filter_map(|name| self.index.get(name));
        let rows = places.map(|&at| self.case.rows[at].key_row(texts)).collect();
        Ok(Page { rows, truncated: answer.truncated, read_rows: answer.read_rows })
    }

    async fn fetch(
        &self,
        _: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let ids: FxHashSet<u64> = ids.iter().map(|id| id.0).collect();
        let fetched = &self.case.fetched;
        let places = fetched.rows.iter().filter(|name| ids.contains(&name.id));
        let places = places.filter_map(|name| self.index.get(name));
        let rows = places.map(|&at| self.case.rows[at].flow_row(texts)).collect();
        Ok(Page { rows, truncated: false, read_rows: fetched.read_rows })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
