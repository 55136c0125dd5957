//! Both doors as callers see them: the real server on a port of its own, over a flow log that does as told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod batch;
mod errors;
mod explain;
mod harness;
mod health;
mod limits;
mod logs;
mod openapi;
mod shutdown;
mod stream;
mod unread;
