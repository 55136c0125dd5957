//! `schema`: prints the tables of the flow log.

use super::{Failure, print};
use crate::store::ddl;

pub(super) fn run() -> Result<(), Failure> {
    print(&ddl::text())
}
