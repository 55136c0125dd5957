//! Why a request got no answer, and how each door says so (api section 5). The `match`es below are the
//! only places that choose a code or a reason.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use prost::Message;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{
    proto::{ErrorReason, PACKAGE},
    validate::Violations,
};
use crate::{config::Limits, store::StoreError};

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
    /// The messages are compressed, in this way.
    #[error("messages compressed with {0} are not read")]
    UnsupportedEncoding(String),
    /// The content type is not that of the door.
    #[error(
        "content type {0} is not read at the path of a gRPC service; over REST, POST JSON to {rest}",
        rest = super::rest::PATH
    )]
    UnsupportedType(String),
    /// A body or message is over a limit. The text names the limit.
    #[error("{0}")]
    RequestTooLarge(String),
    /// The answer is over a limit. The text names the limit.
    #[error("{0}")]
    AnswerTooLarge(String),
    /// Shed before any work. The text names the limit.
    #[error("the server is busy: {0}")]
    Busy(String),
    /// The flow log cannot be asked now.
    #[error("the flow log is unavailable: it cannot be reached")]
    StoreUnreachable,
    /// The flow log will not talk to this server. The credentials are the server's, not the caller's:
    /// until an operator mends them it is as good as without a store, and its readiness says the same.
    #[error("the flow log is unavailable: it refuses access to this server")]
    StoreDenied,
    /// The server ends, and a stream with it.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The time was up before anything was found, or a stream was not read. The text names the limit.
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

    /// The reason, for programs.
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
        let mut message = self.message(request_id);
        let mut details = ErrorDetails::with_error_info(
            self.reason().as_str_name(),
            PACKAGE,
            metadata(request_id)
                .map(|(name, id)| (name.to_owned(), id.to_owned()))
                .collect::<HashMap<_, _>>(),
        );
        match self {
            ApiError::Invalid(violations) => {
                let fields = violations.fitting(DETAILS_BYTES).list;
                let fields: Vec<_> =
                    fields.iter().map(|v| FieldViolation::new(&v.path, &v.message)).collect();
                details.set_bad_request(fields);
                message = violations.fitting(MESSAGE_BYTES).to_string();
            }
            ApiError::Busy(_) => {
                details.set_retry_info(Some(std::time::Duration::from_secs(RETRY_AFTER_S)));
            }
            _ => {}
        }
        Status::with_error_details(self.code(), message, details)
    }

    /// The error as a status that travels as data, among the answers of a stream.
    pub fn rpc_status(&self, request_id: &str) -> tonic_types::Status {
        // The details of a status with details are such a message.
        tonic_types::Status::decode(self.status(request_id).details()).unwrap_or_default()
    }

    /// The error as a REST answer, in both shapes at once.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        let message = self.message(request_id);
        let (status, opt_status) = self.http();
        // In the order in which a gRPC status has them.
        let mut details = Vec::new();
        if let ApiError::Busy(_) = self {
            details.push(RestDetail::RetryInfo {
                kind: "type.googleapis.com/google.rpc.RetryInfo",
                retry_delay: format!("{RETRY_AFTER_S}s"),
            });
        }
        details.push(RestDetail::ErrorInfo {
            kind: "type.googleapis.com/google.rpc.ErrorInfo",
            reason: self.reason().as_str_name(),
            domain: PACKAGE,
            metadata: metadata(request_id).collect(),
        });
        if let ApiError::Invalid(violations) = self {
            details.push(RestDetail::BadRequest {
                kind: "type.googleapis.com/google.rpc.BadRequest",
                field_violations: violations
                    .list
                    .iter()
                    .map(|v| RestViolation {
                        field: &v.path,
                        description: &v.message,
                        reason: "",
                        localized_message: None,
                    })
                    .collect(),
            });
        }
        let body = RestError {
            opt_status,
            description: &message,
            code: self.code() as i32,
            message: &message,
            details,
        };
        let mut response = super::rest::json(status, &body);
        match self {
            ApiError::Busy(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            // Which one is read.
            ApiError::UnsupportedEncoding(_) => {
                response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            _ => {}
        }
        response
    }
}

/// The metadata of every ErrorInfo.
fn metadata(request_id: &str) -> impl Iterator<Item = (&'static str, &str)> {
    Some(("request_id", request_id)).filter(|(_, id)| !id.is_empty()).into_iter()
}

