//! What is absent from the core, and what is in one place only.

use crate::{
    places::{assert_none, assert_refused, faults_inside, faults_outside, paths_to, tree_with, words_of},
    server,
    tree::{Found, Tree},
};

/// Ways to wait, and to the world outside.
fn world(tree: &Tree, but: &[&str]) -> Vec<Found> {
    let words = ["async", "await", "print", "println", "eprint", "eprintln", "dbg"];
    let crates = ["tokio", "tokio_stream", "futures", "futures_util", "std::future", "core::future"];
    let std =
        ["std::env", "std::fs", "std::io", "std::net", "std::os", "std::process", "std::thread", "std::time"];
    let mut found = words_of(tree, &words);
    found.extend(paths_to(tree, &crates));
    found.extend(paths_to(tree, &std));
    found.retain(|found| !but.contains(&found.what.as_str()));
    found
}

fn waits_in_the_core(tree: &Tree) -> Vec<String> {
    faults_inside(tree, &["engine", "relation", "flow"], &world(tree, &[]))
}

/// The search measures how long a question takes.
fn waits_in_the_search(tree: &Tree) -> Vec<String> {
    let timing = ["std::time::Duration", "std::time::Instant", "std::time::Instant::now"];
    faults_inside(tree, &["search"], &world(tree, &timing))
}

#[test]
fn the_core_does_not_wait_look_at_clocks_or_touch_the_world() {
    assert_none(&waits_in_the_core(&server()));
    assert_none(&waits_in_the_search(&server()));
}

#[test]
fn a_core_that_waits_looks_at_clocks_or_touches_the_world_is_refused() {
    for (text, fault) in [
        ("async fn f() {}", "async"),
        ("fn f() { g.await }", "await"),
        ("fn f() { println!() }", "println"),
        ("use std::{cmp, fs};", "std::fs"),
        ("use std::time::{self as t, Duration}; fn f() { t::Instant::now() }", "std::time::Instant::now"),
        ("use std::{thread as t}; fn f() { t::sleep(x) }", "std::thread::sleep"),
        ("use std::*; fn f() { env::var(x) }", "std::*"),
        ("extern crate std as s; fn f() { s::env::var(x) }", "std::env::var"),
        ("fn f() { vec![tokio::spawn(x)] }", "tokio::spawn"),
    ] {
        let tree = tree_with("engine/a.rs", text);
        assert_refused(&waits_in_the_core(&tree), &format!("server/engine/a.rs:1: {fault}"));
    }
    for (text, fault) in [
        ("use std::time::*;", "std::time::*"),
        ("use std::time::{Instant, SystemTime};", "std::time::SystemTime"),
    ] {
        let tree = tree_with("search/a.rs", text);
        assert_refused(&waits_in_the_search(&tree), &format!("server/search/a.rs:1: {fault}"));
    }
}

/// The string table looks up by hash and is never walked, so that its order is nobody's.
const HASHES_AT_RANDOM: [&str; 1] = ["flow/text.rs"];

/// Random numbers, and maps that hash at random: with them the same question would have different answers.
fn chance(tree: &Tree) -> Vec<Found> {
    let maps = ["HashMap", "HashSet", "hash_map", "hash_set"];
    let random = |found: &Found| {
        let mut names = found.what.split("::");
        let is_fixed = found.what.starts_with("rustc_hash::");
        names.any(|name| {
            (maps.contains(&name) && !is_fixed)
                || name.ends_with("RandomState")
                || name == "DefaultHashBuilder"
        })
    };
    let mut found = paths_to(
        tree,
        &[
            "rand",
            "rand_core",
            "getrandom",
            "fastrand",
            "uuid",
            "ahash",
            "foldhash",
            "indexmap",
            "dashmap",
            // whoever takes all names takes these
            "std::collections::HashMap",
            "std::hash::RandomState",
            "hashbrown::HashMap",
        ],
    );
    found.extend(tree.outside().into_iter().filter(random));
    found
}

fn chance_in_the_core(tree: &Tree) -> Vec<String> {
    let mut found = chance(tree);
    found.retain(|found| !HASHES_AT_RANDOM.contains(&found.file.as_str()));
    faults_inside(tree, &["engine", "relation", "flow", "search"], &found)
}

#[test]
fn nothing_in_the_core_depends_on_chance() {
    assert_none(&chance_in_the_core(&server()));
}

#[test]
fn a_core_that_depends_on_chance_is_refused() {
    for (text, fault) in [
        ("use std::collections::HashMap;", "std::collections::HashMap"),
        ("use std::collections::{BTreeMap, HashMap};", "std::collections::HashMap"),
        ("use std::{collections::{BTreeMap, HashSet as Set}};", "std::collections::HashSet"),
        ("use std::collections; fn f() { collections::HashMap::new() }", "std::collections::HashMap::new"),
        ("use std::collections as c; type M = c::HashMap<u8, u8>;", "std::collections::HashMap"),
        ("use std::collections::*; fn f() { HashMap::new() }", "std::collections::*"),
        ("use std::*; fn f() { collections::HashMap::new() }", "std::*"),
        ("use std as s; fn f() { s::collections::HashMap::new() }", "std::collections::HashMap::new"),
        (
            "fn f() { ::std::collections::hash_set::HashSet::new() }",
            "std::collections::hash_set::HashSet::new",
        ),
        ("macro_rules! m { () => { std::collections::HashMap::new() } }", "std::collections::HashMap::new"),
        ("use std::hash::{BuildHasher, RandomState};", "std::hash::RandomState"),
        ("use std::collections::hash_map::RandomState as S;", "std::collections::hash_map::RandomState"),
        ("use hashbrown::{DefaultHashBuilder, HashTable};", "hashbrown::DefaultHashBuilder"),
        ("use rustc_hash::FxRandomState;", "rustc_hash::FxRandomState"),
        ("fn f() { rand::random() }", "rand::random"),
    ] {
        let tree = tree_with("engine/a.rs", text);
        assert_refused(&chance_in_the_core(&tree), &format!("server/engine/a.rs:1: {fault}"));
    }
    let lent = Tree::of_texts(&[
        ("lib.rs", "mod config; mod engine;"),
        ("config.rs", "pub use std::collections::HashMap as Map;"),
        ("engine.rs", "use crate::config::Map;"),
    ]);
    assert_refused(&chance_in_the_core(&lent), "server/engine.rs:1: std::collections::HashMap");
    let fixed = tree_with("engine/a.rs", "use rustc_hash::FxHashMap; fn f() { FxHashMap::default() }");
    assert!(!chance_in_the_core(&fixed).iter().any(|fault| fault.contains("engine")));
}

