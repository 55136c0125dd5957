//! Why a store gave no rows.

/// Why a store gave no rows. Texts are for operators; none contains row data or credentials.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Connecting or talking to the store failed.
    #[error("the flow log is unreachable: {0}")]
    Unreachable(String),
    /// The store refused our credentials or a right that we need.
    #[error("the flow log refused access: {0}")]
    Denied(String),
    /// The query ran out of time.
    #[error("the flow log did not answer in time")]
    Timeout,
    /// The query reached a limit of the store: memory, rows, concurrent queries.
    #[error("the flow log is out of resources: {0}")]
    Exhausted(String),
    /// A table or column that we need is missing.
    #[error("the flow log lacks {0}")]
    Schema(String),
    /// Anything else: an answer that we cannot use.
    #[error("the flow log gave an unusable answer: {0}")]
    Nonsense(String),
}
