//! The words of a refusal: an error as a gRPC status, as data in a stream, and as a REST answer (api section 5).
//!
//! This is the one place where a failure is noted for the log. No error reaches a caller on another way, so none
//! can be forgotten.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use prost::Message;
use serde::Serialize;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{error::ApiError, http::json, scope::Scope};
use crate::contract::proto::PACKAGE;

/// Seconds after which a caller that was shed may try again.
const RETRY_AFTER_S: u64 = 1;
/// Most bytes of faults in the message and in the details of a gRPC status. Both travel encoded in trailers, the message
/// twice, and a Java client accepts at most 8 KiB of trailers by default.
const MESSAGE_BYTES: usize = 500;
const DETAILS_BYTES: usize = 2500;

/// An error on its way to the caller of a request.
pub(super) struct Refusal<'a> {
    error: &'a ApiError,
    /// Empty where the request has none: nobody supervises its path.
    request_id: &'a str,
}

impl<'a> Refusal<'a> {
    /// The refusal of a supervised request. The failure is noted for its log line.
    pub(super) fn of(scope: &'a Scope, error: &'a ApiError) -> Self {
        scope.failed(error.http().1);
        Refusal { error, request_id: &scope.request_id }
    }

    /// The refusal of a request that nobody supervises and that gets no log line, such as one at an unknown path.
    pub(super) fn unsupervised(error: &'a ApiError) -> Self {
        Refusal { error, request_id: "" }
    }

    /// The text for the caller.
    fn message(&self) -> String {
        match self.error {
            ApiError::Invalid(violations) => violations.to_string(),
            ApiError::Internal => match self.request_id {
                "" => "internal error".to_owned(),
                id => format!("internal error, request id {id}"),
            },
            other => other.to_string(),
        }
    }

    /// The error as a gRPC status.
    pub(super) fn status(&self) -> Status {
        let mut message = self.message();
        let mut details = ErrorDetails::with_error_info(
            self.error.reason().as_str_name(),
            PACKAGE,
            metadata(self.request_id)
                .map(|(name, id)| (name.to_owned(), id.to_owned()))
                .collect::<HashMap<_, _>>(),
        );
        match self.error {
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
        Status::with_error_details(self.error.code(), message, details)
    }

    /// The error as a status that travels as data, among the answers of a stream.
    pub(super) fn rpc_status(&self) -> tonic_types::Status {
        // The bytes of a status's details are an encoded `google.rpc.Status`.
        tonic_types::Status::decode(self.status().details()).unwrap_or_default()
    }

    /// The error as a REST answer. Its body has the fields of the documented envelope and those of grpc-gateway.
    pub(super) fn response(&self) -> Response<Body> {
        let message = self.message();
        let (status, opt_status) = self.error.http();
        // In the order of the details of a gRPC status.
        let mut details = Vec::new();
        if let ApiError::Busy(_) = self.error {
            details.push(RestDetail::RetryInfo {
                kind: "type.googleapis.com/google.rpc.RetryInfo",
                retry_delay: format!("{RETRY_AFTER_S}s"),
            });
        }
        details.push(RestDetail::ErrorInfo {
            kind: "type.googleapis.com/google.rpc.ErrorInfo",
            reason: self.error.reason().as_str_name(),
            domain: PACKAGE,
            metadata: metadata(self.request_id).collect(),
        });
        if let ApiError::Invalid(violations) = self.error {
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
            code: self.error.code() as i32,
            message: &message,
            details,
        };
        let mut response = json(status, &body);
        match self.error {
            ApiError::Busy(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            // Tells the caller which encoding the server reads.
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
    /// Never set. grpc-gateway prints every field of google.rpc.BadRequest, so this door does the same.
    reason: &'static str,
    /// Likewise.
    #[serde(rename = "localizedMessage")]
    localized_message: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use axum::http::StatusCode;
    use tonic::Code;

    use super::*;
    use crate::contract::{Violations, proto::ErrorReason};

    fn scope() -> Arc<Scope> {
        Scope::new("id".to_owned(), "grpc", "CompleteTrace", Duration::from_secs(60))
    }

    #[test]
    fn a_refusal_is_noted_where_it_is_made() {
        let scope = scope();
        let error = ApiError::Busy(String::new());
        let _ = Refusal::of(&scope, &error);
        assert_eq!(scope.outcome(), Some("SERVER_BUSY"));
    }

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
            let scope = scope();
            let refusal = Refusal::of(&scope, &error);
            let status = refusal.status();
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.as_str(), "tracecompletion.v1"));
            assert_eq!(info.metadata["request_id"], "id");
            let data = refusal.rpc_status();
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
        let headers = Refusal::of(&scope(), &ApiError::Invalid(violations))
            .status()
            .into_http::<Body>()
            .headers()
            .clone();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < 8000, "{bytes}");
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.ends_with("and%20493%20more"), "{message}");
    }
}
