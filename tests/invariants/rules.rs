//! Every rule that the code names or an explanation shows is described, and every description is of a rule
//! that is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    ids::{self, Named},
    load, read, root, server_folder,
};

/// Defines the ids `R-…`, `evidence/…` and `Q-…`.
const RULES: &str = "docs/rules.md";

/// Defines the ids `B-…` and `D-…`.
const DIFFERENCES: &str = "docs/differences.md";

/// Documents whose numbered sections the code names.
const SECTIONED: [&str; 3] = ["algorithm", "data-model", "api"];

/// Everything that names or defines ids.
struct Material {
    /// The files of `server/`, and the documents, each by path and text.
    code: BTreeMap<String, String>,
    documents: BTreeMap<String, String>,
    /// What explanations call the rules, and whether each is strong.
    shown: Vec<(String, bool)>,
    /// Whether a path of the repository is there, or a test function whose name begins so.
    is_there: fn(&str) -> bool,
}

/// A row of a table whose first cell is an id.
struct Defined {
    id: String,
    line: usize,
    /// By the title of the column.
    cells: BTreeMap<String, String>,
}

/// The rows of all tables that define ids.
fn definitions(text: &str) -> Vec<Defined> {
    let mut rows = Vec::new();
    let mut titles: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            titles.clear();
            continue;
        };
        let cells: Vec<String> =
            row.trim_end().trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        if titles.is_empty() {
            titles = cells;
            continue;
        }
        let first = cells[0].trim_matches('`').to_owned();
        if ids::ids(&first).iter().any(|named| named.what == first) {
            let cells = titles.iter().cloned().zip(cells).collect();
            rows.push(Defined { id: first, line: index + 1, cells });
        }
    }
    rows
}

/// What is written between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_difference(id: &str) -> bool {
    id.starts_with("B-") || id.starts_with("D-")
}

struct Report {
    faults: Vec<String>,
    counts: String,
}

fn check(material: &Material) -> Report {
    let empty = String::new();
    let document = |path: &str| material.documents.get(path).unwrap_or(&empty);
    let rules = definitions(document(RULES));
    let differences = definitions(document(DIFFERENCES));
    let mut faults = Vec::new();
    let sectioned = SECTIONED.map(|document| format!("docs/{document}.md"));
    for path in [RULES, DIFFERENCES].into_iter().chain(sectioned.iter().map(String::as_str)) {
        if !material.documents.contains_key(path) {
            faults.push(format!("{path} is not there"));
        }
    }
    faults_of_definitions(&rules, RULES, &mut faults);
    faults_of_definitions(&differences, DIFFERENCES, &mut faults);

    let defined: BTreeSet<&str> =
        rules.iter().chain(&differences).map(|definition| definition.id.as_str()).collect();
    let named_in = |text: &String| ids::ids(text);
    let in_code: BTreeMap<&str, Vec<Named>> =
        material.code.iter().map(|(path, text)| (path.as_str(), named_in(text))).collect();
    let in_documents = material.documents.iter().map(|(path, text)| (path.as_str(), named_in(text)));
    for (path, named) in in_code.clone().into_iter().chain(in_documents) {
        for Named { what, line, is_between } in named {
            if !is_between && !defined.contains(what.as_str()) {
                faults.push(format!("{path}:{line}: {what} is defined nowhere"));
            }
        }
    }
    let cited: BTreeSet<&str> =
        in_code.values().flatten().map(|named| named.what.as_str()).filter(|id| !is_difference(id)).collect();
    for rule in &rules {
        faults_of_use(rule, &cited, &in_code, &mut faults);
    }
    for difference in &differences {
        faults_of_test(difference, material.is_there, &mut faults);
    }
    faults_of_strength(&rules, &material.shown, &mut faults);
    faults_of_sections(material, &mut faults);
    let counts = format!(
        "rules: {} defined, {} cited in server/, {} shown by explain; differences: {} defined",
        rules.len(),
        cited.iter().filter(|id| defined.contains(*id)).count(),
        material.shown.len(),
        differences.len(),
    );
    Report { faults, counts }
}

