//! Where rows are read from. Nothing in this room writes to a flow log; the room that writes is
//! [`flow_log`](crate::flow_log).
//!
//! | file | holds |
//! |---|---|
//! | [`flow_store`] | [`FlowStore`]: all that the rest of the program knows of a store |
//! | [`error`] | [`StoreError`]: why a store gave no rows |
//! | [`clickhouse`] | [`ClickHouseStore`]: reads DeepFlow's ClickHouse |

pub mod clickhouse;
pub mod error;
pub mod flow_store;

pub use clickhouse::ClickHouseStore;
pub use error::StoreError;
pub use flow_store::{FlowStore, Page, ReadContext};
