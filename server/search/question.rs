//! What a search asks of the flow log (algorithm 2.1). A store answers each question with one query.

/// A question of the search.
#[derive(Clone, PartialEq, Debug)]
pub enum Question {
    /// Q0 and Q1: the first row that carries this trace id, in the total order of the store.
    Entry {
        /// The trace id, verbatim.
        trace_id: String,
        /// The seconds in which the row ends.
        window: Window,
    },
    /// Q2: all rows that carry one of these trace ids.
    ByTraceId {
        /// The trace ids, ascending, each once.
        trace_ids: Vec<String>,
        /// The seconds in which the rows end.
        window: Window,
    },
    /// Q3: all rows that carry one of these keys.
    ByAssociation {
        /// The keys; at least one list is not empty.
        keys: AssociationKeys,
        /// The seconds in which the rows end.
        window: Window,
    },
}

impl Question {
    /// Short name for logs and explanations.
    pub fn name(&self) -> &'static str {
        match self {
            Question::Entry { .. } => "entry",
            Question::ByTraceId { .. } => "trace_id",
            Question::ByAssociation { .. } => "association",
        }
    }
}

/// Seconds in which rows end (column `time`), both ends included. May begin below zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// First second.
    pub from_s: i64,
    /// Last second.
    pub to_s: i64,
}

/// Keys that tie rows to rows (R-SEARCH-9). A row matches if any of its keys is in its list. Each list
/// is ascending, without 0, empty strings or repetition.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AssociationKeys {
    /// `req_tcp_seq` is one of these.
    pub req_tcp_seqs: Vec<u32>,
    /// `resp_tcp_seq` is one of these.
    pub resp_tcp_seqs: Vec<u32>,
    /// `syscall_trace_id_request` or `syscall_trace_id_response` is one of these.
    pub syscall_trace_ids: Vec<u64>,
    /// `x_request_id_0` or `x_request_id_1` is one of these.
    pub x_request_ids: Vec<String>,
    /// `l7_protocol` is DNS and `request_id` is one of these.
    pub dns_request_ids: Vec<u64>,
    /// `type` is response and `flow_id` is one of these: the response of a request that was found without it
    /// (D-9).
    pub response_flow_ids: Vec<u64>,
}

impl AssociationKeys {
    /// Number of keys in all lists.
    pub fn len(&self) -> usize {
        // Taken apart completely, so that a new list does not compile until it is counted.
        let AssociationKeys {
            req_tcp_seqs,
            resp_tcp_seqs,
            syscall_trace_ids,
            x_request_ids,
            dns_request_ids,
            response_flow_ids,
        } = self;
        req_tcp_seqs.len()
            + resp_tcp_seqs.len()
            + syscall_trace_ids.len()
            + x_request_ids.len()
            + dns_request_ids.len()
            + response_flow_ids.len()
    }

    /// No key at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