const SQL: [&str; 6] =
    ["SELECT ", "INSERT INTO", "CREATE TABLE", "CREATE DATABASE", "CREATE DICTIONARY", "SYSTEM RELOAD"];

fn sql_outside_the_stores(tree: &Tree) -> Vec<String> {
    let places = [
        "store",
        "flow_log",
        // the statement that keeps the child up
        "embedded/ffi.rs",
        // what its accounts may do
        "embedded/access.rs",
        // what somebody's service said to its database
        "demo/world.rs",
    ];
    let is_sql = |found: &Found| SQL.iter().any(|statement| found.what.contains(statement));
    faults_outside(&places, &tree.strings().filter(is_sql).collect::<Vec<_>>())
}

fn clients_outside_the_stores(tree: &Tree) -> Vec<String> {
    faults_outside(&["store", "flow_log"], &paths_to(tree, &["clickhouse"]))
}

#[test]
fn only_the_store_writes_sql() {
    assert_none(&sql_outside_the_stores(&server()));
    assert_none(&clients_outside_the_stores(&server()));
}

#[test]
fn sql_outside_the_store_is_refused() {
    let tree = tree_with("search/a.rs", "/// SELECT a\nfn f() { ask(\n\"SELECT 1\") }");
    let faults = sql_outside_the_stores(&tree);
    assert_refused(&faults, "server/search/a.rs:3: \"SELECT 1\"");
    assert!(!faults.iter().any(|fault| fault.contains("a.rs:1")), "a comment is no statement");
    let tree = tree_with("search/a.rs", "use ::clickhouse::{Client as C};");
    assert_refused(&clients_outside_the_stores(&tree), "server/search/a.rs:1: clickhouse::Client");
}

fn writers_in_what_serves(tree: &Tree) -> Vec<String> {
    faults_outside(&["flow_log", "cli/demo.rs"], &words_of(tree, &["FlowWriter"]))
}

#[test]
fn nothing_that_serves_requests_writes() {
    assert_none(&writers_in_what_serves(&server()));
}

#[test]
fn a_writer_in_what_serves_is_refused() {
    let tree = tree_with("completion.rs", "use crate::flow_log::{FlowWriter as W};");
    assert_refused(&writers_in_what_serves(&tree), "server/completion.rs:1: FlowWriter");
}

fn tonic_and_axum_inside(tree: &Tree) -> Vec<String> {
    let root = |found: &Found| found.what.split("::").next().unwrap().to_owned();
    let mut axum = tree.outside();
    axum.retain(|found| root(found).starts_with("axum"));
    let mut tonic = tree.outside();
    tonic.retain(|found| root(found).starts_with("tonic"));
    let mut faults = faults_outside(&["api"], &axum);
    faults.extend(faults_outside(
        &[
            "api",
            // the generated messages and service
            "contract/proto.rs",
            // the callers of `complete` and `demo`
            "cli/ask.rs",
            "cli/complete.rs",
            "cli/demo.rs",
        ],
        &tonic,
    ));
    faults
}

#[test]
fn only_the_doors_know_tonic_and_axum() {
    assert_none(&tonic_and_axum_inside(&server()));
}

#[test]
fn tonic_or_axum_behind_the_doors_is_refused() {
    for (text, fault) in [
        ("use {std::fmt, tonic::Status};", "tonic::Status"),
        ("use tonic_types as t; fn f() { t::StatusExt::x() }", "tonic_types::StatusExt::x"),
        ("fn f() -> axum::Router {}", "axum::Router"),
    ] {
        let tree = tree_with("engine/a.rs", text);
        assert_refused(&tonic_and_axum_inside(&tree), &format!("server/engine/a.rs:1: {fault}"));
    }
}

fn unsafe_elsewhere(tree: &Tree) -> Vec<String> {
    faults_outside(&["embedded/ffi.rs"], &words_of(tree, &["unsafe", "unsafe_code"]))
}

#[test]
fn only_the_call_into_the_library_is_unsafe() {
    assert_none(&unsafe_elsewhere(&server()));
}

#[test]
fn unsafe_code_elsewhere_is_refused() {
    for (text, word) in
        [("fn f() { m!(unsafe { g() }) }", "unsafe"), ("#![allow(unsafe_code)]", "unsafe_code")]
    {
        let tree = tree_with("embedded/child.rs", text);
        assert_refused(&unsafe_elsewhere(&tree), &format!("server/embedded/child.rs:1: {word}"));
    }
}
