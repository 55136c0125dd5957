//! The original's assembly, rule by rule: what compatibility mode uses and the default mode does not.
//!
//! | folder or file | holds |
//! |---|---|
//! | `process_set` | R-PSS: spans of one process and request |
//! | `path` | R-NET-5, R-NET-6, R-NET-7, R-NET-9: the captures of an exchange in the original's order |
//! | `connect` | R-CONN: sets into trees |

mod connect;
mod path;
mod process_set;

use super::assembly::{Assembled, Material};
use crate::{config::Tracing, flow::Texts};

/// Assembles the tree as the original does. New texts are interned for the keys of process sets.
pub(super) fn assemble(material: Material<'_>, tracing: &Tracing, texts: &mut Texts) -> Assembled {
    let Material { relations, mut networks, mut resources, mut tree, tolerance } = material;
    let processes = process_set::build(&mut tree, &mut resources, texts);
    for set in &mut networks {
        path::order(&mut set.members, tree.flows, texts);
        path::link(&set.members, &mut tree, tolerance);
    }
    connect::connect(&mut tree, relations, &processes, &networks, tracing);
    Assembled { grown: tree.into_forest(), networks, resources, hosts: None }
}
