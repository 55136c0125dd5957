//! Says for people why an answer looks as it does: the rule that gave each span its parent, what each question of the
//! search found, which trees were left out, and which clocks were corrected.

use std::{collections::HashMap, fmt::Write};

use super::tree::{self, Kind, Place, Style, cells, cut, pad, printable};
use crate::contract::proto::{
    ClockReason, CompleteTraceResponse, Explanation, PrunedTree, SearchRound, Span, SpanReason,
};

/// Least cells of a reason, however deep its span stands.
const MIN_REASON: usize = 24;
/// Most cells of an observation point.
const MAX_POINT: usize = 8;
/// Most characters of a span id in a sentence.
const MAX_ID: usize = 40;

/// Explains the answer, as far as it carries an explanation. Every line ends with a line feed.
pub fn explain(answer: &CompleteTraceResponse, style: Style) -> String {
    let Some(data) = &answer.data else { return String::new() };
    let Some(explanation) = &data.explanation else {
        return "\nthe answer carries no explanation\n".to_owned();
    };
    let mut out = Out { text: String::new(), style };
    out.spans(&data.tracing, explanation);
    out.search(&explanation.search);
    let origin = data.tracing.first().map_or(0, |span| span.start_time_us);
    out.pruned(&explanation.pruned, origin);
    out.clocks(&explanation.clocks);
    out.text
}

struct Out {
    text: String,
    style: Style,
}

