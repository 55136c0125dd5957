//! Configuration: one TOML file, over it environment variables, over them flags.

pub mod tracing;

pub use tracing::{AppSpanDuplicates, Compatibility, ConnectionStrategy, Tracing, TracingSource};
