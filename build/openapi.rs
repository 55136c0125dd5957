//! Makes `/openapi.json` from the compiled contract. The paths come from its `google.api.http` options, the
//! schemas from its messages with their JSON names, and the descriptions from its comments. The document
//! describes the REST door. Its JSON differs from the JSON of protobuf: 64-bit integers are numbers, and an
//! answer always has every key.

use std::collections::BTreeMap;

use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage,
};
use serde_json::{Map, Value, json};

/// The keys that a request must have, which protobuf cannot express. A test compares them with the server.
const REQUIRED: [(&str, &[&str]); 2] = [
    ("CompleteTraceRequest", &["app_spans"]),
    ("AppSpan", &["trace_id", "span_id", "parent_span_id", "span_kind", "start_time_us", "end_time_us"]),
];
/// Messages that may be null in an answer.
const NULLABLE: [&str; 1] = ["Explanation"];
/// HTTP status codes of errors that every call may return, with their descriptions.
const ERRORS: [(&str, &str); 9] = [
    ("400", "The request is invalid. The error lists all faults, each with its path."),
    ("401", "The caller did not prove who it is."),
    ("403", "The caller is not allowed to ask this."),
    ("413", "The request or the answer is larger than a limit, which the message names."),
    ("415", "The request is compressed. Accept-Encoding says which encodings the server reads."),
    ("429", "The server is busy and did not work on the request. Retry-After says when to try again."),
    ("500", "A fault of the server or of its flow log."),
    ("503", "The flow log cannot be reached now."),
    ("504", "The deadline passed before anything was found."),
];

