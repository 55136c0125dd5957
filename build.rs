//! Compiles the contract with `protox`, so that no `protoc` has to be installed.

use std::{env, error::Error, fs, path::PathBuf};

const PACKAGE: &str = ".tracecompletion.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");

    let files = protox::compile(["tracecompletion/v1/trace_completion.proto"], ["proto"])?;

    // Reflection serves this set; the comments stay out of it.
    let mut set = files.clone();
    for file in &mut set.file {
        file.source_code_info = None;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor.bin"), prost_bytes(&set))?;

    // The REST door prints these very structs: each key is the documented json_name.
    let mut config = tonic_prost_build::configure().btree_map(".").build_transport(false);
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
const ANSWERS: [&str; 3] = ["CompleteTraceResponse", "CompletedTrace", "Span"];

fn prost_bytes(set: &impl protox::prost::Message) -> Vec<u8> {
    set.encode_to_vec()
}
