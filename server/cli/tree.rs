//! Draws an answer as a call tree for the terminal: a line for each span, the tree on the left, and the columns that
//! people look at first on the right.
//!
//! The points of one exchange follow each other with an arrow and no further indentation: a request that
//! crosses six of them is one step of the tree.

use std::{collections::HashMap, fmt::Write};

use crate::contract::proto::{CompleteTraceResponse, Span};

/// How to draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Cells of a line; lines are cut to fit, but the tree always gets 24 of them.
    pub width: usize,
    /// Colour the letters.
    pub colour: bool,
}

/// A remark about a span, for a column of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remark {
    /// The text.
    pub text: &'static str,
    /// Its colour as a terminal numbers it.
    pub colour: u8,
}

/// Least cells of the tree and the names in it.
const MIN_TREE: usize = 24;
/// Least cells of the tree that leave room for the column of services.
const TREE_BESIDE_SERVICES: usize = 48;
/// Most cells of a service, an observation point and a protocol.
const MAX_SERVICE: usize = 16;
const MAX_POINT: usize = 8;
const MAX_PROTOCOL: usize = 12;
/// Cells between columns.
const GAP: &str = "  ";

/// Where a span comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Application,
    System,
    Network,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Application, Kind::System, Kind::Network];

    pub(super) fn of(span: &Span) -> Kind {
        match span.signal_source {
            4 => Kind::Application,
            3 => Kind::System,
            _ => Kind::Network,
        }
    }

    /// Letter, name, and colour as a terminal numbers it.
    fn look(self) -> (char, &'static str, u8) {
        match self {
            Kind::Application => ('A', "application", 32),
            Kind::System => ('S', "system", 33),
            Kind::Network => ('N', "network", 36),
        }
    }

    pub(super) fn letter(self, style: Style) -> String {
        let (letter, _, colour) = self.look();
        if style.colour { format!("\x1b[1;{colour}m{letter}\x1b[0m") } else { letter.to_string() }
    }
}

/// Draws the tree, and a line about it. Every line ends with a line feed.
pub fn draw(answer: &CompleteTraceResponse, style: Style) -> String {
    draw_with(answer, style, "", &[])
}

/// [`draw`], with a remark about each span in a last column of this name.
pub fn draw_with(answer: &CompleteTraceResponse, style: Style, head: &str, remarks: &[Remark]) -> String {
    let spans = answer.data.as_ref().map(|data| data.tracing.as_slice()).unwrap_or_default();
    let places = walk(spans);
    let origin = places.first().map_or(0, |place| spans[place.span].render_start_time_us);
    let mut columns = columns(&places, spans, origin);
    if !remarks.is_empty() {
        let remark = |place: &Place| remarks.get(place.span).copied();
        let texts = places.iter().map(|place| remark(place).map_or("", |remark| remark.text).to_owned());
        let mut column = Column::new(head, Align::Left, texts.collect());
        column.colours = places.iter().map(|place| remark(place).map(|remark| remark.colour)).collect();
        columns.push(column);
    }
    let right = |columns: &[Column]| columns.iter().map(|column| column.width + GAP.len()).sum::<usize>();
    let service = columns.first().filter(|column| column.head == SERVICE);
    if let Some(service) = service
        && (service.is_empty() || right(&columns) + TREE_BESIDE_SERVICES > style.width)
    {
        columns.remove(0);
    }
    let tree = style.width.saturating_sub(right(&columns)).max(MIN_TREE);

    let mut out = String::new();
    if !spans.is_empty() {
        line(&mut out, &pad("span", tree), columns.iter().map(Column::head));
    }
    let deepest = places.iter().map(|place| place.rails.len()).max().unwrap_or(0);
    for (row, place) in places.iter().enumerate() {
        let span = &spans[place.span];
        let branch = branch(place, deepest, tree);
        let letter = Kind::of(span).letter(style);
        // The letter is one cell, whatever its colour takes, and a blank follows it.
        let name = fit(&name(span), tree.saturating_sub(cells(&branch) + 2));
        let cells = columns.iter().map(|column| column.cell(row, style));
        line(&mut out, &format!("{branch}{letter} {name}"), cells);
    }
    summary(&mut out, answer, spans, style);
    out
}

