//! The world of the demo: one request through a small shop, as DeepFlow's agents capture it and as an APM
//! sees it. The same on every run.
//!
//! ```text
//! user → ingress → service-a → service-b → DNS, MySQL, Redis
//!                                        → service-c
//! ```
//!
//! `service-a` and `service-b` are instrumented. The agents see every step; the APM sees two services.
//!
//! | file | holds |
//! |---|---|
//! | [`world`] | who there is, what happens, and the question of the APM |
//! | `capture` | the rows that agents write of one exchange |
//! | `random` | numbers that look random |
//! | [`groups`] | what a span of the answer adds to what the APM knew |
//! | [`question`] | the question in the forms of the two doors |

mod capture;
pub mod groups;
pub mod question;
mod random;
pub mod world;

pub use groups::Group;
pub use world::World;
