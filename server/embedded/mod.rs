//! A real ClickHouse in a child process, for the demo, tests and benchmarks on a machine without one.
//! The store talks to it over HTTP exactly as to any other server.
//!
//! The engine takes itself for a tool of the person who started it: it reads and writes that person's files. So
//! nobody else may ask it anything. Four walls stand around it, each of which would do alone:
//!
//! 1. It listens to HTTP on 127.0.0.1 and to nothing else, and answers only requests that name one of its accounts
//!    in a header, name this machine as their host, and come from no web page; everything else is a 404. The user
//!    `default`, whom the engine needs and who has no password, is none of the accounts.
//! 2. Each account has a password that is made anew for each run. It is in files that only our user can read, and
//!    in no command line, log or error.
//! 3. An account has rights on the two databases of the flow log, and to nothing else.
//! 4. The kernel keeps the process in its data directory, away from the network and from programs (Landlock). A
//!    kernel that cannot do this is named in the log.
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
//! | `access` | the accounts, and the files with which other programs reach the flow log |
//! | [`confine`] | what the kernel lets the child do |
//! | [`library`] | where `libchdb.so` is, and how to get it |
//! | [`child`] | what the program does as the child |
//! | `config_xml` | the two configuration files of the server |
//! | `directories` | directories and files of our user only |
//! | `ports`, `listener`, `ping` | free ports, whether it is the child that listens, and whether it answers |
//! | [`ended`] | how a child ended, and its last log lines |
//! | [`error`] | [`EmbeddedError`] |
//! | `ffi` | the call into the library: the only unsafe code of the program |

mod access;
pub mod child;
mod config_xml;
pub mod confine;
mod directories;
pub mod ended;
pub mod error;
mod ffi;
pub mod library;
mod listener;
pub mod options;
mod ping;
mod ports;
pub mod server;

pub use child::{CHILD_COMMAND, child_main};
pub use confine::Confined;
pub use ended::Ended;
pub use error::EmbeddedError;
pub use library::LibraryError;
pub use options::{Options, User};
pub use server::EmbeddedClickHouse;
