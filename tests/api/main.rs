//! Both doors as callers see them: the real server on a port of its own, over a flow log that does as told.

mod errors;
mod harness;
mod health;
mod limits;
mod shutdown;
