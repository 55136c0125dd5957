//! Flow logs of our own: rows written to a ClickHouse for the demo, tests and benchmarks, or kept in memory.
//! Nothing that serves requests writes; the room that reads is [`store`](crate::store).
//!
//! | file | holds |
//! |---|---|
//! | [`stored_row`] | [`StoredRow`]: a row as it is written |
//! | [`memory_store`] | [`MemoryStore`]: rows in memory that a completion can read |
//! | [`matching`] | which rows answer a question of the search |
//! | [`writer`] | [`FlowWriter`]: writes rows and names to a ClickHouse |
//! | `physical_row` | the columns that a row is written to |
//! | `new_names` | the names that are in rows |
//! | [`ddl`] | the schema |

pub mod ddl;
pub mod matching;
pub mod memory_store;
mod new_names;
mod physical_row;
pub mod stored_row;
pub mod writer;

pub use memory_store::MemoryStore;
pub use stored_row::StoredRow;
pub use writer::FlowWriter;
