//! Our own schema of the flow log, for servers that have no DeepFlow: the table of DeepFlow v7.1.8 with all
//! its columns, and the dictionaries that we read, each over a table of its own. Reading never depends on it.
//!
//! It differs from DeepFlow's where a single server differs from a deployment: no time to live, the default
//! storage policy, one server instead of a cluster, and dictionaries over local tables instead of MySQL.
//!
//! | file | holds |
//! |---|---|
//! | `statements` | the statements that create the schema |
//! | `columns` | the columns of the table |
//! | `dictionaries` | the dictionaries of names |
//! | `enumerations` | names of protocols and observation points |

mod columns;
mod dictionaries;
mod enumerations;
mod statements;

pub use enumerations::l7_protocol_name;
pub use statements::{names_of, reload_statements, statements, statements_of, text};
