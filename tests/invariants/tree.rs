//! All sources of a folder as modules, and where a path in one of them leads.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    load::{self, Module},
    source::Written,
};

/// The library's name, by which the program and the tests know it.
const LIBRARY: &str = "trace_completion";

/// The sources of a folder that is laid out as `server/` is: `lib.rs` at the top, or `main.rs`, or both.
pub struct Tree {
    modules: Vec<Module>,
    /// Files to which no `mod` leads, not even one for tests.
    pub lost: Vec<String>,
}

/// A dependency of one file on another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arrow {
    pub from: String,
    /// The file that defines what is used.
    pub to: String,
    /// Files of the modules that the path names on its way.
    pub through: BTreeSet<String>,
    pub line: usize,
    pub written: String,
}

/// Something that is in a file at a line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    pub file: String,
    pub line: usize,
    pub what: String,
}

/// Where a path leads.
#[derive(Clone)]
enum Meaning {
    Module(usize),
    /// An item that the module defines, found by way of other modules.
    Item(usize, BTreeSet<usize>),
    /// Another crate's.
    Outside(Vec<String>),
}

/// Paths that are being followed, so that two names that stand for one another end.
type Followed = Vec<(usize, Vec<String>)>;

impl Tree {
    /// Reads the Rust files of a folder and those below it.
    pub fn of_folder(folder: &Path) -> Tree {
        Tree::of(load::rust_files(folder))
    }

    /// Of files that need not exist: path and text of each.
    pub fn of_texts(texts: &[(&str, &str)]) -> Tree {
        Tree::of(texts.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect())
    }

    fn of(texts: BTreeMap<String, String>) -> Tree {
        let (modules, lost) = load::modules(texts);
        Tree { modules, lost }
    }

    pub fn files(&self) -> BTreeSet<&str> {
        self.modules.iter().map(|module| module.file.as_str()).collect()
    }

    /// Every identifier and keyword outside comments and tests.
    pub fn words(&self) -> impl Iterator<Item = Found> {
        self.modules.iter().flat_map(|module| found(&module.file, &module.body.words))
    }

    /// Every string literal outside comments and tests.
    pub fn strings(&self) -> impl Iterator<Item = Found> {
        self.modules.iter().flat_map(|module| found(&module.file, &module.body.strings))
    }

    /// Every path into another crate, such as `std::collections::HashMap`, under whatever name it goes
    /// where it is used.
    pub fn outside(&self) -> Vec<Found> {
        let mut all = BTreeSet::new();
        for at in 0..self.modules.len() {
            let Module { file, body, .. } = &self.modules[at];
            let imported = body.imports.iter().map(|import| {
                let mut path = import.path.clone();
                if import.name == "*" {
                    path.segments.push("*".to_owned());
                }
                (path, true)
            });
            for (path, is_import) in imported.chain(body.paths.iter().map(|path| (path.clone(), false))) {
                for meaning in self.follow(at, &path.segments, path.is_global, &mut Vec::new()) {
                    if let Meaning::Outside(segments) = meaning
                        && (is_import || segments.len() > 1)
                    {
                        let what = segments.join("::");
                        all.insert(Found { file: file.clone(), line: path.line, what });
                    }
                }
            }
        }
        all.into_iter().collect()
    }