/// Each id once, and in the document that is for it.
fn faults_of_definitions(rows: &[Defined], document: &str, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for Defined { id, line, .. } in rows {
        if !seen.insert(id) {
            faults.push(format!("{document}:{line}: {id} is defined twice"));
        }
        if is_difference(id) != (document == DIFFERENCES) {
            faults.push(format!("{document}:{line}: {id} does not belong here"));
        }
    }
}

/// A rule is in the code, where its row says.
fn faults_of_use(
    rule: &Defined,
    cited: &BTreeSet<&str>,
    in_code: &BTreeMap<&str, Vec<Named>>,
    faults: &mut Vec<String>,
) {
    let Defined { id, line, cells } = rule;
    if !cited.contains(id.as_str()) {
        faults.push(format!("{RULES}:{line}: {id} is cited nowhere in server/"));
        return;
    }
    let mut files = quoted(cells.get("where").map_or("", String::as_str)).peekable();
    if files.peek().is_none() {
        faults.push(format!("{RULES}:{line}: {id} does not say where it is"));
    }
    for file in files {
        match in_code.get(file) {
            None => faults.push(format!("{RULES}:{line}: {id} is said to be in {file}, which is not there")),
            Some(named) if !named.iter().any(|named| named.what == *id) => {
                faults.push(format!("{RULES}:{line}: {id} is said to be in {file}, which does not name it"));
            }
            Some(_) => {}
        }
    }
}

/// A difference has a test, which is there.
fn faults_of_test(difference: &Defined, is_there: fn(&str) -> bool, faults: &mut Vec<String>) {
    let Defined { id, line, cells } = difference;
    let mut tests = quoted(cells.get("test").map_or("", String::as_str)).peekable();
    if tests.peek().is_none() {
        faults.push(format!("{DIFFERENCES}:{line}: {id} names no test"));
    }
    for test in tests.filter(|test| !is_there(test)) {
        faults.push(format!("{DIFFERENCES}:{line}: {id} is said to be held by {test}, which is not there"));
    }
}

/// What the table says of strength is what explanations say, of the rules that they show and of no other.
fn faults_of_strength(rules: &[Defined], shown: &[(String, bool)], faults: &mut Vec<String>) {
    let mut strengths: BTreeMap<String, &str> = BTreeMap::new();
    for (name, strong) in shown {
        let strength = if *strong { "strong" } else { "weak" };
        let shown_ids = ids::ids(name);
        if shown_ids.is_empty() {
            faults.push(format!("an explanation shows {name}, which is no id"));
        }
        for Named { what, .. } in shown_ids {
            if !rules.iter().any(|rule| rule.id == what) {
                faults.push(format!("an explanation shows {what}, which is defined nowhere"));
            }
            strengths.insert(what, strength);
        }
    }
    for Defined { id, line, cells } in rules.iter().filter(|rule| !rule.id.starts_with("Q-")) {
        let said = cells.get("evidence").map_or("", String::as_str);
        let said = said.split(|c: char| !c.is_alphabetic()).next().unwrap_or("");
        let is = strengths.get(id).copied().unwrap_or("");
        if said != is {
            let is = if is.is_empty() { "is not shown by explain" } else { is };
            let said = if said.is_empty() { "nothing" } else { said };
            faults.push(format!("{RULES}:{line}: {id} says {said} of its evidence, but {is}"));
        }
    }
}

/// The sections that the code names are there.
fn faults_of_sections(material: &Material, faults: &mut Vec<String>) {
    for document in SECTIONED {
        let path = format!("docs/{document}.md");
        let headings = material.documents.get(&path).map(|text| ids::headings(text)).unwrap_or_default();
        for (file, text) in &material.code {
            for Named { what, line, .. } in ids::sections(text, document) {
                if !headings.contains(&what) {
                    faults.push(format!("{file}:{line}: {path} has no section {what}"));
                }
            }
        }
    }
}

/// What explanations call the rules, and whether each is strong.
fn shown_by_explain() -> Vec<(String, bool)> {
    trace_completion::engine::rules().map(|(id, strong)| (id.to_owned(), strong)).collect()
}

/// A file or folder, such as `tests/store`; or test functions, such as `tests/deviations.rs::b1_*` or, of that
/// file, `d1_*`.
fn is_there(test: &str) -> bool {
    let (file, function) = match test.split_once("::") {
        Some((file, function)) => (file, Some(function)),
        None if test.contains('/') => (test, None),
        None => ("tests/deviations.rs", Some(test)),
    };
    let path = root().join(file);
    match function {
        None => path.exists(),
        Some(function) => fs::read_to_string(path)
            .is_ok_and(|text| text.contains(&format!("fn {}", function.trim_end_matches('*')))),
    }
}

