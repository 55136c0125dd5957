//! `schema`: prints the tables of the flow log.

use super::{failure::Failure, running::print};
use crate::flow_log::ddl;

pub(super) fn run() -> Result<(), Failure> {
    print(&ddl::text())
}
