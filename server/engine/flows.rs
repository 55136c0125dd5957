//! From rows and request spans to one ordered list of flows (algorithm 1.4, 2.7, 5).

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::index::{IndexSlice, NodeId};
use crate::{
    config::AppSpanDuplicates,
    flow::{
        AgentId, AppSpan, CompletionRequest, FlowRow, KeyRow, LogType, ObservationPoint, RowId, SignalSource,
        Text, Texts, TraceIds,
    },
};

/// One exchange as one observation point saw it: one row, or several rows merged.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// The values, after merging.
    pub(super) row: FlowRow,
    /// Trace ids, after merging.
    pub(super) trace_ids: TraceIds,
    /// Rows merged into this flow, the first one first.
    pub(super) ids: SmallVec<[RowId; 2]>,
    /// `tap_side`, parsed.
    pub(super) point: ObservationPoint,
    /// For a request span, its position in the request.
    pub(super) request: Option<u32>,
}

/// All flows, in the order of their start.
pub(super) type Flows<'a> = IndexSlice<'a, NodeId, Flow>;

/// What a flow is in the tree (R-NODE-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// A system span.
    System,
    /// A network span.
    Network,
    /// An application span.
    App,
    /// A row of an unknown source. It is shown only if a network span set takes it in.
    Other,
}

/// What a span knows of its process, pod or host (R-NODE-3). A number never equals a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Instance {
    /// `auto_instance_id`.
    Number(u32),
    /// A name.
    Name(Text),
}

impl Flow {
    pub(super) fn new(row: FlowRow, texts: &mut Texts) -> Self {
        let trace_ids = TraceIds::parse(row.key.trace_id, texts);
        let point = ObservationPoint::parse(texts.get(row.key.tap_side));
        Flow { trace_ids, point, ids: SmallVec::from_slice(&[row.key.id]), row, request: None }
    }

    pub(super) fn key(&self) -> &KeyRow {
        &self.row.key
    }

    pub(super) fn class(&self) -> Class {
        match self.row.key.signal_source {
            SignalSource::EBPF => Class::System,
            SignalSource::PACKET => Class::Network,
            SignalSource::OTEL => Class::App,
            _ => Class::Other,
        }
    }

    pub(super) fn is_app(&self) -> bool {
        self.class() == Class::App
    }

    pub(super) fn is_system(&self) -> bool {
        self.class() == Class::System
    }

    /// R-NODE-2: which end of the exchange the span stands at.
    pub(super) fn side(&self) -> usize {
        usize::from(!self.point.starts_with_c())
    }

    pub(super) fn instance_type(&self) -> u8 {
        self.row.sides[self.side()].auto_instance_type
    }

    pub(super) fn instance_name(&self) -> Text {
        self.row.sides[self.side()].auto_instance
    }

    /// R-NODE-3.
    pub(super) fn instance(&self) -> Instance {
        let [client, server] = &self.row.sides;
        let number = |id: u32| (id != 0).then_some(Instance::Number(id));
        let name = |name: Text| (!name.is_empty()).then_some(Instance::Name(name));
        let found = match self.point {
            ObservationPoint::ServerProcess => Some(Instance::Number(server.auto_instance_id)),
            ObservationPoint::ClientProcess => Some(Instance::Number(client.auto_instance_id)),
            ObservationPoint::ServerApp => number(server.auto_instance_id).or(name(server.auto_instance)),
            ObservationPoint::ClientApp => number(client.auto_instance_id).or(name(client.auto_instance)),
            ObservationPoint::App => number(server.auto_instance_id)
                .or(name(server.auto_instance))
                .or(number(client.auto_instance_id))
                .or(name(client.auto_instance)),
            _ => Some(Instance::Name(Text::EMPTY)),
        };
        found.unwrap_or(Instance::Name(self.row.app_instance))
    }

    /// R-NODE-4: process id on the host, 0 where the span is not a process's.
    pub(super) fn process(&self) -> i32 {
        match self.point {
            ObservationPoint::ServerProcess => self.row.sides[1].process_id,
            ObservationPoint::ClientProcess => self.row.sides[0].process_id,
            _ => 0,
        }
    }

    /// R-NODE-4: the process among all hosts.
    pub(super) fn uid(&self) -> (AgentId, i32) {
        (self.row.key.agent, self.process())
    }

    /// R-NODE-5.
    pub(super) fn same_process(&self, other: &Flow) -> bool {
        let pod = || {
            self.instance_type() == POD
                && other.instance_type() == POD
                && self.instance() == other.instance()
                && self.instance() != Instance::Number(0)
        };
        self.row.key.agent == other.row.key.agent
            && (self.process() != 0 && self.process() == other.process() || pod())
    }

    /// R-NODE-6.
    pub(super) fn covers(&self, other: &Flow) -> bool {
        self.row.key.start_us <= other.row.key.start_us && self.row.key.end_us >= other.row.key.end_us
    }

    /// R-NODE-6, where this flow's response may be lost.
    pub(super) fn covers_or_lost(&self, other: &Flow) -> bool {
        self.covers(other) || self.row.key.start_us <= other.row.key.start_us && self.row.duration_us == 0
    }
}

impl Flow {
    /// When it ends, in µs. `i64::MAX` where its response may be lost (R-NODE-6); a call whose caller wants
    /// no answer looks the same, since it is a session without a duration.
    pub(super) fn end_or_lost_us(&self) -> i64 {
        let is_lost = !self.is_app() && self.row.duration_us == 0;
        if is_lost { i64::MAX } else { self.row.key.end_us }
    }
}

/// `auto_instance_type` of a pod.
pub(super) const POD: u8 = 10;

