//! The rooms of `server/`: no circle between files, and no room that knows a room above it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use crate::{
    server, server_folder,
    tree::{Arrow, Tree},
};

/// The rooms from the bottom up, and which others each may know. Each entry of `server/` is one.
const ROOMS: [Room; 17] = [
    ("flow", &[]),
    ("offload", &[]),
    ("config", &["flow"]),
    ("telemetry", &["config"]),
    ("relation", &["flow"]),
    ("search", &["config", "flow", "relation"]),
    ("engine", &["config", "flow", "relation"]),
    ("store", &["config", "flow", "search"]),
    ("flow_log", &["config", "flow", "search", "store"]),
    ("completion", &["config", "engine", "flow", "offload", "search", "store"]),
    ("contract", &["completion", "config", "engine", "flow", "search"]),
    (
        "api",
        &["completion", "config", "contract", "engine", "flow", "offload", "search", "store", "telemetry"],
    ),
    ("embedded", &["config", "flow_log", "store"]),
    (
        "replay",
        &["completion", "config", "contract", "engine", "flow", "flow_log", "offload", "search", "store"],
    ),
    ("demo", &["completion", "config", "contract", "engine", "flow", "flow_log", "store"]),
    (
        "cli",
        &[
            "api",
            "completion",
            "config",
            "contract",
            "demo",
            "embedded",
            "engine",
            "flow",
            "flow_log",
            "replay",
            "search",
            "store",
            "telemetry",
        ],
    ),
    // The library's top declares the rooms, the program's top starts one of them.
    ("main", &["cli", "embedded"]),
];

/// Declares the rooms, and uses none of them.
const TOP: &str = "lib";

type Room = (&'static str, &'static [&'static str]);

fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// Faults of the list itself: a room may know those only that stand before it, and each is there.
fn faults_of_list(rooms: &[Room], entries: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for entry in entries.iter().filter(|entry| *entry != TOP) {
        if !rooms.iter().any(|(name, _)| name == entry) {
            faults.push(format!("server/{entry} is not on the list of rooms: say which rooms it may know"));
        }
    }
    for (at, (name, may_know)) in rooms.iter().enumerate() {
        if !entries.contains(*name) {
            faults.push(format!("{name} is on the list of rooms, but not in server/"));
        }
        for known in may_know.iter().filter(|known| !rooms[..at].iter().any(|(below, _)| below == *known)) {
            faults.push(format!("the list lets {name} know {known}, which does not stand below it"));
        }
    }
    faults
}

/// Uses of a room that the user may not know, also by a name that another room lends.
fn climbs(rooms: &[Room], arrows: &[Arrow]) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for arrow in arrows {
        let from = room(&arrow.from);
        let may_know = rooms.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, may_know)| may_know);
        for to in arrow.through.iter().chain([&arrow.to]).map(|file| room(file)) {
            if to != from && !may_know.contains(&to) {
                let Arrow { from: file, line, written, .. } = arrow;
                faults.insert(format!("server/{file}:{line}: {from} may not know {to} (`{written}`)"));
            }
        }
    }
    faults.into_iter().collect()
}

/// Groups of files that use one another in a circle, with the arrows between them.
fn circles(arrows: &[Arrow]) -> Vec<String> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        uses.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, all_that_is_reached(file, &uses))).collect();
    let mut groups = BTreeSet::new();
    for (file, far) in &reached {
        if far.contains(file) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|reached| reached.contains(file));
            groups.insert(far.iter().filter(back).copied().collect::<BTreeSet<&str>>());
        }
    }
    groups.into_iter().map(|group| describe_circle(&group, arrows)).collect()
}

fn all_that_is_reached<'a>(file: &'a str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(next) = open.pop() {
        for used in uses.get(next).into_iter().flatten() {
            if reached.insert(*used) {
                open.push(used);
            }
        }
    }
    reached
}

fn describe_circle(group: &BTreeSet<&str>, arrows: &[Arrow]) -> String {
    let files: Vec<String> = group.iter().map(|file| format!("server/{file}")).collect();
    let mut text = format!("a circle of {}:", files.join(", "));
    let mut said = BTreeSet::new();
    for Arrow { from, to, line, written, .. } in arrows {
        let inside = group.contains(from.as_str()) && group.contains(to.as_str());
        if inside && said.insert((from, to)) {
            write!(text, "\n    server/{from}:{line} uses server/{to} (`{written}`)").unwrap();
        }
    }
    text
}

