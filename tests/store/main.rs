//! The store against a real ClickHouse, one server for all tests, a flow log of its own for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod fixture;
mod limits;
mod reading;
mod recorded;
mod releases;
mod shapes;
