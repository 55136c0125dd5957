//! Relations (R-REL): tests on an ordered pair of records that say whether they belong to one exchange or one
//! process (algorithm 3.2). Shared by the search, which only asks whether there is one, and by the
//! engine, which builds the tree from them.
//!
//! | file | holds |
//! |---|---|
//! | `pairs` | R-REL-4, R-REL-5, R-REL-6, R-REL-7, R-REL-8, R-REL-9: the relations of a pair |
//! | [`conflict`] | R-CONF: fields in which two captures of one exchange may not differ |
//! | `filing` | by which keys a record can be found |
//! | `tolerance` | how far two captures may lie apart in time |

pub mod conflict;
mod filing;
mod pairs;
mod tolerance;

pub use self::{
    filing::{dns_key, filed_by_dns, filed_by_req_seq, filed_by_resp_seq},
    pairs::{both_server_processes, dns, span_id, syscall, tcp_strong, tcp_weak, x_request_id},
    tolerance::Tolerance,
};