fn faults(rooms: &[Room], entries: &BTreeSet<String>, tree: &Tree) -> Vec<String> {
    let arrows = tree.arrows();
    let lost = tree.lost.iter().map(|file| format!("no `mod` leads to server/{file}"));
    let mut faults: Vec<String> = lost.collect();
    faults.extend(faults_of_list(rooms, entries));
    faults.extend(climbs(rooms, &arrows));
    faults.extend(circles(&arrows));
    faults
}

#[test]
fn rooms_know_only_the_rooms_below_and_no_files_use_one_another_in_a_circle() {
    let entries = fs::read_dir(server_folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let faults = faults(&ROOMS, &names.map(|name| room(&name).to_owned()).collect(), &server());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Faults of a small tree whose rooms are `low`, `middle`, which may know `low`, and `high`, which may know
/// both.
fn faults_of(texts: &[(&str, &str)]) -> Vec<String> {
    let rooms: [Room; 3] = [("low", &[]), ("middle", &["low"]), ("high", &["low", "middle"])];
    let mut all: BTreeMap<&str, &str> = [
        ("lib.rs", "pub mod low; pub mod middle; pub mod high;"),
        ("low.rs", ""),
        ("middle.rs", ""),
        ("high.rs", ""),
    ]
    .into();
    for (path, _) in texts {
        all.remove(format!("{}.rs", room(path)).as_str());
    }
    all.extend(texts.iter().copied());
    let entries = all.keys().map(|path| room(path).to_owned()).collect();
    let texts: Vec<(&str, &str)> = all.into_iter().collect();
    faults(&rooms, &entries, &Tree::of_texts(&texts))
}

#[track_caller]
fn is_refused(texts: &[(&str, &str)], naming: &[&str]) {
    let faults = faults_of(texts);
    let names_all = |fault: &&String| naming.iter().all(|name| fault.contains(name));
    assert!(faults.iter().any(|fault| names_all(&fault)), "{naming:?} is not refused, but {faults:#?}");
}

#[track_caller]
fn is_fine(texts: &[(&str, &str)]) {
    assert_eq!(faults_of(texts), [""; 0]);
}

#[test]
fn a_tree_without_fault_is_fine() {
    is_fine(&[
        ("low/mod.rs", "mod a; mod b; pub use a::A; pub use b::{B, f as g};"),
        ("low/a.rs", "pub struct A;"),
        ("low/b.rs", "use super::a::A; pub struct B(A); pub fn f() {}"),
        ("middle.rs", "use crate::low::{self, A}; fn f(a: A) { low::g() }"),
        ("high.rs", "use crate::{low::B, middle}; fn f(b: B) { middle::f(crate::low::A) }"),
    ]);
}

#[test]
fn a_circle_of_two_files_is_refused() {
    let naming = &["a circle of server/low/a.rs, server/low/b.rs:", "server/low/b.rs:2 uses server/low/a.rs"];
    let b = "\nuse super::a::f; pub fn g() { f() }";
    for a in [
        "use super::b::g; pub fn f() { g() }",
        "pub fn f() { super::b::g() }",
        "pub fn f() { crate::low::b::g() }",
        "use crate::low::{b::{g as h}}; pub fn f() { h() }",
        "use crate::low::b; pub fn f() { b::g() }",
        "use crate::low as l; pub fn f() { l::b::g() }",
        "use super::b::*; pub fn f() { g() }",
        "use super::*; pub fn f() { b::g() }",
        "pub fn f() { use super::b::g; g() }",
        "pub fn f() { println!(\"{}\", super::b::g()) }",
        "macro_rules! m { () => { $crate::low::b::g() } } pub fn f() { m!() }",
        "#[serde(with = \"super::b::g\")] pub fn f() {}",
        "pub mod inside { pub fn g() { super::super::b::g() } } pub fn f() { inside::g() }",
        "pub fn f() { self::super::b::g() }",
    ] {
        is_refused(&[("low/mod.rs", "mod a; mod b;"), ("low/a.rs", a), ("low/b.rs", b)], naming);
    }
}

#[test]
fn a_circle_through_a_third_file_is_refused() {
    is_refused(
        &[
            ("low/mod.rs", "mod a; mod b; mod c;"),
            ("low/a.rs", "use super::b::B; pub struct A(B);"),
            ("low/b.rs", "use super::c::C; pub struct B(C);"),
            ("low/c.rs", "use super::a::A; pub struct C(A);"),
        ],
        &["a circle of server/low/a.rs, server/low/b.rs, server/low/c.rs:"],
    );
}

#[test]
fn a_circle_through_a_name_that_another_file_lends_is_refused() {
    is_refused(
        &[
            ("low/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("low/a.rs", "use super::B; pub struct A(B);"),
            ("low/b.rs", "pub enum B { None, Some(Box<crate::low::A>) }"),
        ],
        &["a circle of server/low/a.rs, server/low/b.rs:"],
    );
}

#[test]
fn a_file_that_uses_its_parent_is_a_circle_if_the_parent_uses_it() {
    let child = "use super::Shared; pub fn f(_: Shared) {}";
    for parent in [
        "mod a; pub struct Shared; pub fn g() { a::f(Shared) }",
        "mod a; use a::f; pub struct Shared; pub fn g() { f(Shared) }",
        "mod a; pub use a::f; pub struct Shared; pub fn g() { f(Shared) }",
    ] {
        is_refused(
            &[("low/mod.rs", parent), ("low/a.rs", child)],
            &["a circle of server/low/a.rs, server/low/mod.rs:"],
        );
    }
    is_fine(&[("low/mod.rs", "mod a; pub use a::f; pub struct Shared;"), ("low/a.rs", child)]);
}

#[test]
fn a_room_that_knows_a_room_above_is_refused() {
    let naming = &["server/low.rs:1: low may not know middle"];
    let middle = ("middle.rs", "pub struct M;");
    is_refused(&[("low.rs", "use crate::middle::M;"), middle], naming);
    is_refused(&[("low.rs", "fn f() -> crate::middle::M {}"), middle], naming);
    is_refused(&[("low.rs", "fn f() -> super::middle::M {}"), middle], naming);
    is_refused(&[("low.rs", "use trace_completion::{middle as m}; fn f() -> m::M {}"), middle], naming);
    is_refused(&[("low.rs", "use crate::*; fn f() -> middle::M {}"), middle], naming);
    is_fine(&[("low.rs", "#[cfg(test)] mod tests { use crate::middle::M; }"), middle]);
}

#[test]
fn a_room_that_knows_a_room_above_by_a_name_lent_to_it_is_refused() {
    is_refused(
        &[
            ("low/mod.rs", "pub mod a; pub mod b;"),
            ("low/a.rs", "pub use crate::middle::M;"),
            ("low/b.rs", "\nuse super::a::M;"),
            ("middle.rs", "pub struct M;"),
        ],
        &["server/low/b.rs:2: low may not know middle (`super::a::M`)"],
    );
}

#[test]
fn a_room_that_is_not_listed_is_refused() {
    let lib = "pub mod low; pub mod middle; pub mod high; mod attic;";
    is_refused(&[("lib.rs", lib), ("attic.rs", "")], &["server/attic is not on the list"]);
    is_refused(
        &[("lib.rs", lib), ("attic.rs", "use crate::low::L;"), ("low.rs", "pub struct L;")],
        &["server/attic.rs:1: attic may not know low"],
    );
    is_refused(&[("attic.rs", "")], &["no `mod` leads to server/attic.rs"]);
}

#[test]
fn a_list_of_rooms_with_a_circle_or_an_absent_room_is_refused() {
    let entries = ["high", "lib", "low"].map(str::to_owned).into();
    let climbing = faults_of_list(&[("low", &["high"]), ("high", &["low"])], &entries);
    assert_eq!(climbing, ["the list lets low know high, which does not stand below it"]);
    let absent = faults_of_list(&[("low", &[]), ("high", &["low"]), ("roof", &["high"])], &entries);
    assert_eq!(absent, ["roof is on the list of rooms, but not in server/"]);
}