/// Makes the document, as the server sends it.
pub fn document(pool: &DescriptorPool, package: &str) -> String {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    let mut about = String::new();
    for service in pool.services().filter(|service| service.package_name() == package) {
        about = comment(&service.parent_file(), service.path());
        for method in service.methods() {
            if let Some((path, verb)) = http_rule(pool, &method) {
                paths.insert(path, json!({ verb: operation(&method, &mut schemas) }));
            }
        }
    }
    for (path, about, answers) in [
        ("/healthz", "Whether the server runs.", json!({"200": {"description": "The server runs."}})),
        (
            "/readyz",
            "Whether the flow log answers.",
            json!({
                "200": {"description": "The flow log answers."},
                "503": {"description": "The flow log does not answer."},
            }),
        ),
        (
            "/openapi.json",
            "This document.",
            json!({"200": {
                "description": "The OpenAPI document.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }}),
        ),
    ] {
        let id = path.trim_start_matches('/').replace(".json", "");
        paths.insert(
            path.to_owned(),
            json!({"get": {"operationId": id, "summary": about, "responses": answers}}),
        );
    }
    schemas.done.insert("Error".to_owned(), error_schema());
    if let Some(reasons) = pool.get_enum_by_name(&format!("{package}.ErrorReason")) {
        schemas.done.insert("ErrorReason".to_owned(), reasons_schema(&reasons));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trace Completion",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": about,
            "description": "The REST interface of the gRPC service. An unknown key in a request is an error. \
                64-bit integers in a request may be in quotes. The spellings APP_SPANS, MAX_ITERATION and \
                NETWORK_DELAY_US are accepted too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas.done},
    });
    format!("{document:#}\n")
}

/// The HTTP path and verb of a method, if the contract gives it one.
fn http_rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<(String, String)> {
    let extension = pool.get_extension_by_name("google.api.http")?;
    let options = method.options();
    let value = options.get_extension(&extension);
    let rule = value.as_message()?;
    ["get", "put", "post", "delete", "patch"].into_iter().find_map(|verb| {
        let field = rule.descriptor().get_field_by_name(verb)?;
        let has = rule.has_field(&field);
        has.then(|| Some((rule.get_field(&field).as_str()?.to_owned(), verb.to_owned())))?
    })
}

fn operation(method: &MethodDescriptor, schemas: &mut Schemas) -> Value {
    let text = comment(&method.parent_file(), method.path());
    let (summary, description) = text.split_once("\n\n").unwrap_or((&text, ""));
    let body = |schema: Value| json!({"application/json": {"schema": schema}});
    let headers = json!({"x-request-id": {
        "description": "The id of the request in the log of the server.", "schema": {"type": "string"},
    }});
    let answer = schemas.of(&method.output(), Side::Answer);
    let mut responses = Map::new();
    for (code, about) in [
        ("200", "The complete answer: OPT_STATUS is SUCCESS."),
        ("206", "A partial answer: OPT_STATUS is PARTIAL_RESULT, and DESCRIPTION says what is missing."),
    ] {
        let response = json!({"description": about, "headers": headers, "content": body(answer.clone())});
        responses.insert(code.to_owned(), response);
    }
    for (code, about) in ERRORS {
        let mut headers = headers.clone();
        if code == "429" {
            headers["Retry-After"] =
                json!({"description": "Time to wait, in seconds.", "schema": {"type": "integer"}});
        }
        if code == "415" {
            headers["Accept-Encoding"] = json!({"description": "identity", "schema": {"type": "string"}});
        }
        let content = body(json!({"$ref": "#/components/schemas/Error"}));
        responses
            .insert(code.to_owned(), json!({"description": about, "headers": headers, "content": content}));
    }
    json!({
        "operationId": method.name(),
        "summary": summary,
        "description": description,
        "requestBody": {"required": true, "content": body(schemas.of(&method.input(), Side::Request))},
        "responses": responses,
    })
}

/// Whether a message is a part of a request or of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

/// The schemas that the document needs, by name.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<String, Value>,
}

impl Schemas {
    /// A reference to the schema of a message. The schema is made at its first use.
    fn of(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        let name = message.name().to_owned();
        if !self.done.contains_key(&name) {
            // Its fields may refer to this message again, so its name must be known before they are visited.
            self.done.insert(name.clone(), Value::Null);
            let schema = self.message(message, side);
            self.done.insert(name.clone(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn message(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        let mut properties = Map::new();
        for field in message.fields() {
            let mut schema = self.field(&field, side);
            schema["description"] = comment(&field.parent_message().parent_file(), field.path()).into();
            properties.insert(field.json_name().to_owned(), schema);
        }
        let required: Vec<String> = match side {
            Side::Answer => properties.keys().cloned().collect(),
            Side::Request => {
                let keys = REQUIRED.iter().find(|(name, _)| *name == message.name()).map(|(_, keys)| *keys);
                keys.unwrap_or_default().iter().map(ToString::to_string).collect()
            }
        };
        json!({
            "type": "object",
            "description": comment(&message.parent_file(), message.path()),
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn field(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let values = self.kind(&entry.map_entry_value_field().kind(), side);
            return json!({"type": "object", "additionalProperties": values});
        }
        let schema = self.kind(&kind, side);
        if field.is_list() { json!({"type": "array", "items": schema}) } else { schema }
    }

    fn kind(&mut self, kind: &Kind, side: Side) -> Value {
        match kind {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "integer", "format": "int64"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "uint32", "minimum": 0}),
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "integer", "format": "uint64", "minimum": 0}),
            Kind::Float | Kind::Double => json!({"type": "number"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Enum(kinds) => {
                let (numbers, names): (Vec<_>, Vec<_>) =
                    kinds.values().map(|value| (value.number(), value.name().to_owned())).unzip();
                json!({"anyOf": [{"type": "integer", "enum": numbers}, {"type": "string", "enum": names}]})
            }
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Int32Value" => json!({"type": ["integer", "null"], "format": "int32"}),
                "google.protobuf.StringValue" => json!({"type": ["string", "null"]}),
                _ => {
                    let schema = self.of(message, side);
                    let nullable = side == Side::Answer && NULLABLE.contains(&message.name());
                    if nullable { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
                }
            },
        }
    }
}

fn error_schema() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({
        "type": "object",
        "description": "Why the call failed. The keys are those of the documented answer and those of grpc-gateway.",
        "properties": {
            "OPT_STATUS": {
                "type": "string",
                "enum": [
                    "INVALID_POST_DATA", "FORBIDDEN", "NOT_FOUND", "NOT_ALLOW_METHOD", "SERVER_BUSY", "SERVER_ERROR",
                    "INTERNAL_SERVER_ERROR",
                ],
            },
            "DESCRIPTION": text("The reason, for people."),
            "code": {"type": "integer", "minimum": 1, "description": "The number of the gRPC code (google.rpc.Code)."},
            "message": text("The same text as DESCRIPTION."),
            "details": {
                "type": "array",
                "description": "Always a google.rpc.ErrorInfo; for an invalid request a BadRequest with its faults; if \
                    the server is busy, a RetryInfo.",
                "items": {
                    "type": "object",
                    "properties": {
                        "@type": text("\"type.googleapis.com/\" followed by the name of the message."),
                        "reason": {"$ref": "#/components/schemas/ErrorReason"},
                        "domain": text("Always tracecompletion.v1."),
                        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                        "retryDelay": text("Time to wait: seconds, followed by \"s\"."),
                        "fieldViolations": {"type": "array", "items": {
                            "type": "object",
                            "properties": {
                                "field": text("Path of the wrong value; empty if the fault is about the whole request."),
                                "description": text("What is wrong."),
                                "reason": text("Always empty. The reason is in the ErrorInfo."),
                                "localizedMessage": {"type": "null"},
                            },
                            "required": ["field", "description", "reason", "localizedMessage"],
                            "additionalProperties": false,
                        }},
                    },
                    "required": ["@type"],
                    "additionalProperties": false,
                },
            },
        },
        "required": ["OPT_STATUS", "DESCRIPTION", "code", "message", "details"],
        "additionalProperties": false,
    })
}

fn reasons_schema(reasons: &EnumDescriptor) -> Value {
    let file = reasons.parent_file();
    let mut text = comment(&file, reasons.path());
    for value in reasons.values() {
        text.push_str(&format!("\n\n{}: {}", value.name(), comment(&file, value.path())));
    }
    let names: Vec<String> = reasons.values().map(|value| value.name().to_owned()).collect();
    json!({"type": "string", "enum": names, "description": text})
}

/// The comment at a path of a file. Paragraphs stay apart; line breaks inside them become spaces.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let source = file.file_descriptor_proto().source_code_info.as_ref();
    let location = source.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.map(|location| location.leading_comments()).unwrap_or_default();
    let paragraphs =
        text.split("\n\n").map(|paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}
