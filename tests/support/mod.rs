//! What several test binaries share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cases;
pub mod compare;
pub mod score;
pub mod small_worlds;
