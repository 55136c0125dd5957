//! What is absent from the sources, as ARCHITECTURE.md promises, and that it and the README list what
//! there is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use trace_completion::config::Config;

/// A source file without its comments and tests.
struct Source {
    /// From the repository's root, such as `server/engine/tree.rs`.
    path: String,
    code: String,
}

impl Source {
    fn lines_with<'a>(&'a self, word: &str) -> impl Iterator<Item = String> + 'a {
        let word = word.to_owned();
        let lines = self.code.lines().enumerate().filter(move |(_, line)| has(line, &word));
        lines.map(|(number, line)| format!("{}:{}: {}", self.path, number + 1, line.trim()))
    }
}

/// Whether a line has the word, not as a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let starts_word = word.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let ends_word = word.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let before = starts_word && part_of_word(line[..at].chars().next_back());
        let behind = ends_word && part_of_word(line[at + word.len()..].chars().next());
        !before && !behind
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A file up to its tests, which are its end.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&root().join("server"), &mut files);
    files.retain(|file| !file.to_str().unwrap().ends_with("_tests.rs"));
    files.sort();
    let without_comment = |line: &str| match line.trim_start() {
        comment if comment.starts_with("//") => String::new(),
        _ => line.to_owned(),
    };
    files
        .into_iter()
        .map(|file| Source {
            path: file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            code: program(&fs::read_to_string(&file).unwrap())
                .lines()
                .map(without_comment)
                .collect::<Vec<_>>()
                .join("\n"),
        })
        .collect()
}

/// Checks that none of the words is in any source outside the rooms.
fn only_in(rooms: &[&str], words: &[&str]) {
    let sources = sources();
    let outside = sources.iter().filter(|source| !rooms.iter().any(|room| source.path.starts_with(room)));
    let found: Vec<String> =
        outside.flat_map(|source| words.iter().flat_map(|word| source.lines_with(word))).collect();
    assert!(found.is_empty(), "outside {rooms:?}:\n{}", found.join("\n"));
}

/// Checks that none of the words is in any source of the rooms.
fn absent_from(rooms: &[&str], words: &[&str]) {
    let sources = sources();
    let inside: Vec<&Source> =
        sources.iter().filter(|source| rooms.iter().any(|room| source.path.starts_with(room))).collect();
    assert!(!inside.is_empty(), "{rooms:?} is no room");
    let found: Vec<String> =
        inside.iter().flat_map(|source| words.iter().flat_map(|word| source.lines_with(word))).collect();
    assert!(found.is_empty(), "in {rooms:?}:\n{}", found.join("\n"));
}

#[test]
fn the_core_does_not_wait_look_at_clocks_or_touch_the_world() {
    absent_from(
        &["server/engine/", "server/relation/", "server/flow/"],
        &[
            "async fn",
            "async move",
            ".await",
            "tokio",
            "std::time",
            "Instant",
            "SystemTime",
            "std::fs",
            "std::net",
            "std::env",
            "std::thread",
            "println!",
            "eprintln!",
        ],
    );
    absent_from(
        &["server/search/"],
        &["async fn", "async move", ".await", "tokio", "SystemTime", "std::fs", "std::net", "std::env"],
    );
}

/// Maps that hash at random would make the same question have different answers.
#[test]
fn nothing_in_the_core_depends_on_chance() {
    absent_from(
        &["server/engine/", "server/relation/", "server/search/"],
        &["HashMap::new()", "HashSet::new()", "RandomState", "rand::", "thread_rng"],
    );
    absent_from(&["server/engine/", "server/search/"], &["collections::HashMap", "collections::HashSet"]);
}

#[test]
fn only_the_store_writes_sql() {
    let statements = ["SELECT ", "INSERT INTO", "CREATE TABLE", "CREATE DICTIONARY", "SYSTEM RELOAD"];
    only_in(
        &[
            "server/store/",
            // the statement that keeps the child up
            "server/embedded/ffi.rs",
            // what somebody's service said to its database
            "server/demo/world.rs",
        ],
        &statements,
    );
    only_in(
        &["server/store/"],
        &["clickhouse::Client", "clickhouse::Row", "use clickhouse", "use ::clickhouse"],
    );
}

#[test]
fn nothing_that_serves_requests_writes() {
    only_in(&["server/store/", "server/embedded/", "server/cli/demo.rs"], &["FlowWriter"]);
}

#[test]
fn only_the_doors_know_tonic_and_axum() {
    only_in(&["server/api/"], &["axum"]);
    // the callers of `complete` and `demo`
    only_in(
        &[
            "server/api/",
            "server/contract/proto.rs",
            "server/cli/ask.rs",
            "server/cli/complete.rs",
            "server/cli/demo.rs",
        ],
        &["tonic"],
    );
}

#[test]
fn only_the_call_into_the_library_is_unsafe() {
    only_in(&["server/embedded/ffi.rs"], &["unsafe"]);
    only_in(&["server/embedded/ffi.rs"], &["unsafe_code"]);
}

/// Which rooms a room may know. A room that is not listed, such as `main.rs`, may know all.
const MAY_KNOW: [(&str, &[&str]); 12] = [
    ("flow", &[]),
    ("relation", &["flow"]),
    ("search", &["config", "flow", "relation"]),
    ("engine", &["config", "flow", "relation"]),
    ("store", &["flow", "search"]),
    ("config", &["store"]),
    ("offload", &[]),
    ("completion", &["config", "engine", "flow", "offload", "search", "store"]),
    ("contract", &["completion", "config", "engine", "flow", "search"]),
    ("api", &["completion", "config", "contract", "flow", "offload", "store", "telemetry"]),
    ("embedded", &["store"]),
    ("demo", &["contract", "flow", "store"]),
];

#[test]
fn rooms_know_only_the_rooms_below() {
    let mut faults = Vec::new();
    for source in sources() {
        let room = source.path.trim_start_matches("server/").split(['/', '.']).next().unwrap();
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(name, _)| *name == room) else { continue };
        for known in rooms_known(&source.code) {
            if known != room && !may_know.contains(&known.as_str()) {
                faults.push(format!("{} knows {known}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The first names behind each `crate::`, in braces or not.
fn rooms_known(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(braced) = rest.strip_prefix('{') else {
            rooms.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            continue;
        };
        let mut depth = 0;
        let mut top = String::new();
        for c in braced.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                c if depth == 0 => top.push(c),
                _ => {}
            }
        }
        rooms.extend(top.split(',').map(|item| item.split("::").next().unwrap().trim().to_owned()));
    }
    rooms.remove("");
    rooms.remove("self");
    rooms
}

#[test]
fn braces_are_read() {
    let code = "use crate::{\n    api::{self, b::{c, d}},\n    flow::X,\n};\nlet x = crate::store::Y;";
    assert_eq!(rooms_known(code), ["api", "flow", "store"].map(str::to_owned).into());
}

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
    for entry in fs::read_dir(root().join("server")).unwrap() {
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
