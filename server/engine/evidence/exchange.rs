//! Exchanges: network sets, seen as calls from one process to another.

use crate::{
    engine::{
        flows::{Flow, Flows},
        index::{ExchangeId, IndexSlice, IndexVec, NodeId},
        network_set::{NetworkSet, Networks},
    },
    flow::{ObservationPoint, Text, TraceIds},
};

/// One call, as its captures saw it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The capture next to the client.
    pub(super) head: NodeId,
    /// The capture next to the server.
    pub(super) tail: NodeId,
    /// The client process span, which then is the head.
    pub(super) client: Option<NodeId>,
    /// The server process span, which then is the tail.
    pub(super) server: Option<NodeId>,
    /// Span id that the call carries, empty where it carries none.
    pub(super) span_id: Text,
    /// Trace ids that any capture saw.
    pub(super) trace_ids: TraceIds,
    /// X-Request-ID of the request, and of the response.
    pub(super) x_request_ids: [Text; 2],
    /// Where the call comes from and goes to, as far as the captures know.
    pub(super) ends: [Option<End>; 2],
}

/// All exchanges.
pub(super) type Exchanges<'a> = IndexSlice<'a, ExchangeId, Exchange>;

/// One end of a call: the resource that owns its address.
pub(super) type End = (u8, u32);

/// The exchanges of the network sets, in their order.
pub(super) fn collect(flows: Flows<'_>, networks: &Networks) -> IndexVec<ExchangeId, Exchange> {
    networks.iter().filter_map(|set| exchange(flows, set)).collect()
}

fn exchange(flows: Flows<'_>, set: &NetworkSet) -> Option<Exchange> {
    let (head, tail) = (set.root()?, set.leaf()?);
    let flow = |node: NodeId| &flows[node];
    let is = |node: NodeId, point: ObservationPoint| flow(node).is_system() && flow(node).point == point;
    let members = || set.members.iter().map(|&node| flow(node));
    let trace_ids =
        members().map(|flow| &flow.trace_ids).find(|ids| !ids.is_empty()).cloned().unwrap_or_default();
    let first =
        |value: fn(&Flow) -> Text| members().map(value).find(|text| !text.is_empty()).unwrap_or_default();
    let end = |side: usize| {
        members()
            .map(|flow| &flow.row.sides[side])
            .map(|side| (side.auto_instance_type, side.auto_instance_id))
            // Types 0 and 255: it is not known which resource owns the address, and the id is the subnet's.
            .find(|&(kind, id)| id != 0 && kind != 0 && kind != 255)
    };
    Some(Exchange {
        head,
        tail,
        client: Some(head).filter(|&node| is(node, ObservationPoint::ClientProcess)),
        server: Some(tail).filter(|&node| is(node, ObservationPoint::ServerProcess)),
        span_id: set.span_id,
        trace_ids,
        x_request_ids: [first(|f| f.key().x_request_id_0), first(|f| f.key().x_request_id_1)],
        ends: [end(0), end(1)],
    })
}
