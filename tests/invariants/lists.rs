//! ARCHITECTURE.md and the README list what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use trace_completion::config::Config;

use crate::{read, server_folder};

/// The crates of a manifest's tables of dependencies.
fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .flat_map(|table| manifest[*table].as_table().unwrap().keys().cloned())
        .collect()
}

#[test]
fn every_dependency_has_its_line() {
    let text = read("ARCHITECTURE.md");
    let listed: BTreeSet<String> = text
        .lines()
        .skip_while(|line| *line != "## Dependencies")
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .collect();
    assert_eq!(listed, dependencies());
}

#[test]
fn every_room_is_on_the_map() {
    let text = read("ARCHITECTURE.md");
    for entry in fs::read_dir(server_folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("`server/{name}")), "server/{name} is not in ARCHITECTURE.md");
    }
}

/// Each key with its default, as the README's table writes them.
fn defaults() -> BTreeMap<String, String> {
    let printed: toml::Table = Config::default().print().parse().unwrap();
    let mut keys = BTreeMap::new();
    for (table, values) in printed {
        for (key, value) in values.as_table().unwrap() {
            keys.insert(format!("{table}.{key}"), value.to_string());
        }
    }
    keys
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    let text = read("README.md");
    let listed: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let key = cells.next()?.strip_suffix('`')?;
            let default = cells.next()?.trim_matches('`');
            let is_key =
                key.contains('.') && key.chars().all(|c| c == '.' || c == '_' || c.is_alphanumeric());
            is_key.then(|| (key.to_owned(), default.to_owned()))
        })
        .collect();
    assert_eq!(listed, defaults());
}
