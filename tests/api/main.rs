//! Both doors as callers see them: the real server on a free port, over a fake flow log that each test tells
//! what to do.

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
