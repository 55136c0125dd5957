//! Our own schema of the flow log: the tables of DeepFlow with all their columns, for servers that have no
//! DeepFlow. Reading never depends on it.

mod enumerations;

pub use enumerations::l7_protocol_name;
