//! DeepFlow's ClickHouse as a [`FlowStore`](crate::store::FlowStore). The only place with SQL that reads.
//!
//! Where the server is and what a query may take is [`StoreSettings`](crate::config::StoreSettings).
//!
//! | file | holds |
//! |---|---|
//! | `store` | [`ClickHouseStore`]: from a question to queries |
//! | `collected` | the rows of several queries as one page |
//! | `schema` | which columns and dictionaries the server has |
//! | `read` | one query from text to rows: its time limit, and one repetition |
//! | `records` | rows as the server sends them, and what becomes of them |
//! | `sql` | the text of each query |
//! | `columns` | what the queries select and compare |
//! | `expressions` | the expression of each column that we read |
//! | `column_names` | the names that a column has had in releases of DeepFlow |
//! | `dictionary` | where the names of numbers come from |
//! | `quoting` | quotes around names |
//! | `chunks` | long lists, cut into lists that one query can carry |
//! | `connection` | pools of connections, and the settings of every query |
//! | `error` | what went wrong |

mod chunks;
mod collected;
mod column_names;
mod columns;
mod connection;
mod dictionary;
mod error;
mod expressions;
mod quoting;
mod read;
mod records;
mod schema;
mod sql;
mod store;

pub(crate) use connection::client;
pub(crate) use error::store_error;
pub use store::ClickHouseStore;
