//! What a span of the answer adds to what the APM knew: the groups that the documentation of the original
//! service colours.

use std::collections::HashMap;

use crate::{contract::proto::Span, flow::SignalSource};

/// A group of spans.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Group {
    /// An application span: the caller gave it.
    Given,
    /// On the way between two given spans.
    Between,
    /// A call to a database, a cache, a queue or a name server.
    Infrastructure,
    /// A service without instrumentation, above or below the given spans, and the way to it.
    Neighbour,
}

impl Group {
    /// All groups, in the order of a legend.
    pub const ALL: [Group; 4] = [Group::Given, Group::Between, Group::Infrastructure, Group::Neighbour];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Given => "given",
            Group::Between => "between",
            Group::Infrastructure => "infrastructure",
            Group::Neighbour => "neighbour",
        }
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Group::Given => "spans that the APM sent",
            Group::Between => "the way between two of them, through processes, pods and nodes",
            Group::Infrastructure => "calls that carry no trace header: DNS, MySQL, Redis",
            Group::Neighbour => "services without instrumentation, and the way to them",
        }
    }
}

/// The group of each span of an answer.
pub fn groups(spans: &[Span]) -> Vec<Group> {
    let index: HashMap<&str, usize> =
        spans.iter().enumerate().map(|(i, span)| (span.deepflow_span_id.as_str(), i)).collect();
    let parents: Vec<Option<usize>> =
        spans.iter().map(|span| index.get(span.deepflow_parent_span_id.as_str()).copied()).collect();
    let mut above = vec![false; spans.len()];
    let mut below = vec![false; spans.len()];
    for (i, span) in spans.iter().enumerate() {
        let mut ancestor = parents[i];
        // The answer has no cycles; the bound is for answers of other servers.
        for _ in 0..spans.len() {
            let Some(at) = ancestor else { break };
            above[i] |= is_given(&spans[at]);
            below[at] |= is_given(span);
            ancestor = parents[at];
        }
    }
    let group = |(i, span): (usize, &Span)| match span {
        span if is_given(span) => Group::Given,
        span if is_infrastructure(span.l7_protocol) => Group::Infrastructure,
        _ if above[i] && below[i] => Group::Between,
        _ => Group::Neighbour,
    };
    spans.iter().enumerate().map(group).collect()
}

fn is_given(span: &Span) -> bool {
    span.signal_source == i32::from(SignalSource::OTEL.0)
}

/// Databases and caches, queues, DNS (data-model section 8.3).
fn is_infrastructure(l7_protocol: i32) -> bool {
    matches!(l7_protocol, 60..=120)
}