    /// Which file uses an item of which other file. A `mod` is no use, and what a module re-exports from
    /// below itself is used by those only that name it.
    pub fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for at in 0..self.modules.len() {
            let body = &self.modules[at].body;
            for import in &body.imports {
                if import.name == "*" {
                    self.add_glob_arrow(at, &import.path, &mut arrows);
                } else {
                    self.add_arrows(at, &import.path, import.is_public, &mut arrows);
                }
            }
            for path in &body.paths {
                self.add_arrows(at, path, false, &mut arrows);
            }
        }
        arrows
    }

    fn add_arrows(&self, at: usize, path: &Written, is_reexport: bool, arrows: &mut Vec<Arrow>) {
        for meaning in self.follow(at, &path.segments, path.is_global, &mut Vec::new()) {
            if let Meaning::Item(to, through) = meaning
                && !(is_reexport && self.is_below(to, at))
            {
                self.add_arrow(at, to, &through, path, arrows);
            }
        }
    }

    /// Who takes all names of a module depends on that module.
    fn add_glob_arrow(&self, at: usize, path: &Written, arrows: &mut Vec<Arrow>) {
        for meaning in self.follow(at, &path.segments, path.is_global, &mut Vec::new()) {
            if let Meaning::Module(to) | Meaning::Item(to, _) = meaning {
                self.add_arrow(at, to, &BTreeSet::new(), path, arrows);
            }
        }
    }

    fn add_arrow(
        &self,
        at: usize,
        to: usize,
        through: &BTreeSet<usize>,
        path: &Written,
        arrows: &mut Vec<Arrow>,
    ) {
        let file = |module: usize| self.modules[module].file.clone();
        let is_top = |module: usize| self.modules[module].parent.is_none();
        if file(at) != file(to) {
            let through = through.iter().filter(|module| !is_top(**module)).map(|module| file(*module));
            let through = through.collect();
            let written = path.segments.join("::");
            arrows.push(Arrow { from: file(at), to: file(to), through, line: path.line, written });
        }
    }

    fn is_below(&self, mut module: usize, above: usize) -> bool {
        while let Some(parent) = self.modules[module].parent {
            if parent == above {
                return true;
            }
            module = parent;
        }
        false
    }

    /// What a path in a module stands for; several things if types and functions share the name.
    fn follow(&self, at: usize, path: &[String], is_global: bool, followed: &mut Followed) -> Vec<Meaning> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        if followed.contains(&(at, path.to_vec())) || followed.len() > 64 {
            return Vec::new();
        }
        followed.push((at, path.to_vec()));
        let library = self.modules.iter().position(|module| module.file == "lib.rs");
        let start = match first.as_str() {
            LIBRARY if library.is_some() => library.map(Meaning::Module).into_iter().collect(),
            _ if is_global => vec![Meaning::Outside(vec![first.clone()])],
            "crate" => vec![Meaning::Module(self.modules[at].root)],
            "self" => vec![Meaning::Module(at)],
            "super" => self.modules[at].parent.map(Meaning::Module).into_iter().collect(),
            // A method of the type at hand.
            "Self" => Vec::new(),
            _ => {
                let known = self.look_up(at, first, followed);
                match known.is_empty() {
                    true => vec![Meaning::Outside(vec![first.clone()])],
                    false => known,
                }
            }
        };
        let meanings = self.walk(start, rest, followed);
        followed.pop();
        meanings
    }

    fn walk(&self, start: Vec<Meaning>, rest: &[String], followed: &mut Followed) -> Vec<Meaning> {
        let mut here = start;
        let mut through = BTreeSet::new();
        for segment in rest {
            let modules: Vec<usize> = here
                .iter()
                .filter_map(|meaning| match meaning {
                    Meaning::Module(module) => Some(*module),
                    _ => None,
                })
                .collect();
            here = match modules.first() {
                // Of a name that is a module and more, only the module goes on.
                Some(&module) => {
                    through.insert(module);
                    match (segment.as_str(), self.modules[module].parent) {
                        ("super", Some(parent)) => vec![Meaning::Module(parent)],
                        ("*", _) => Vec::new(),
                        _ => {
                            let known = self.look_up(module, segment, followed);
                            match known.is_empty() {
                                // What a macro defines.
                                true => vec![Meaning::Item(module, BTreeSet::new())],
                                false => known,
                            }
                        }
                    }
                }
                None => here
                    .into_iter()
                    .map(|meaning| match meaning {
                        Meaning::Outside(mut path) => {
                            path.push(segment.clone());
                            Meaning::Outside(path)
                        }
                        // An item's own, such as a variant.
                        item => item,
                    })
                    .collect(),
            };
        }
        for meaning in &mut here {
            if let Meaning::Item(_, by) = meaning {
                by.extend(&through);
            }
        }
        here
    }

    /// What a name stands for in a module; nothing if the module does not have it.
    fn look_up(&self, at: usize, name: &str, followed: &mut Followed) -> Vec<Meaning> {
        let module = &self.modules[at];
        let mut meanings: Vec<Meaning> =
            module.children.get(name).map(|child| Meaning::Module(*child)).into_iter().collect();
        if module.body.defined.contains(name) {
            meanings.push(Meaning::Item(at, BTreeSet::new()));
        }
        for import in module.body.imports.iter().filter(|import| import.name == name) {
            meanings.extend(self.follow(at, &import.path.segments, import.path.is_global, followed));
        }
        if meanings.is_empty() {
            for all in module.body.imports.iter().filter(|import| import.name == "*") {
                let from = self.follow(at, &all.path.segments, all.path.is_global, followed);
                for meaning in from {
                    if let Meaning::Module(from) = meaning
                        && !followed.contains(&(from, vec![name.to_owned()]))
                    {
                        followed.push((from, vec![name.to_owned()]));
                        meanings.extend(self.look_up(from, name, followed));
                        followed.pop();
                    }
                }
            }
        }
        meanings
    }
}

fn found(file: &str, all: &[(String, usize)]) -> Vec<Found> {
    all.iter().map(|(what, line)| Found { file: file.to_owned(), line: *line, what: what.clone() }).collect()
}
