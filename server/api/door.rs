//! The doors: by which protocol a caller came in, and how each says an error.

use axum::{body::Body, http::Response};

use super::refusal::Refusal;

/// A door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    /// gRPC.
    Grpc,
    /// JSON over HTTP.
    Rest,
}

impl Door {
    /// The refusal as this door says it.
    pub(super) fn refuse(self, refusal: &Refusal<'_>) -> Response<Body> {
        match self {
            Door::Grpc => refusal.status().into_http(),
            Door::Rest => refusal.response(),
        }
    }

    /// Its name in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Door::Grpc => "grpc",
            Door::Rest => "rest",
        }
    }

    /// The method behind a path of this door; `None` where there is none.
    pub(super) fn method(self, path: &str) -> Option<&'static str> {
        const METHODS: [&str; 3] = ["CompleteTrace", "StreamCompleteTrace", "BatchCompleteTrace"];
        match self {
            Door::Rest => Some("CompleteTrace"),
            Door::Grpc => {
                let called = path.rsplit('/').next()?;
                METHODS.into_iter().find(|method| *method == called)
            }
        }
    }
}