/// The contract's error for a message that tonic refused, with a code that is not of the contract:
/// OUT_OF_RANGE for one that is too large, INTERNAL for one that is no valid protobuf, UNIMPLEMENTED for
/// a compressed one. `None` for everything else: a caller that is gone.
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
    ErrorInfo {
        #[serde(rename = "@type")]
        kind: &'static str,
        reason: &'static str,
        domain: &'static str,
        metadata: BTreeMap<&'static str, &'a str>,
    },
}

#[derive(Serialize)]
struct RestViolation<'a> {
    field: &'a str,
    description: &'a str,
    /// Never set; a gateway prints every field of google.rpc.BadRequest, and so does this door.
    reason: &'static str,
    /// Likewise.
    #[serde(rename = "localizedMessage")]
    localized_message: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_contract() {
        let text = String::new;
        let mut reasons = vec![ErrorReason::Unspecified];
        for (error, code, http, opt_status, reason) in [
            (
                ApiError::Invalid(Violations::one("a", "b")),
                Code::InvalidArgument,
                400,
                "INVALID_POST_DATA",
                "INVALID_REQUEST",
            ),
            (ApiError::Unauthenticated, Code::Unauthenticated, 401, "FORBIDDEN", "UNAUTHENTICATED"),
            (ApiError::Forbidden, Code::PermissionDenied, 403, "FORBIDDEN", "PERMISSION_DENIED"),
            (ApiError::UnknownPath(text()), Code::Unimplemented, 404, "NOT_FOUND", "UNKNOWN_METHOD"),
            (ApiError::WrongMethod(text()), Code::Unimplemented, 405, "NOT_ALLOW_METHOD", "UNKNOWN_METHOD"),
            (
                ApiError::UnsupportedEncoding(text()),
                Code::Unimplemented,
                415,
                "INVALID_POST_DATA",
                "UNSUPPORTED_ENCODING",
            ),
            (
                ApiError::UnsupportedType(text()),
                Code::Unimplemented,
                415,
                "INVALID_POST_DATA",
                "UNSUPPORTED_ENCODING",
            ),
            (
                ApiError::RequestTooLarge(text()),
                Code::ResourceExhausted,
                413,
                "INVALID_POST_DATA",
                "REQUEST_TOO_LARGE",
            ),
            (
                ApiError::AnswerTooLarge(text()),
                Code::ResourceExhausted,
                413,
                "INVALID_POST_DATA",
                "ANSWER_TOO_LARGE",
            ),
            (ApiError::Busy(text()), Code::ResourceExhausted, 429, "SERVER_BUSY", "SERVER_BUSY"),
            (ApiError::StoreUnreachable, Code::Unavailable, 503, "SERVER_ERROR", "STORE_UNREACHABLE"),
            (ApiError::StoreDenied, Code::Unavailable, 503, "SERVER_ERROR", "STORE_DENIED"),
            (ApiError::Schema(text()), Code::Internal, 500, "INTERNAL_SERVER_ERROR", "STORE_SCHEMA"),
            (ApiError::Deadline(text()), Code::DeadlineExceeded, 504, "SERVER_ERROR", "DEADLINE_EXCEEDED"),
            (ApiError::Internal, Code::Internal, 500, "INTERNAL_SERVER_ERROR", "INTERNAL"),
            (ApiError::ShuttingDown, Code::Unavailable, 503, "SERVER_ERROR", "SHUTTING_DOWN"),
        ] {
            assert_eq!(error.code(), code, "{error:?}");
            assert_eq!(error.http(), (StatusCode::from_u16(http).unwrap(), opt_status), "{error:?}");

            let reason = format!("ERROR_REASON_{reason}");
            let status = error.status("id");
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.as_str(), "tracecompletion.v1"));
            assert_eq!(info.metadata["request_id"], "id");
            let data = error.rpc_status("id");
            assert_eq!((data.code, data.message.as_str()), (code as i32, status.message()));
            assert_eq!(data.details.len(), status.get_error_details_vec().len());
            reasons.push(error.reason());
        }
        reasons.dedup();
        let all: Vec<_> = (0..).map_while(|number| ErrorReason::try_from(number).ok()).collect();
        assert_eq!(reasons, all, "each reason of the contract has its error");
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
