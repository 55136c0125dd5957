//! Why a request got no answer, and how each door says so (api section 5). The two `match`es below are
//! the only places that choose a code.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::validate::Violations;
use crate::store::StoreError;

/// Seconds after which a caller that was shed may try again.
const RETRY_AFTER_S: u64 = 1;
/// Bytes of faults in the message and in the details of a gRPC status. Both travel in trailers, encoded,
/// the message twice, and a Java client takes no more than 8 KiB of trailers unless told to.
const MESSAGE_BYTES: usize = 500;
const DETAILS_BYTES: usize = 2500;

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
    /// Nothing lives at this path.
    #[error("no such path: {0}")]
    UnknownPath(String),
    /// The path is there, but not for this method.
    #[error("method {0} is not allowed here")]
    WrongMethod(String),
    /// A body or message is over a limit. The text names the limit.
    #[error("{0}")]
    TooLarge(String),
    /// Shed before any work. The text names the limit.
    #[error("the server is busy: {0}")]
    Busy(String),
    /// The flow log cannot be asked now.
    #[error("the flow log is unavailable: {0}")]
    Unavailable(&'static str),
    /// The time was up before anything was found. The text names the limit.
    #[error("{0}")]
    Deadline(String),
    /// The flow log lacks a table or column: told on purpose, because only its owner can mend it.
    #[error("the flow log lacks {0}")]
    Schema(String),
    /// A fault of ours, or an answer of the store that makes no sense. Callers get only the request id.
    #[error("internal error")]
    Internal,
}

/// What is not for the caller but for the log: the detail behind an error.
pub type Detail = String;

/// Maps a failure of the store. Nothing of the store's own text reaches the caller, except a missing
/// table or column.
pub fn from_store(error: &StoreError) -> (ApiError, Detail) {
    let mapped = match error {
        StoreError::Unreachable(_) => ApiError::Unavailable("it cannot be reached"),
        // The credentials are the server's, not the caller's: until an operator mends them this server
        // is as good as without a store, and its readiness says the same.
        StoreError::Denied(_) => ApiError::Unavailable("it refuses access to this server"),
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
            ApiError::UnknownPath(_) | ApiError::WrongMethod(_) => Code::Unimplemented,
            ApiError::TooLarge(_) | ApiError::Busy(_) => Code::ResourceExhausted,
            ApiError::Unavailable(_) => Code::Unavailable,
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
            ApiError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_POST_DATA"),
            ApiError::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "SERVER_BUSY"),
            ApiError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "SERVER_ERROR"),
            ApiError::Deadline(_) => (StatusCode::GATEWAY_TIMEOUT, "SERVER_ERROR"),
            ApiError::Schema(_) | ApiError::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR")
            }
        }
    }

    /// What the caller reads.
    fn message(&self, request_id: &str) -> String {
        match self {
            ApiError::Invalid(violations) => violations.to_string(),
            ApiError::Internal => format!("internal error, request id {request_id}"),
            other => other.to_string(),
        }
    }

    /// The error as a gRPC status.
    pub fn status(&self, request_id: &str) -> Status {
        let message = self.message(request_id);
        match self {
            ApiError::Invalid(violations) => {
                let fields = violations.fitting(DETAILS_BYTES).list;
                let fields: Vec<_> =
                    fields.iter().map(|v| FieldViolation::new(&v.path, &v.message)).collect();
                let details = ErrorDetails::with_bad_request(fields);
                Status::with_error_details(
                    self.code(),
                    violations.fitting(MESSAGE_BYTES).to_string(),
                    details,
                )
            }
            ApiError::Busy(_) => {
                let retry = Some(std::time::Duration::from_secs(RETRY_AFTER_S));
                Status::with_error_details(self.code(), message, ErrorDetails::with_retry_info(retry))
            }
            _ => Status::new(self.code(), message),
        }
    }

    /// The error as a REST answer, in both shapes at once.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        let message = self.message(request_id);
        let (status, opt_status) = self.http();
        let details = match self {
            ApiError::Invalid(violations) => vec![RestDetail::BadRequest {
                kind: "type.googleapis.com/google.rpc.BadRequest",
                field_violations: violations
                    .list
                    .iter()
                    .map(|v| RestViolation { field: &v.path, description: &v.message })
                    .collect(),
            }],
            ApiError::Busy(_) => vec![RestDetail::RetryInfo {
                kind: "type.googleapis.com/google.rpc.RetryInfo",
                retry_delay: format!("{RETRY_AFTER_S}s"),
            }],
            _ => Vec::new(),
        };
        let body = RestError {
            opt_status,
            description: &message,
            code: self.code() as i32,
            message: &message,
            details,
        };
        let mut response = super::rest::json(status, &body);
        if let ApiError::Busy(_) = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}

/// Body of a REST error: the documented envelope and grpc-gateway's.
#[derive(Serialize)]
struct RestError<'a> {
    #[serde(rename = "OPT_STATUS")]
    opt_status: &'static str,
    #[serde(rename = "DESCRIPTION")]
    description: &'a str,
    code: i32,
    message: &'a str,
    details: Vec<RestDetail<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RestDetail<'a> {
    BadRequest {
        #[serde(rename = "@type")]
        kind: &'static str,
        #[serde(rename = "fieldViolations")]
        field_violations: Vec<RestViolation<'a>>,
    },
    RetryInfo {
        #[serde(rename = "@type")]
        kind: &'static str,
        #[serde(rename = "retryDelay")]
        retry_delay: String,
    },
}

#[derive(Serialize)]
struct RestViolation<'a> {
    field: &'a str,
    description: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_contract() {
        let text = String::new;
        for (error, code, http, opt_status) in [
            (ApiError::Invalid(Violations::one("a", "b")), Code::InvalidArgument, 400, "INVALID_POST_DATA"),
            (ApiError::Unauthenticated, Code::Unauthenticated, 401, "FORBIDDEN"),
            (ApiError::Forbidden, Code::PermissionDenied, 403, "FORBIDDEN"),
            (ApiError::UnknownPath(text()), Code::Unimplemented, 404, "NOT_FOUND"),
            (ApiError::WrongMethod(text()), Code::Unimplemented, 405, "NOT_ALLOW_METHOD"),
            (ApiError::TooLarge(text()), Code::ResourceExhausted, 413, "INVALID_POST_DATA"),
            (ApiError::Busy(text()), Code::ResourceExhausted, 429, "SERVER_BUSY"),
            (ApiError::Unavailable(""), Code::Unavailable, 503, "SERVER_ERROR"),
            (ApiError::Deadline(text()), Code::DeadlineExceeded, 504, "SERVER_ERROR"),
            (ApiError::Schema(text()), Code::Internal, 500, "INTERNAL_SERVER_ERROR"),
            (ApiError::Internal, Code::Internal, 500, "INTERNAL_SERVER_ERROR"),
        ] {
            assert_eq!(error.code(), code, "{error:?}");
            assert_eq!(error.http(), (StatusCode::from_u16(http).unwrap(), opt_status), "{error:?}");
        }
    }

    #[test]
    fn many_faults_fit_the_trailers_of_any_client() {
        let mut violations = Violations::default();
        for i in 0..500 {
            violations
                .push(format!("app_spans[{i}].end_time_us"), "1766999999999000 is less than start_time_us");
        }
        let headers = ApiError::Invalid(violations).status("id").into_http::<Body>().headers().clone();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < 8000, "{bytes}");
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.ends_with("and%20493%20more"), "{message}");
    }
}