/// The flows before merging: one list (R-ROW-2) in the order of R-ROW-3. Request spans are given ids here.
pub(super) fn collect(
    rows: Vec<FlowRow>,
    request: &CompletionRequest,
    duplicates: AppSpanDuplicates,
    texts: &mut Texts,
) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::with_capacity(rows.len() + request.app_spans.len());
    for row in rows {
        flows.push(Flow::new(row, texts));
    }
    // The fields after the id decide only between rows that share an id: which of them stays must not depend
    // on the order in which they came.
    let numbers = |flow: &Flow| {
        let key = &flow.row.key;
        (key.start_us, key.id, key.end_us, key.agent, key.kind, key.signal_source, key.flow_id)
    };
    flows.sort_by(|a, b| {
        let sides = || texts.get(a.row.key.tap_side).cmp(texts.get(b.row.key.tap_side));
        numbers(a).cmp(&numbers(b)).then_with(sides)
    });
    let mut seen = FxHashSet::default();
    flows.retain(|flow| seen.insert(flow.row.key.id));

    let mut taken: FxHashSet<RowId> = flows.iter().map(|flow| flow.row.key.id).collect();
    let mut spans: Vec<Flow> =
        request.app_spans.iter().map(|span| Flow::new(row_of(span, texts), texts)).collect();
    let stored = match duplicates {
        AppSpanDuplicates::Merge => stored_copies(&flows, &spans),
        AppSpanDuplicates::Keep => vec![None; spans.len()],
    };
    for ((position, mut flow), stored) in spans.drain(..).enumerate().zip(stored) {
        let span = &request.app_spans[position];
        flow.request = Some(position as u32);
        if let Some(at) = stored {
            let row = &mut flows[at].row;
            row.name = row.name.or(flow.row.name);
            // The caller knows the parents of its spans better than the flow log does.
            row.key.parent_span_id = flow.row.key.parent_span_id.or(row.key.parent_span_id);
            row.app_service = row.app_service.or(flow.row.app_service);
            row.app_instance = row.app_instance.or(flow.row.app_instance);
            flows[at].request = Some(position as u32);
            continue;
        }
        let id = request_span_id(span, position, &mut taken);
        flow.row.key.id = id;
        flow.ids = SmallVec::from_slice(&[id]);
        flows.push(flow);
    }
    // A stable sort: of equal starts stored rows come before request spans, and these in the caller's order.
    flows.sort_by_key(|flow| flow.row.key.start_us);
    flows
}

/// For each request span the place of the stored row that is the same span (D-7): one with its span id, in
/// one of its traces. With Zipkin's B3 headers a client span and its server span share one id. So a span
/// first looks for a row of its own kind; spans that found none then choose from the rows that are left.
fn stored_copies(flows: &[Flow], spans: &[Flow]) -> Vec<Option<usize>> {
    let mut rows: FxHashMap<(Text, Text), Vec<usize>> = FxHashMap::default();
    for (at, flow) in flows.iter().enumerate() {
        if flow.is_app() && !flow.row.key.span_id.is_empty() {
            for id in flow.trace_ids.iter() {
                let rows = rows.entry((id, flow.row.key.span_id)).or_default();
                if rows.len() < MAX_COPIES {
                    rows.push(at);
                }
            }
        }
    }
    let mut copies = vec![None; spans.len()];
    let mut taken = FxHashSet::default();
    for one_kind in [true, false] {
        for (span, copy) in spans.iter().zip(&mut copies).filter(|(_, copy)| copy.is_none()) {
            let same = span.trace_ids.iter().filter_map(|id| rows.get(&(id, span.row.key.span_id)));
            let fits = |at: &usize| {
                !taken.contains(at) && (!one_kind || flows[*at].row.key.tap_side == span.row.key.tap_side)
            };
            *copy = same.flatten().copied().find(fits);
            taken.extend(*copy);
        }
    }
    copies
}

/// Stored rows of one trace and span id that are looked at, at most.
const MAX_COPIES: usize = 16;

/// R-APP-1: a request span as a row. What an APM does not send stays 0, empty or null.
fn row_of(span: &AppSpan, texts: &mut Texts) -> FlowRow {
    let measured = span.start_time_us != 0 && span.end_time_us != 0;
    FlowRow {
        key: KeyRow {
            kind: LogType::REQUEST,
            signal_source: SignalSource::OTEL,
            tap_side: texts.intern(span.span_kind.tap_side()),
            start_us: span.start_time_us,
            end_us: span.end_time_us,
            trace_id: texts.intern(&span.trace_id),
            span_id: texts.intern(&span.span_id),
            parent_span_id: texts.intern(&span.parent_span_id),
            request_id: Some(0),
            ..KeyRow::default()
        },
        name: texts.intern(&span.name),
        app_service: texts.intern(&span.app_service),
        app_instance: texts.intern(&span.app_instance),
        duration_us: if measured { span.end_time_us.saturating_sub(span.start_time_us) } else { 0 },
        response_code: None,
        ..FlowRow::default()
    }
}

/// A 48-bit id for a request span: the same for the same span, and no other row's. (The original draws
/// it at random, Q-06.)
fn request_span_id(span: &AppSpan, position: usize, taken: &mut FxHashSet<RowId>) -> RowId {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = FNV_OFFSET;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    };
    mix(span.trace_id.as_bytes());
    mix(span.span_id.as_bytes());
    mix(span.parent_span_id.as_bytes());
    mix(&span.start_time_us.to_le_bytes());
    mix(&(position as u64).to_le_bytes());
    let mut id = (hash ^ (hash >> 48)) & ((1 << 48) - 1);
    while id == 0 || !taken.insert(RowId(id)) {
        id = (id + 1) & ((1 << 48) - 1);
    }
    RowId(id)
}
