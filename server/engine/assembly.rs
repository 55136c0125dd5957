//! What the two assemblies, the original's and the default one, are given, and what both return.

use super::{
    completed::Resource,
    index::{IndexVec, NodeId},
    network_set::Networks,
    relations::Relations,
    tree::{Grown, Tree},
};
use crate::{flow::AgentId, relation::Tolerance};

/// What is known before anything is linked.
pub(super) struct Material<'a> {
    pub(super) relations: &'a Relations<'a>,
    /// The captures of each exchange, not in path order yet.
    pub(super) networks: Networks,
    /// What each flow is known as; only of network spans so far.
    pub(super) resources: IndexVec<NodeId, Resource>,
    /// Holds the flows, and no links yet.
    pub(super) tree: Tree<'a>,
    pub(super) tolerance: Tolerance,
}

/// What an assembly makes.
pub(super) struct Assembled {
    /// Parent and rule of each flow, and what the links said about the clocks.
    pub(super) grown: Grown,
    /// The captures of each exchange, in path order.
    pub(super) networks: Networks,
    /// What each flow is known as.
    pub(super) resources: IndexVec<NodeId, Resource>,
    /// The agent of the host on which each request span ran, where it is known. `None` in compatibility mode,
    /// which does not look for hosts.
    pub(super) hosts: Option<IndexVec<NodeId, Option<AgentId>>>,
}
