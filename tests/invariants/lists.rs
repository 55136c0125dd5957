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

fn listed_dependencies(text: &str) -> BTreeSet<String> {
    text.lines()
        .skip_while(|line| *line != "## Dependencies")
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .collect()
}

#[test]
fn every_dependency_has_its_line() {
    assert_eq!(listed_dependencies(&read("ARCHITECTURE.md")), dependencies());
}

#[test]
fn a_list_without_a_dependency_is_refused() {
    let text = read("ARCHITECTURE.md").replace("| `axum` |", "| axum |");
    assert_ne!(listed_dependencies(&text), dependencies());
}

/// Rooms that a map does not name.
fn missing_rooms(map: &str) -> Vec<String> {
    let entries = fs::read_dir(server_folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !map.contains(&format!("`server/{name}"))).collect()
}

#[test]
fn every_room_is_on_the_map() {
    assert_eq!(missing_rooms(&read("ARCHITECTURE.md")), [""; 0]);
}

#[test]
fn a_map_without_a_room_is_refused() {
    let map = read("ARCHITECTURE.md").replace("`server/replay", "`server/played");
    assert_eq!(missing_rooms(&map), ["replay"]);
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

fn listed_defaults(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let key = cells.next()?.strip_suffix('`')?;
            let default = cells.next()?.trim_matches('`');
            let is_key =
                key.contains('.') && key.chars().all(|c| c == '.' || c == '_' || c.is_alphanumeric());
            is_key.then(|| (key.to_owned(), default.to_owned()))
        })
        .collect()
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    assert_eq!(listed_defaults(&read("README.md")), defaults());
}

#[test]
fn a_readme_with_another_default_is_refused() {
    let text =
        read("README.md").replace("| `limits.max_streams` | `256` |", "| `limits.max_streams` | `255` |");
    assert_ne!(listed_defaults(&text), defaults());
}
