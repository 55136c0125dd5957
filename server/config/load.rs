//! Reads a configuration: the file, and the environment over it.

use std::{ffi::OsString, fs, path::Path};

use serde::Deserialize;
use toml::Table;

use super::{environment, error::ConfigError, fault, tables::Config};

impl Config {
    /// Reads the file, if there is one, and the environment over it. Checks types only, because flags may
    /// still change values; [`Config::check`] comes last.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Config, ConfigError> {
        let mut table = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        environment::overlay(&mut table, environment)?;
        // The file and each variable have been read before, so this does not fail.
        Config::deserialize(table)
            .map_err(|e| ConfigError::Value { key: "config".to_owned(), problem: fault::one_line(&e) })
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let fault = |e: toml::de::Error, problem: String| ConfigError::file(path, &text, &e, problem);
    let table = toml::from_str(&text).map_err(|e| fault(e.clone(), fault::one_line(&e)))?;
    // From the text again: these errors have a place in the file.
    let read = toml::Deserializer::parse(&text).map_err(|e| fault(e.clone(), fault::one_line(&e)))?;
    serde_path_to_error::deserialize::<_, Config>(read).map_err(|e| {
        let (key, problem) = fault::explain(&e, &table);
        fault(e.into_inner(), format!("{key}: {problem}"))
    })?;
    Ok(table)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
