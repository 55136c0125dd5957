//! Compiles the contract with `protox`, so that nobody has to install `protoc`.

#[path = "build/openapi.rs"]
mod openapi;

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 2] =
    ["tracecompletion/v1/error_reason.proto", "tracecompletion/v1/trace_completion.proto"];
const PACKAGE: &str = ".tracecompletion.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(false).open_files(FILES)?;
    // The reflection service sends this set. It has no comments, and protox encodes it, because the structs of
    // prost would lose the `google.api.http` options.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;

    fs::write(out.join("openapi.json"), openapi::document(&compiler.descriptor_pool(), &PACKAGE[1..]))?;

    let files = compiler.include_source_info(true).file_descriptor_set();

    // The REST door prints these same structs, so each key must be the documented json_name.
    let mut config = tonic_prost_build::configure()
        .btree_map(".")
        .build_transport(false)
        .extern_path(".google.rpc.Status", "::tonic_types::pb::Status");
    for message in files.file.iter().filter(|f| f.package() == &PACKAGE[1..]).flat_map(|f| &f.message_type) {
        if !ANSWERS.contains(&message.name()) {
            continue;
        }
        let path = format!("{PACKAGE}.{}", message.name());
        config = config.message_attribute(&path, "#[derive(serde::Serialize)]");
        for field in &message.field {
            let rename = format!("#[serde(rename = {:?})]", field.json_name());
            config = config.field_attribute(format!("{path}.{}", field.name()), rename);
        }
    }
    config.compile_fds(files)?;
    Ok(())
}

/// The messages that the REST door prints.
const ANSWERS: [&str; 9] = [
    "CompleteTraceResponse",
    "CompletedTrace",
    "Span",
    "Explanation",
    "SearchRound",
    "SpanReason",
    "RefusedParent",
    "PrunedTree",
    "ClockReason",
];
