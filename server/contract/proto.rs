//! The contract as generated from `proto/tracecompletion/v1`.

#![allow(missing_docs, unreachable_pub, rustdoc::invalid_html_tags, clippy::all, clippy::pedantic)] // generated

tonic::include_proto!("tracecompletion.v1");

/// The compiled contract with everything it imports, as reflection serves it.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// Name of the service, as health checks and reflection know it.
pub const SERVICE_NAME: &str = trace_completion_service_server::SERVICE_NAME;

/// Name of the package, and the domain of error reasons.
pub const PACKAGE: &str = "tracecompletion.v1";

/// The OpenAPI document of the REST door.
pub const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Path of the REST door. A trailing slash is accepted too.
pub const REST_PATH: &str = "/v1/stats/querier/tracing-completion-by-external-app-spans";