impl Out {
    fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        writeln!(self.text, "{}", text.trim_end()).ok();
    }

    fn head(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    fn spans(&mut self, spans: &[Span], explanation: &Explanation) {
        if spans.is_empty() {
            return;
        }
        self.head("why each span is where it is");
        let reasons: HashMap<&str, &SpanReason> =
            explanation.spans.iter().map(|reason| (reason.deepflow_span_id.as_str(), reason)).collect();
        let places = tree::walk(spans);
        let deepest = places.iter().map(|place| place.rails.len()).max().unwrap_or(0);
        // The lines of the tree may take all the room but the least that a reason needs.
        let width = self.style.width.max(2 * MIN_REASON);
        let lines = width - MIN_REASON;
        for (i, place) in places.iter().enumerate() {
            let span = &spans[place.span];
            let branch = tree::branch(place, deepest, lines);
            let point = cut(&printable(&span.tap_side), MAX_POINT);
            let room = width.saturating_sub(cells(&branch) + 2 + 2 + MAX_POINT);
            let name = tree::fit(&tree::name(span), room);
            let letter = Kind::of(span).letter(self.style);
            self.line(&format!("{branch}{letter} {name}  {point}"));

            let below = rails_below(place, places.get(i + 1), cells(&branch));
            let reason = reasons.get(span.deepflow_span_id.as_str());
            for sentence in reason.map_or_else(Vec::new, |reason| sentences(reason)) {
                for (n, words) in wrap(&sentence, width.saturating_sub(cells(&below) + 2)).iter().enumerate()
                {
                    let indent = if n == 0 { "" } else { "  " };
                    let text = self.dim(words);
                    self.line(&format!("{below}{indent}{text}"));
                }
            }
        }
    }

    fn dim(&self, text: &str) -> String {
        if self.style.colour { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn search(&mut self, rounds: &[SearchRound]) {
        if rounds.is_empty() {
            return;
        }
        self.head("what the search asked the flow log");
        let heads = [
            "iteration",
            "question",
            "keys",
            "rows",
            "kept",
            "known",
            "foreign",
            "unrelated",
            "read_rows",
            "elapsed",
        ];
        let mut table = vec![heads.map(str::to_owned)];
        table.extend(rounds.iter().map(cells_of));
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| table.iter().map(|row| cells(&row[column])).max().unwrap_or(0))
            .collect();
        let needed = |gap: usize| widths.iter().sum::<usize>() + gap * (widths.len() - 1);
        // Where they do not fit at all, the last numbers go on a second line.
        let (gap, breaks) = match self.style.width {
            width if needed(2) <= width => ("  ", heads.len()),
            width if needed(1) <= width => (" ", heads.len()),
            _ => ("  ", 7),
        };
        for row in &table {
            let mut line = String::new();
            for (column, text) in row.iter().enumerate() {
                if column == breaks {
                    self.line(&line);
                    line = " ".repeat(widths[0]);
                }
                let width = widths[column];
                let text = match column {
                    1 => pad(text, width),
                    _ => " ".repeat(width.saturating_sub(cells(text))) + text,
                };
                if column > 0 {
                    line.push_str(gap);
                }
                line.push_str(&text);
            }
            self.line(&line);
        }
        if rounds.iter().any(|round| round.truncated) {
            self.sentence("+ the flow log had more rows than a question may return (l7_tracing_limit)");
        }
    }

    fn pruned(&mut self, trees: &[PrunedTree], origin: i64) {
        if trees.is_empty() {
            return;
        }
        self.head("trees left out");
        for tree in trees {
            let noun = if tree.spans == 1 { "span" } else { "spans" };
            let at = |us: i64| offset(us.saturating_sub(origin));
            self.sentence(&format!(
                "root row {}: {} {noun}, from {} to {}: {}",
                tree.root_row_id,
                tree.spans,
                at(tree.start_time_us),
                at(tree.end_time_us),
                tree.reason
            ));
        }
    }

    fn clocks(&mut self, clocks: &[ClockReason]) {
        if clocks.is_empty() {
            return;
        }
        self.head("clocks corrected");
        for clock in clocks {
            let why = match (clock.parent_deepflow_span_id.as_str(), clock.child_deepflow_span_id.as_str()) {
                ("", "") => "by spans that are not in the answer".to_owned(),
                (parent, child) => format!("so that {} holds its child {}", short(parent), short(child)),
            };
            self.sentence(&format!("agent {} {:+}µs, {why}", clock.agent, clock.correction_us));
        }
    }

    fn sentence(&mut self, text: &str) {
        for (n, words) in wrap(text, self.style.width.max(MIN_REASON) - 2).iter().enumerate() {
            let indent = if n == 0 { "" } else { "  " };
            self.line(&format!("{indent}{words}"));
        }
    }
}

/// The lines of the tree that go on below a span, to its children and past it.
fn rails_below(place: &Place, next: Option<&Place>, branch: usize) -> String {
    let mut rails: String = place.rails.iter().map(|&more| if more { "│ " } else { "  " }).collect();
    if cells(&rails) != branch {
        // Some levels are left out of the branch: so are all of them here.
        rails = " ".repeat(branch);
    }
    let has_child = next.is_some_and(|next| next.rails.len() > place.rails.len());
    rails + if has_child { "│ " } else { "  " }
}

/// Why a span has its parent, or which ones were refused.
fn sentences(reason: &SpanReason) -> Vec<String> {
    if !reason.rule.is_empty() {
        let matched = reason.matched.join(", ");
        let colon = if matched.is_empty() { "" } else { ": " };
        return vec![printable(&format!("{}, {}{colon}{matched}", reason.rule, reason.confidence))];
    }
    if reason.refused.is_empty() {
        return vec!["root: nothing found is related to it".to_owned()];
    }
    reason
        .refused
        .iter()
        .enumerate()
        .map(|(n, refused)| {
            let begin = if n == 0 { "root: not below" } else { "not below" };
            let id = match refused.deepflow_span_id.as_str() {
                "" => "the parent it had".to_owned(),
                id => short(id),
            };
            printable(&format!("{begin} {id}: {}", refused.reason))
        })
        .collect()
}

fn short(id: &str) -> String {
    cut(&printable(id), MAX_ID)
}

/// A row of the table of questions.
fn cells_of(round: &SearchRound) -> [String; 10] {
    let more = if round.truncated { "+" } else { "" };
    [
        round.iteration.to_string(),
        printable(&round.question),
        round.keys.to_string(),
        format!("{}{more}", round.rows),
        round.kept.to_string(),
        round.known.to_string(),
        round.foreign_trace.to_string(),
        round.unrelated.to_string(),
        round.read_rows.to_string(),
        offset(round.elapsed_us).trim_start_matches('+').to_owned(),
    ]
}

/// Microseconds as milliseconds, with a sign.
fn offset(us: i64) -> String {
    let sign = if us < 0 { '-' } else { '+' };
    let us = us.unsigned_abs();
    format!("{sign}{}.{:03}ms", us / 1000, us % 1000)
}

/// Breaks a text between words into lines of at most so many cells. Longer words are cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let word = cut(word, width);
        if !line.is_empty() && cells(&line) + 1 + cells(&word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
