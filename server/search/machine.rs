//! The state machine of a search: which question is open, and what its answer leads to.

use rustc_hash::FxHashSet;

use super::{
    found::Found,
    keys::NewKeys,
    question::{AssociationKeys, Question, Window},
    report::{Cost, Round},
    window,
};
use crate::{
    config::{Compatibility, Tracing, TracingSource},
    flow::{CompletionRequest, KeyRow, RowId, Text, Texts, TraceIds},
    relation::Tolerance,
};

/// A search in progress.
pub struct Search {
    options: Options,
    phase: Phase,
    iteration: u32,
    entry: Option<String>,
    /// Window of Q0 and, widened, of Q2.
    window: Window,
    /// Window of Q3 (R-SEARCH-8).
    association_window: Window,
    found: Found,
    allowed: FxHashSet<Text>,
    visited: FxHashSet<Text>,
    pending: Vec<Text>,
    keys: NewKeys,
    rounds: Vec<Round>,
    /// The search ended because it had found `max_rows`.
    full: bool,
}

/// What a search needs of the request and the configuration.
struct Options {
    max_iteration: u32,
    max_rows: usize,
    tolerance: Tolerance,
    /// Compatibility mode: one entry row decides what is looked for.
    original: bool,
    /// For how many seconds after the window late rows are looked for (D-13); 0 once that was done.
    late_margin_s: i64,
    multiple_trace_ids: bool,
    by_trace_id: bool,
    follow_dns: bool,
    expand_s: i64,
    request_trace_ids: Vec<String>,
}

/// Which question is open.
enum Phase {
    Entry,
    ByTraceId,
    ByAssociation(AssociationKeys),
    /// Asked once nothing more is found: rows with the same keys that end later (D-13).
    Late(AssociationKeys),
    Done,
}

/// What a search found.
#[derive(Debug)]
pub struct SearchResult {
    /// The rows, ascending.
    pub ids: Vec<RowId>,
    /// What each question brought, in the order asked.
    pub rounds: Vec<Round>,
    /// The search ended because it had found `max_rows` rows.
    pub full: bool,
}

impl Search {
    /// A search that has asked nothing yet.
    pub fn new(request: &CompletionRequest, tracing: &Tracing, texts: &mut Texts) -> Self {
        let mut search = Self::unasked(request, tracing);
        // D-10: all trace ids of the request at once. The original follows the first id's first row only.
        if !search.options.original && search.options.by_trace_id && search.entry.is_some() {
            for id in std::mem::take(&mut search.options.request_trace_ids) {
                let id = texts.intern(&id);
                search.admit(id);
            }
            search.phase = Phase::Done;
            search.begin_iteration(texts);
        }
        search
    }

    fn unasked(request: &CompletionRequest, tracing: &Tracing) -> Self {
        let entry = request.app_spans.iter().map(|span| &span.trace_id).find(|id| !id.is_empty()).cloned();
        let window = window::of_request(request);
        let mut request_trace_ids: Vec<String> = request
            .app_spans
            .iter()
            .map(|span| &span.trace_id)
            .filter(|id| !id.is_empty())
            .cloned()
            .collect();
        request_trace_ids.sort_unstable();
        request_trace_ids.dedup();
        let original = tracing.compatibility == Compatibility::Original;
        Search {
            options: Options {
                max_iteration: request.max_iteration,
                max_rows: tracing.max_rows as usize,
                tolerance: Tolerance {
                    network_delay_us: request.network_delay_us,
                    host_clock_offset_us: request.host_clock_offset_us,
                },
                original,
                late_margin_s: if original { 0 } else { i64::from(tracing.late_span_margin_s) },
                multiple_trace_ids: tracing.allow_multiple_trace_ids_in_tracing_result,
                by_trace_id: tracing.follows(TracingSource::TraceId),
                follow_dns: tracing.follows(TracingSource::Dns),
                expand_s: i64::from(tracing.iteration_expand_time_range),
                request_trace_ids,
            },
            phase: if entry.is_some() { Phase::Entry } else { Phase::Done },
            iteration: 0,
            entry,
            window,
            association_window: window,
            found: Found::default(),
            allowed: FxHashSet::default(),
            visited: FxHashSet::default(),
            pending: Vec::new(),
            keys: NewKeys::new(tracing),
            rounds: Vec::new(),
            full: false,
        }
    }