fn documents() -> BTreeMap<String, String> {
    let mut documents: BTreeMap<String, String> =
        ["README.md", "ARCHITECTURE.md"].map(|path| (path.to_owned(), read(path))).into();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = format!("docs/{}", entry.unwrap().file_name().into_string().unwrap());
        if Path::new(&path).extension().is_some_and(|extension| extension == "md") {
            let text = read(&path);
            documents.insert(path, text);
        }
    }
    documents
}

#[test]
fn every_rule_that_is_named_is_described_and_every_rule_that_is_described_is_named() {
    let files = load::rust_files(&server_folder());
    let code = files.into_iter().map(|(path, text)| (format!("server/{path}"), text)).collect();
    let report = check(&Material { code, documents: documents(), shown: shown_by_explain(), is_there });
    println!("{}", report.counts);
    let Report { faults, counts } = report;
    assert!(faults.is_empty(), "{counts}\n{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A small repository without fault.
fn sound() -> Material {
    let text = |lines: &[&str]| lines.join("\n");
    let rules = [
        "| id | name | what it means | evidence | deviation | where |",
        "|---|---|---|---|---|---|",
        "| `R-NET` | path | family | - | - | `server/a.rs` |",
        "| `R-NET-9` | next | it is \\| next | strong | D-1 | `server/a.rs` |",
        "| `R-CONN scenario 5g` | stream | one stream | weak | - | `server/b.rs` |",
        "| `evidence/entry-by-calls` | entry | its calls | strong | D-1 | `server/b.rs` |",
        "",
        "| id | name | where |",
        "|---|---|---|",
        "| `Q-06` | chance | `server/b.rs` |",
    ];
    let differences = [
        "| id | the original | we | why | test |",
        "|---|---|---|---|---|",
        "| B-1 | fails | answer | better | `tests/there` |",
        "| D-1 | guesses | know | better | `d1_*` |",
    ];
    Material {
        code: BTreeMap::from([
            ("server/a.rs".to_owned(), "//! R-NET (algorithm 2.1)\n/// R-NET-9, as D-1 says".to_owned()),
            (
                "server/b.rs".to_owned(),
                "/// R-CONN\n/// scenario 5g. Q-06: evidence/entry-by-calls".to_owned(),
            ),
        ]),
        documents: BTreeMap::from([
            (RULES.to_owned(), text(&rules)),
            (DIFFERENCES.to_owned(), text(&differences)),
            ("docs/algorithm.md".to_owned(), "## 2. Search\n### 2.1 Questions: R-NET-9\n".to_owned()),
            ("docs/data-model.md".to_owned(), "## 1. Table\n".to_owned()),
            ("docs/api.md".to_owned(), "## 1. One contract\n".to_owned()),
        ]),
        shown: vec![
            ("R-NET-9".to_owned(), true),
            ("R-CONN scenario 5g".to_owned(), false),
            ("evidence/entry-by-calls".to_owned(), true),
        ],
        is_there: |test| ["tests/there", "d1_*"].contains(&test),
    }
}

#[test]
fn a_repository_without_fault_is_fine() {
    let report = check(&sound());
    assert_eq!(report.faults, [""; 0]);
    let counts = "rules: 5 defined, 5 cited in server/, 3 shown by explain; differences: 2 defined";
    assert_eq!(report.counts, counts);
}

/// Checks that a change of the sound repository is refused, with this fault.
#[track_caller]
fn is_refused(change: impl FnOnce(&mut Material), expected: &str) {
    let mut material = sound();
    change(&mut material);
    let faults = check(&material).faults;
    assert!(faults.iter().any(|fault| fault == expected), "{expected} is not among {faults:#?}");
}

fn add_code(text: &'static str) -> impl FnOnce(&mut Material) {
    move |material| {
        material.code.insert("server/c.rs".to_owned(), text.to_owned());
    }
}

fn replace(document: &'static str, old: &'static str, new: &'static str) -> impl FnOnce(&mut Material) {
    move |material| {
        let text = material.documents.get_mut(document).unwrap();
        assert!(text.contains(old));
        *text = text.replace(old, new);
    }
}

#[test]
fn an_id_that_is_defined_nowhere_is_refused() {
    is_refused(add_code("\n// R-NET-8"), "server/c.rs:2: R-NET-8 is defined nowhere");
    is_refused(add_code("// R-NETS"), "server/c.rs:1: R-NETS is defined nowhere");
    is_refused(add_code("// scenario 5"), "server/c.rs:1: R-CONN scenario 5 is defined nowhere");
    is_refused(add_code("x(\"evidence/hope\")"), "server/c.rs:1: evidence/hope is defined nowhere");
    is_refused(add_code("// B-2"), "server/c.rs:1: B-2 is defined nowhere");
    is_refused(add_code("// Q-6"), "server/c.rs:1: Q-6 is defined nowhere");
    let document = replace("docs/algorithm.md", "R-NET-9", "D-7");
    is_refused(document, "docs/algorithm.md:2: D-7 is defined nowhere");
    let show = |material: &mut Material| material.shown.push(("R-NET-8".to_owned(), true));
    is_refused(show, "an explanation shows R-NET-8, which is defined nowhere");
}

#[test]
fn a_document_that_is_not_there_is_refused() {
    let remove = |material: &mut Material| drop(material.documents.remove(RULES));
    is_refused(remove, "docs/rules.md is not there");
}

#[test]
fn a_rule_that_is_described_but_not_there_is_refused() {
    let added = replace(RULES, "| `R-NET-9`", "| `R-NET-8` | a | b | - | - | `server/a.rs` |\n| `R-NET-9`");
    is_refused(added, "docs/rules.md:4: R-NET-8 is cited nowhere in server/");
    let moved = replace(RULES, "`server/a.rs` |\n| `R-CONN", "`server/b.rs` |\n| `R-CONN");
    is_refused(moved, "docs/rules.md:4: R-NET-9 is said to be in server/b.rs, which does not name it");
    let lost = replace(RULES, "`server/a.rs` |\n| `R-CONN", "`server/z.rs` |\n| `R-CONN");
    is_refused(lost, "docs/rules.md:4: R-NET-9 is said to be in server/z.rs, which is not there");
    let mute = replace(RULES, "`server/a.rs` |\n| `R-CONN", "- |\n| `R-CONN");
    is_refused(mute, "docs/rules.md:4: R-NET-9 does not say where it is");
    let twice = replace(RULES, "| `R-NET-9`", "| `R-NET` | a | b | - | - | `server/a.rs` |\n| `R-NET-9`");
    is_refused(twice, "docs/rules.md:4: R-NET is defined twice");
    let strange = replace(RULES, "| `Q-06`", "| `B-1`");
    is_refused(strange, "docs/rules.md:10: B-1 does not belong here");
}

#[test]
fn a_difference_without_a_test_is_refused() {
    let untested = replace(DIFFERENCES, "`tests/there`", "");
    is_refused(untested, "docs/differences.md:3: B-1 names no test");
    let lost = replace(DIFFERENCES, "`d1_*`", "`d2_*`");
    is_refused(lost, "docs/differences.md:4: D-1 is said to be held by d2_*, which is not there");
}

#[test]
fn a_strength_that_explanations_contradict_is_refused() {
    let weaker = |material: &mut Material| material.shown[0].1 = false;
    is_refused(weaker, "docs/rules.md:4: R-NET-9 says strong of its evidence, but weak");
    let hidden = |material: &mut Material| drop(material.shown.remove(0));
    is_refused(hidden, "docs/rules.md:4: R-NET-9 says strong of its evidence, but is not shown by explain");
    let silent = replace(RULES, "| weak |", "| - |");
    is_refused(silent, "docs/rules.md:5: R-CONN scenario 5g says nothing of its evidence, but weak");
}

#[test]
fn a_section_that_is_not_there_is_refused() {
    is_refused(add_code("// algorithm 2, 2.2"), "server/c.rs:1: docs/algorithm.md has no section 2.2");
    is_refused(add_code("//\n// api section 3"), "server/c.rs:2: docs/api.md has no section 3");
    is_refused(add_code("// data-model sections 3"), "server/c.rs:1: docs/data-model.md has no section 3");
}
