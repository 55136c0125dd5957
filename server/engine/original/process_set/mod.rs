//! Process span sets: the spans of one process that handle one request (algorithm 6).
//!
//! | file | holds |
//! |---|---|
//! | `sets` | the sets, and the set of each node |
//! | `build` | R-PSS-5: what all steps work on, and how a span joins a set |
//! | `app` | 6.1, 6.2: application spans, grouped and split into trees |
//! | `attach` | 6.3: system spans that belong to such a tree |
//! | `system` | 6.4: system spans without application spans |
//! | `brothers` | R-PSS-12: client spans of one thread or trace |

mod app;
mod attach;
mod brothers;
mod build;
mod sets;
mod system;

use self::build::{Build, Nodes};
pub(super) use self::sets::ProcessSets;
use crate::{
    engine::{
        completed::Resource,
        index::{IndexVec, NodeId},
        tree::Tree,
    },
    flow::Texts,
};

/// Builds the sets of all nodes, and links within them.
pub(super) fn build(
    tree: &mut Tree<'_>,
    resources: &mut IndexVec<NodeId, Resource>,
    texts: &mut Texts,
) -> ProcessSets {
    let sets = ProcessSets::new(tree.flows.len());
    let mut build = Build { tree, resources, texts, sets };
    let nodes = Nodes::of(build.tree.flows);
    app::group(&mut build, &nodes.app);
    app::split(&mut build);
    attach::attach(&mut build, &nodes);
    system::group(&mut build, &nodes);
    build.sets
}