/// A line of the tree.
pub(super) struct Place {
    /// Index of the span.
    pub(super) span: usize,
    /// For each indentation that leads here: whether another branch follows at it.
    pub(super) rails: Vec<bool>,
    /// The span is the next point of its parent's exchange, and stands below it without an indentation.
    pub(super) next_point: bool,
}

/// The forest, depth first, in the order of the answer. Spans that no root leads to are roots too.
pub(super) fn walk(spans: &[Span]) -> Vec<Place> {
    let index: HashMap<&str, usize> =
        spans.iter().enumerate().map(|(i, span)| (span.deepflow_span_id.as_str(), i)).collect();
    let parent = |span: &Span| match span.deepflow_parent_span_id.as_str() {
        "" => None,
        id => index.get(id).copied(),
    };
    let mut children = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        match parent(span) {
            Some(parent) => children[parent].push(i),
            None => roots.push(i),
        }
    }
    let mut seen = vec![false; spans.len()];
    let mut places = Vec::with_capacity(spans.len());
    for root in roots.into_iter().chain(0..spans.len()) {
        let mut open = vec![Place { span: root, rails: Vec::new(), next_point: false }];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut seen[place.span], true) {
                continue;
            }
            let below = &children[place.span];
            for (n, &child) in below.iter().enumerate().rev() {
                let mut rails = place.rails.clone();
                let next_point =
                    below.len() == 1 && !rails.is_empty() && same_exchange(&spans[place.span], &spans[child]);
                if !next_point {
                    rails.push(n + 1 < below.len());
                }
                open.push(Place { span: child, rails, next_point });
            }
            places.push(place);
        }
    }
    places
}

/// Whether two captures are of one request and its response.
fn same_exchange(one: &Span, other: &Span) -> bool {
    let captured = [one, other].iter().all(|span| Kind::of(span) != Kind::Application);
    let key = |span: &Span| (span.req_tcp_seq, span.resp_tcp_seq, span.request_id.clone());
    let known = one.req_tcp_seq != 0 || one.resp_tcp_seq != 0 || !one.request_id.is_empty();
    captured && known && key(one) == key(other)
}

/// The lines that lead to a span. Where the tree is deeper than half of its width can show, the levels
/// above are left out, and a number says how many.
pub(super) fn branch(place: &Place, deepest: usize, width: usize) -> String {
    let shown = (width / 2) / 2;
    let mut text = String::new();
    let mut rails = place.rails.as_slice();
    if deepest > shown {
        let digits = deepest.to_string().len();
        let keep = shown.saturating_sub(1 + digits.div_ceil(2)).max(1);
        let hidden = rails.len().saturating_sub(keep);
        let marker = if hidden == 0 { String::new() } else { format!("⋯{hidden}") };
        text = if hidden == 0 { marker } else { pad(&marker, digits + 2) };
        rails = &rails[hidden..];
    }
    let Some((last, above)) = rails.split_last() else { return text };
    for &rail in above {
        text.push_str(if rail { "│ " } else { "  " });
    }
    text.push_str(match (place.next_point, *last) {
        (true, true) => "│↓",
        (true, false) => " ↓",
        (false, true) => "├─",
        (false, false) => "└─",
    });
    text
}

/// What a span is about.
pub(super) fn name(span: &Span) -> String {
    let text = match Kind::of(span) {
        Kind::Application => {
            [&span.name, &span.endpoint, &span.request_resource].into_iter().find(|t| !t.is_empty())
        }
        Kind::System | Kind::Network => {
            [&span.request_resource, &span.endpoint, &span.name].into_iter().find(|t| !t.is_empty())
        }
    };
    let text = text.map_or("", String::as_str);
    let kind = span.request_type.as_str();
    let text = match (kind, text) {
        ("", text) => text.to_owned(),
        (kind, "") => kind.to_owned(),
        // Statements often start with their verb.
        (kind, text) if text.starts_with(kind) => text.to_owned(),
        (kind, text) => format!("{kind} {text}"),
    };
    printable(&text)
}

/// Text of callers and captures, so that none of it can steer the terminal.
pub(super) fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// Which side of its column a text keeps to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Align {
    Left,
    Right,
}

/// A column to the right of the tree.
struct Column {
    head: String,
    align: Align,
    /// A text for each line.
    texts: Vec<String>,
    /// A colour for each line, or none at all.
    colours: Vec<Option<u8>>,
    width: usize,
}

