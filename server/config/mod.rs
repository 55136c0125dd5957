//! Configuration: one TOML file, over it environment variables, over them flags.
//!
//! | table | file | about |
//! |---|---|---|
//! | `[server]` | [`server`] | where the server listens, how it starts to serve and ends |
//! | `[limits]` | [`limits`] | how much a request, a connection and all of them together may take |
//! | `[store]` | [`store`] | where the flow log is, and the limits of a query |
//! | `[tracing]` | [`mod@tracing`] | how a trace is searched and put together |
//! | `[log]` | [`log`] | what is logged |
//!
//! | file | holds |
//! |---|---|
//! | [`tables`] | [`Config`]: all tables together |
//! | `load` | reads a file, and the environment over it |
//! | `environment` | the environment variables that are configuration |
//! | [`check`] | ranges of numbers |
//! | [`error`] | [`ConfigError`] |
//! | `fault` | explains errors of the TOML reader |
//!
//! Each key can be set in the environment too: `tracing.l7_tracing_limit` is
//! `TRACE_COMPLETION_TRACING_L7_TRACING_LIMIT`; lists are comma-separated there.

pub mod check;
mod environment;
pub mod error;
mod fault;
pub mod limits;
mod load;
pub mod log;
pub mod server;
pub mod store;
pub mod tables;
pub mod tracing;

pub use environment::{CONFIG_VARIABLE, ENV_PREFIX};
pub use error::ConfigError;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use server::Server;
pub use store::{Compression, Password, StoreSettings};
pub use tables::Config;
pub use tracing::{
    AppSpanDuplicates, Compatibility, ConnectionStrategy, MAX_TOLERANCE_US, Tracing, TracingSource,
};
