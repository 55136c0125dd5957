//! Why a request got no answer. The `match`es below are the only places that choose a gRPC code, an HTTP status or a
//! reason (api section 5).

use axum::http::StatusCode;
use tonic::{Code, Status};

use crate::{
    config::Limits,
    contract::{REST_PATH, Violations, proto::ErrorReason},
    store::StoreError,
};

/// Why a request got no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApiError {
    /// The request breaks the contract.
    #[error("invalid request: {0}")]
    Invalid(Violations),
    /// The caller has not said who it is. No door asks yet.
    #[error("authentication required")]
    Unauthenticated,
    /// The caller may not ask this. No door asks yet.
    #[error("not allowed")]
    Forbidden,
    /// The server has nothing at this path.
    #[error("no such path: {0}")]
    UnknownPath(String),
    /// The path is there, but not for this method.
    #[error("method {0} is not allowed here")]
    WrongMethod(String),
    /// The messages are compressed in a way that the server does not read. The text names it.
    #[error("messages compressed with {0} are not read")]
    UnsupportedEncoding(String),
    /// The content type is not that of the door.
    #[error(
        "content type {0} is not read at the path of a gRPC service; over REST, POST JSON to {rest}",
        rest = REST_PATH
    )]
    UnsupportedType(String),
    /// A body or message is over a limit. The text names the limit.
    #[error("{0}")]
    RequestTooLarge(String),
    /// The answer is over a limit. The text names the limit.
    #[error("{0}")]
    AnswerTooLarge(String),
    /// The server is busy and refused the request before any work. The text names the limit.
    #[error("the server is busy: {0}")]
    Busy(String),
    /// The flow log cannot be reached.
    #[error("the flow log is unavailable: it cannot be reached")]
    StoreUnreachable,
    /// The flow log refuses the server's credentials. They are not the caller's: until an operator corrects them, the
    /// server is as good as without a store, and is not ready.
    #[error("the flow log is unavailable: it refuses access to this server")]
    StoreDenied,
    /// The server is shutting down, so this stream ends.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The time was over before anything was found, or the caller did not read a stream. The text names the limit.
    #[error("{0}")]
    Deadline(String),
    /// The flow log lacks a table or column. The caller is told its name, because only the owner of the flow log can
    /// add it.
    #[error("the flow log lacks {0}")]
    Schema(String),
    /// A fault of this program, or an answer of the store that makes no sense. The caller gets only the request id.
    #[error("internal error")]
    Internal,
}

/// The detail behind an error, which goes to the log and not to the caller.
pub type Detail = String;

/// The error for a failure of the store. Nothing of the store's own text reaches the caller, except the name of a
/// missing table or column.
pub fn from_store(error: &StoreError) -> (ApiError, Detail) {
    let mapped = match error {
        StoreError::Unreachable(_) => ApiError::StoreUnreachable,
        StoreError::Denied(_) => ApiError::StoreDenied,
        StoreError::Timeout => ApiError::Deadline("the flow log did not answer in time".to_owned()),
        StoreError::Schema(what) => ApiError::Schema(what.clone()),
        StoreError::Exhausted(_) | StoreError::Nonsense(_) => ApiError::Internal,
    };
    (mapped, error.to_string())
}

impl ApiError {
    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            ApiError::Invalid(_) => Code::InvalidArgument,
            ApiError::Unauthenticated => Code::Unauthenticated,
            ApiError::Forbidden => Code::PermissionDenied,
            ApiError::UnknownPath(_)
            | ApiError::WrongMethod(_)
            | ApiError::UnsupportedEncoding(_)
            | ApiError::UnsupportedType(_) => Code::Unimplemented,
            ApiError::RequestTooLarge(_) | ApiError::AnswerTooLarge(_) | ApiError::Busy(_) => {
                Code::ResourceExhausted
            }
            ApiError::StoreUnreachable | ApiError::StoreDenied | ApiError::ShuttingDown => Code::Unavailable,
            ApiError::Deadline(_) => Code::DeadlineExceeded,
            ApiError::Schema(_) | ApiError::Internal => Code::Internal,
        }
    }

    /// The HTTP status, and the `OPT_STATUS` beside it.
    pub fn http(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_POST_DATA"),
            ApiError::Unauthenticated => (StatusCode::UNAUTHORIZED, "FORBIDDEN"),
            ApiError::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
            ApiError::UnknownPath(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            ApiError::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "NOT_ALLOW_METHOD"),
            ApiError::UnsupportedEncoding(_) | ApiError::UnsupportedType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_POST_DATA")
            }
            ApiError::RequestTooLarge(_) | ApiError::AnswerTooLarge(_) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_POST_DATA")
            }
            ApiError::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "SERVER_BUSY"),
            ApiError::StoreUnreachable | ApiError::StoreDenied | ApiError::ShuttingDown => {
                (StatusCode::SERVICE_UNAVAILABLE, "SERVER_ERROR")
            }
            ApiError::Deadline(_) => (StatusCode::GATEWAY_TIMEOUT, "SERVER_ERROR"),
            ApiError::Schema(_) | ApiError::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR")
            }
        }
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> ErrorReason {
        match self {
            ApiError::Invalid(_) => ErrorReason::InvalidRequest,
            ApiError::Unauthenticated => ErrorReason::Unauthenticated,
            ApiError::Forbidden => ErrorReason::PermissionDenied,
            ApiError::UnknownPath(_) | ApiError::WrongMethod(_) => ErrorReason::UnknownMethod,
            ApiError::UnsupportedEncoding(_) | ApiError::UnsupportedType(_) => {
                ErrorReason::UnsupportedEncoding
            }
            ApiError::RequestTooLarge(_) => ErrorReason::RequestTooLarge,
            ApiError::AnswerTooLarge(_) => ErrorReason::AnswerTooLarge,
            ApiError::Busy(_) => ErrorReason::ServerBusy,
            ApiError::StoreUnreachable => ErrorReason::StoreUnreachable,
            ApiError::StoreDenied => ErrorReason::StoreDenied,
            ApiError::ShuttingDown => ErrorReason::ShuttingDown,
            ApiError::Deadline(_) => ErrorReason::DeadlineExceeded,
            ApiError::Schema(_) => ErrorReason::StoreSchema,
            ApiError::Internal => ErrorReason::Internal,
        }
    }
}

/// The contract's error for a message that tonic refused. tonic uses codes of its own: OUT_OF_RANGE for a message that
/// is too large, INTERNAL for one that is no valid protobuf, UNIMPLEMENTED for a compressed one. `None` for every other
/// code: the caller is gone.
pub fn from_refused_message(status: &Status, limits: &Limits) -> Option<ApiError> {
    match status.code() {
        Code::OutOfRange => {
            let max = limits.max_request_bytes;
            let message = format!("the message is over {max} bytes (limits.max_request_bytes)");
            Some(ApiError::RequestTooLarge(message))
        }
        Code::Internal => Some(ApiError::Invalid(Violations::one("", status.message()))),
        Code::Unimplemented => {
            let encoding = status.message().split('`').nth(1).unwrap_or("an unknown encoding");
            Some(ApiError::UnsupportedEncoding(encoding.to_owned()))
        }
        _ => None,
    }
}