impl Column {
    fn new(head: &str, align: Align, texts: Vec<String>) -> Column {
        let width = texts.iter().map(|text| cells(text)).chain([cells(head)]).max().unwrap_or(0);
        Column { head: head.to_owned(), align, texts, colours: Vec::new(), width }
    }

    fn is_empty(&self) -> bool {
        self.texts.iter().all(String::is_empty)
    }

    fn head(&self) -> String {
        self.aligned(&self.head)
    }

    fn cell(&self, row: usize, style: Style) -> String {
        let text = self.aligned(self.texts.get(row).map_or("", String::as_str));
        match self.colours.get(row) {
            Some(Some(colour)) if style.colour => format!("\x1b[{colour}m{text}\x1b[0m"),
            _ => text,
        }
    }

    fn aligned(&self, text: &str) -> String {
        match self.align {
            Align::Left => pad(text, self.width),
            Align::Right => " ".repeat(self.width.saturating_sub(cells(text))) + text,
        }
    }
}

const SERVICE: &str = "service";

/// Service, observation point, protocol, start and duration.
fn columns(places: &[Place], spans: &[Span], origin: i64) -> Vec<Column> {
    let column = |head: &str, align: Align, text: &dyn Fn(&Span) -> String| {
        Column::new(head, align, places.iter().map(|place| text(&spans[place.span])).collect())
    };
    let short = |text: &str, width: usize| cut(&printable(text), width);
    let first = |texts: [&String; 2]| texts.into_iter().find(|t| !t.is_empty()).cloned().unwrap_or_default();
    vec![
        column(SERVICE, Align::Left, &|span| {
            short(&first([&span.app_service, &span.auto_service]), MAX_SERVICE)
        }),
        column("point", Align::Left, &|span| short(&span.tap_side, MAX_POINT)),
        column("proto", Align::Left, &|span| {
            short(&first([&span.l7_protocol_str, &span.l7_protocol_enum]), MAX_PROTOCOL)
        }),
        column("start", Align::Right, &|span| {
            let start = span.render_start_time_us.saturating_sub(origin);
            let sign = if start < 0 { '-' } else { '+' };
            format!("{sign}{}", ms(start))
        }),
        column("duration", Align::Right, &|span| ms(span.duration)),
    ]
}

/// Microseconds as milliseconds, without a sign.
fn ms(us: i64) -> String {
    let us = us.unsigned_abs();
    format!("{}.{:03}ms", us / 1000, us % 1000)
}

/// One line: the tree, then the columns.
fn line(out: &mut String, tree: &str, columns: impl Iterator<Item = String>) {
    let columns: Vec<String> = columns.collect();
    // Writing to a string cannot fail.
    writeln!(out, "{}", format!("{tree}{GAP}{}", columns.join(GAP)).trim_end()).ok();
}

fn summary(out: &mut String, answer: &CompleteTraceResponse, spans: &[Span], style: Style) {
    let counts = Kind::ALL.map(|kind| {
        let count = spans.iter().filter(|span| Kind::of(span) == kind).count();
        format!("{count} {} {}", kind.letter(style), kind.look().1)
    });
    let noun = if spans.len() == 1 { "span" } else { "spans" };
    writeln!(out, "{} {noun}: {}", spans.len(), counts.join(", ")).ok();
    let corrections = answer.data.as_ref().map(|data| &data.host_clock_correction);
    if let Some(corrections) = corrections.filter(|corrections| !corrections.is_empty()) {
        let list: Vec<String> =
            corrections.iter().map(|(agent, us)| format!("agent {agent} {us:+}µs")).collect();
        writeln!(out, "clocks corrected: {}", list.join(", ")).ok();
    }
    if !answer.description.is_empty() {
        writeln!(out, "{}: {}", answer.opt_status, answer.description).ok();
    }
}

/// Fills a text up with blanks.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(cells(text))))
}

/// Fills a text up with blanks, or cuts it.
pub(super) fn fit(text: &str, width: usize) -> String {
    pad(&cut(text, width), width)
}

/// Cuts a text, and marks where.
pub(super) fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += cells_of(c);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// Cells that a text takes.
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

/// Cells that a character takes: none where it joins the one before, two where it is wide.
fn cells_of(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