    /// The open question; `None` when the search is over. The same until it is answered.
    pub fn next(&self, texts: &Texts) -> Option<Question> {
        match &self.phase {
            Phase::Entry => {
                self.entry.clone().map(|trace_id| Question::Entry { trace_id, window: self.window })
            }
            Phase::ByTraceId => {
                let mut trace_ids: Vec<String> =
                    self.pending.iter().map(|&id| texts.get(id).to_owned()).collect();
                trace_ids.sort_unstable();
                let window = Window {
                    from_s: self.window.from_s.saturating_sub(self.options.expand_s),
                    to_s: self.window.to_s.saturating_add(self.options.expand_s),
                };
                Some(Question::ByTraceId { trace_ids, window })
            }
            Phase::ByAssociation(keys) => {
                Some(Question::ByAssociation { keys: keys.clone(), window: self.association_window })
            }
            Phase::Late(keys) => {
                let to_s = self.association_window.to_s;
                let window = Window { from_s: to_s + 1, to_s: to_s + self.options.late_margin_s };
                Some(Question::ByAssociation { keys: keys.clone(), window })
            }
            Phase::Done => None,
        }
    }

    /// Takes the rows that answer the open question.
    pub fn answer(&mut self, rows: Vec<KeyRow>, cost: Cost, texts: &mut Texts) {
        let mut round = Round::new(self.iteration, rows.len(), cost);
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Entry => {
                round.question = "entry";
                round.keys = 1;
                self.take_entry(rows, &mut round, texts);
            }
            Phase::ByTraceId => {
                round.question = "trace_id";
                round.keys = self.pending.len();
                self.take_by_trace_id(rows, &mut round, texts);
            }
            Phase::ByAssociation(keys) => {
                round.question = "association";
                round.keys = keys.len();
                self.take_by_association(rows, &mut round, texts);
            }
            Phase::Late(keys) => {
                round.question = "late";
                round.keys = keys.len();
                let margin_s = std::mem::take(&mut self.options.late_margin_s);
                self.take_by_association(rows, &mut round, texts);
                if round.kept > 0 {
                    self.association_window.to_s = self.association_window.to_s.saturating_add(margin_s);
                }
            }
            Phase::Done => {}
        }
        if matches!(self.phase, Phase::Done) && self.options.late_margin_s > 0 && self.found.len() > 0 {
            let keys = self.keys.asked(texts);
            if !keys.is_empty() {
                self.phase = Phase::Late(keys);
            }
        }
        self.rounds.push(round);
        if self.found.len() >= self.options.max_rows && !matches!(self.phase, Phase::Done) {
            self.full = true;
            self.phase = Phase::Done;
        }
    }

    /// Ends the search; what was found stays.
    pub fn abandon(&mut self) {
        self.phase = Phase::Done;
    }

    /// Iteration of the open question, from 1; 0 is the lookup of the entry row.
    pub fn iteration(&self) -> u32 {
        self.iteration
    }

    /// Number of rows found so far.
    pub fn found_rows(&self) -> usize {
        self.found.len()
    }

    /// What was found.
    pub fn finish(self) -> SearchResult {
        SearchResult { ids: self.found.into_ids(), rounds: self.rounds, full: self.full }
    }

    /// R-SEARCH-1, R-SEARCH-2, R-SEARCH-5: the row of R-ENTRY-2 begins the search.
    fn take_entry(&mut self, rows: Vec<KeyRow>, round: &mut Round, texts: &mut Texts) {
        let Some(row) = rows.into_iter().next() else { return };
        round.kept = 1;
        let trace_ids = TraceIds::parse(row.trace_id, texts);
        for id in trace_ids.iter() {
            self.admit(id);
        }
        if self.options.multiple_trace_ids {
            for id in std::mem::take(&mut self.options.request_trace_ids) {
                let id = texts.intern(&id);
                self.admit(id);
            }
        }
        self.keys.add(&row);
        self.found.add(row, trace_ids, texts);
        self.begin_iteration(texts);
    }

    /// R-SEARCH-7, R-SEARCH-8: step A.
    fn take_by_trace_id(&mut self, rows: Vec<KeyRow>, round: &mut Round, texts: &mut Texts) {
        self.visited.extend(self.pending.drain(..));
        let mut span: Option<(i64, i64)> = None;
        for row in rows {
            if self.found.knows(row.id) {
                round.known += 1;
                continue;
            }
            let trace_ids = TraceIds::parse(row.trace_id, texts);
            let keep = match trace_ids.len() {
                0 => false,
                1 => trace_ids.iter().all(|id| self.allowed.contains(&id)),
                _ => {
                    for id in trace_ids.iter().filter(|id| !self.visited.contains(id)).collect::<Vec<_>>() {
                        self.admit(id);
                    }
                    true
                }
            };
            if !keep {
                round.foreign_trace += 1;
                continue;
            }
            round.kept += 1;
            self.keys.add(&row);
            let (start, end) = span.unwrap_or((row.start_us, row.end_us));
            span = Some((start.min(row.start_us), end.max(row.end_us)));
            self.found.add(row, trace_ids, texts);
        }
        if let Some((start_us, end_us)) = span.filter(|_| self.options.expand_s > 0) {
            let window = &mut self.association_window;
            window.from_s = window.from_s.min(start_us.div_euclid(window::SECOND_US));
            window.to_s = window.to_s.max(end_us.div_euclid(window::SECOND_US));
        }
        self.ask_new_keys(texts);
    }

    /// R-SEARCH-10 (second half), R-SEARCH-11, R-SEARCH-12, R-SEARCH-13, R-SEARCH-14: the rest of step B, and
    /// step C.
    fn take_by_association(&mut self, rows: Vec<KeyRow>, round: &mut Round, texts: &mut Texts) {
        if rows.is_empty() {
            return;
        }
        let mut candidates = Vec::with_capacity(rows.len());
        for row in rows {
            if self.found.knows(row.id) {
                round.known += 1;
                continue;
            }
            let trace_ids = TraceIds::parse(row.trace_id, texts);
            let mut passes = true;
            for id in trace_ids.iter() {
                if self.allowed.contains(&id) {
                    continue;
                }
                if self.allowed.is_empty() || self.options.multiple_trace_ids {
                    self.admit(id);
                } else {
                    passes = false;
                }
            }
            if passes {
                candidates.push((row, trace_ids));
            } else {
                round.foreign_trace += 1;
            }
        }
        let judged = candidates.len();
        let Options { tolerance, follow_dns, original, .. } = self.options;
        let kept = self.found.add_related(candidates, tolerance, follow_dns, !original, texts);
        round.kept = kept.len();
        round.unrelated = judged - kept.len();
        if !kept.is_empty() {
            self.keys.replace(&kept);
            self.begin_iteration(texts);
        } else if !self.pending.is_empty() {
            self.begin_iteration(texts);
        }
    }

    /// R-SEARCH-6: the next iteration, if there is one left.
    fn begin_iteration(&mut self, texts: &Texts) {
        if self.iteration >= self.options.max_iteration {
            return;
        }
        self.iteration += 1;
        if self.options.by_trace_id && !self.pending.is_empty() {
            self.phase = Phase::ByTraceId;
        } else {
            self.ask_new_keys(texts);
        }
    }

    /// R-SEARCH-9, and R-SEARCH-10 (first half).
    fn ask_new_keys(&mut self, texts: &Texts) {
        let keys = self.keys.take(texts);
        if !keys.is_empty() {
            self.phase = Phase::ByAssociation(keys);
        } else if !self.pending.is_empty() {
            self.begin_iteration(texts);
        }
    }

    /// Allows a trace id, and asks for it in the next iteration.
    fn admit(&mut self, id: Text) {
        self.allowed.insert(id);
        if !self.visited.contains(&id) && !self.pending.contains(&id) {
            self.pending.push(id);
        }
    }
}
