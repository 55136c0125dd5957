//! What may be in some places only, or not in others.

use std::collections::BTreeSet;

use crate::tree::{Found, Tree};

/// Whether a path into another crate is that of `banned` or of something below it, or takes all names of
/// something above it.
pub fn leads_to(path: &str, banned: &str) -> bool {
    let is_below = |whole: &str, part: &str| {
        whole.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_below(path, banned) || path.strip_suffix("::*").is_some_and(|all| is_below(banned, all))
}

/// The paths into other crates that lead to any of these.
pub fn paths_to(tree: &Tree, banned: &[&str]) -> Vec<Found> {
    let leads = |found: &Found| banned.iter().any(|banned| leads_to(&found.what, banned));
    tree.outside().into_iter().filter(leads).collect()
}

/// The identifiers and keywords that are any of these.
pub fn words_of(tree: &Tree, banned: &[&str]) -> Vec<Found> {
    tree.words().filter(|found| banned.contains(&found.what.as_str())).collect()
}

/// Whether a file is a place, or in it. A place is a file, such as `embedded/ffi.rs`, or a folder or file
/// without its end, such as `store`.
fn is_in(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
}

fn describe(found: &Found) -> String {
    format!("server/{}:{}: {}", found.file, found.line, found.what)
}

/// What was found in any of the places, and places that are not there.
pub fn faults_inside(tree: &Tree, places: &[&str], found: &[Found]) -> Vec<String> {
    let absent = places.iter().filter(|place| !tree.files().iter().any(|file| is_in(file, place)));
    let mut faults: Vec<String> = absent.map(|place| format!("server/{place} is not there")).collect();
    let inside = found.iter().filter(|found| places.iter().any(|place| is_in(&found.file, place)));
    faults.extend(inside.map(describe));
    faults
}

/// What was found outside the places, and places in which nothing was found, which need no exception.
pub fn faults_outside(places: &[&str], found: &[Found]) -> Vec<String> {
    let idle = places.iter().filter(|place| !found.iter().any(|found| is_in(&found.file, place)));
    let mut faults: Vec<String> =
        idle.map(|place| format!("server/{place} is an exception without need")).collect();
    let outside = found.iter().filter(|found| !places.iter().any(|place| is_in(&found.file, place)));
    faults.extend(outside.map(describe));
    faults
}

#[track_caller]
pub fn assert_none(faults: &[String]) {
    let distinct: BTreeSet<&String> = faults.iter().collect();
    let lines: Vec<&str> = distinct.into_iter().map(String::as_str).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Checks on a small tree that a fault is found and named.
#[track_caller]
pub fn assert_refused(faults: &[String], expected: &str) {
    assert!(faults.iter().any(|fault| fault == expected), "{expected} is not among {faults:#?}");
}

/// A tree with one file of the path and the text, in a room or as one.
pub fn tree_with(path: &str, text: &str) -> Tree {
    let Some((room, file)) = path.split_once('/') else {
        return Tree::of_texts(&[
            ("lib.rs", &format!("mod {};", path.trim_end_matches(".rs"))),
            (path, text),
        ]);
    };
    let (lib, map) = (format!("mod {room};"), format!("mod {};", file.trim_end_matches(".rs")));
    Tree::of_texts(&[("lib.rs", &lib), (&format!("{room}/mod.rs"), &map), (path, text)])
}

#[test]
fn paths_are_compared_name_by_name() {
    assert!(leads_to("std::fs", "std::fs") && leads_to("std::fs::File::open", "std::fs"));
    assert!(leads_to("std::*", "std::fs") && leads_to("std::fs::*", "std::fs::File"));
    assert!(!leads_to("std::fsx", "std::fs") && !leads_to("std::net::*", "std::fs"));
}

#[test]
fn a_place_that_is_not_there_or_has_no_need_is_refused() {
    let tree = tree_with("low/a.rs", "unsafe fn f() {}");
    assert_refused(&faults_inside(&tree, &["attic"], &[]), "server/attic is not there");
    let found = words_of(&tree, &["unsafe"]);
    let faults = faults_outside(&["low", "low/b.rs"], &found);
    assert_eq!(faults, ["server/low/b.rs is an exception without need"]);
}
