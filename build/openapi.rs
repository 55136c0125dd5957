//! `/openapi.json` out of the compiled contract: paths from its `google.api.http` options, schemas from its
//! messages under their JSON names, words from its comments. It describes the REST door, which differs from
//! protobuf's own JSON in that 64-bit integers are numbers and every key of an answer is there.

use std::collections::BTreeMap;

use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage,
};
use serde_json::{Map, Value, json};

/// The keys that a request must have: protobuf cannot say so. A test asks the server.
const REQUIRED: [(&str, &[&str]); 2] = [
    ("CompleteTraceRequest", &["app_spans"]),
    ("AppSpan", &["trace_id", "span_id", "parent_span_id", "span_kind", "start_time_us", "end_time_us"]),
];
/// Messages that an answer may have null in place of.
const NULLABLE: [&str; 1] = ["Explanation"];
/// Codes of errors that any call may end with, and when.
const ERRORS: [(&str, &str); 9] = [
    ("400", "The request breaks the contract: all faults at once, each with its path."),
    ("401", "The caller has not said who it is."),
    ("403", "The caller may not ask this."),
    ("413", "The request or the answer is over a limit, which the message names."),
    ("415", "The request is compressed. Accept-Encoding says what is read."),
    ("429", "Shed before any work. Retry-After says when to come back."),
    ("500", "A fault of the server, or of its flow log."),
    ("503", "The flow log cannot be asked now."),
    ("504", "The time was up before anything was found."),
];

/// The document, as the server sends it.
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
        ("/healthz", "Whether the server runs.", json!({"200": {"description": "It runs."}})),
        (
            "/readyz",
            "Whether the flow log answers.",
            json!({"200": {"description": "It does."}, "503": {"description": "It does not."}}),
        ),
        (
            "/openapi.json",
            "This document.",
            json!({"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}}}),
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
            "description": "The REST door of the gRPC service. Requests are read strictly: an unknown key is an \
                error, and 64-bit integers may be quoted. The spellings APP_SPANS, MAX_ITERATION and \
                NETWORK_DELAY_US are read too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas.done},
    });
    format!("{document:#}\n")
}

/// Path and verb of a method, if it has an HTTP door.
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
        "description": "Names the request in the server's log.", "schema": {"type": "string"},
    }});
    let answer = schemas.of(&method.output(), Side::Answer);
    let mut responses = Map::new();
    for (code, about) in [
        ("200", "All that there is: OPT_STATUS is SUCCESS."),
        ("206", "OPT_STATUS is PARTIAL_RESULT, and DESCRIPTION says what is missing."),
    ] {
        let response = json!({"description": about, "headers": headers, "content": body(answer.clone())});
        responses.insert(code.to_owned(), response);
    }
    for (code, about) in ERRORS {
        let mut headers = headers.clone();
        if code == "429" {
            headers["Retry-After"] = json!({"description": "In seconds.", "schema": {"type": "integer"}});
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

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

/// The schemas that are needed, by name.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<String, Value>,
}

impl Schemas {
    /// A reference to the schema of a message, which is made if there is none.
    fn of(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        let name = message.name().to_owned();
        if !self.done.contains_key(&name) {
            // Before its fields: they may lead back here.
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
        "description": "Why there is no answer, in the documented envelope and in grpc-gateway's.",
        "properties": {
            "OPT_STATUS": {
                "type": "string",
                "enum": [
                    "INVALID_POST_DATA", "FORBIDDEN", "NOT_FOUND", "NOT_ALLOW_METHOD", "SERVER_BUSY", "SERVER_ERROR",
                    "INTERNAL_SERVER_ERROR",
                ],
            },
            "DESCRIPTION": text("Why, for people."),
            "code": {"type": "integer", "minimum": 1, "description": "Number of the google.rpc.Code."},
            "message": text("As DESCRIPTION."),
            "details": {
                "type": "array",
                "description": "google.rpc.ErrorInfo always, BadRequest with the faults of a request, RetryInfo \
                    where the server is busy.",
                "items": {
                    "type": "object",
                    "properties": {
                        "@type": text("\"type.googleapis.com/\" and the name of the message."),
                        "reason": {"$ref": "#/components/schemas/ErrorReason"},
                        "domain": text("tracecompletion.v1"),
                        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                        "retryDelay": text("Seconds, followed by \"s\"."),
                        "fieldViolations": {"type": "array", "items": {
                            "type": "object",
                            "properties": {
                                "field": text("Path of the fault; empty for the request as a whole."),
                                "description": text("What is wrong."),
                                "reason": text("Always empty; ErrorInfo has the reason."),
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

/// The comment at a path of a file: paragraphs, without the line breaks in them.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let source = file.file_descriptor_proto().source_code_info.as_ref();
    let location = source.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.map(|location| location.leading_comments()).unwrap_or_default();
    let paragraphs =
        text.split("\n\n").map(|paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}
