//! A real ClickHouse in a child process, for the demo, tests and benchmarks on a machine without one.
//! The store talks to it over HTTP exactly as to any other server.
//!
//! The engine is `libchdb.so`. It is loaded in a child process, not in the service, because the library takes
//! over signal handlers, starts threads and keeps gigabytes of global state. The child is this very program
//! under a hidden subcommand. It runs as long as its standard input is open: however the parent ends, the
//! pipe closes and the child shuts down.
//!
//! | file | holds |
//! |---|---|
//! | [`server`] | [`EmbeddedClickHouse`]: starts the child, and ends it |
//! | [`options`] | how to run it: [`Options`], [`User`] |
//! | [`library`] | where `libchdb.so` is, and how to get it |
//! | [`child`] | what the program does as the child |
//! | `config_xml` | the two configuration files of the server |
//! | `ports`, `directories`, `ping` | free ports, directories, and whether it answers |
//! | [`ended`] | how a child ended, and its last log lines |
//! | [`error`] | [`EmbeddedError`] |
//! | `ffi` | the call into the library: the only unsafe code of the program |

pub mod child;
mod config_xml;
mod directories;
pub mod ended;
pub mod error;
mod ffi;
pub mod library;
pub mod options;
mod ping;
mod ports;
pub mod server;

pub use child::{CHILD_COMMAND, child_main};
pub use ended::Ended;
pub use error::EmbeddedError;
pub use library::LibraryError;
pub use options::{Options, User};
pub use server::EmbeddedClickHouse;
