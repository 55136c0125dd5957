//! From a folder, or from texts, to modules: which file is which module, by the `mod` declarations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::source::{self, Body, Child, ChildWhat};

pub struct Module {
    /// From the folder, such as `engine/tree.rs`.
    pub file: String,
    pub parent: Option<usize>,
    /// The module of `lib.rs` or `main.rs`.
    pub root: usize,
    pub children: BTreeMap<String, usize>,
    /// Without its children.
    pub body: Body,
}

/// The texts of the Rust files in a folder and below it, by path from the folder.
pub fn rust_files(folder: &Path) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    collect(folder, folder, &mut texts);
    texts
}

fn collect(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            texts.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The modules of `lib.rs` and `main.rs`, and the files to which no `mod` leads, not even one for tests.
pub fn modules(texts: BTreeMap<String, String>) -> (Vec<Module>, Vec<String>) {
    let mut loading = Loading { texts, modules: Vec::new(), reached: BTreeSet::new() };
    for root in ["lib.rs", "main.rs"] {
        if loading.texts.contains_key(root) {
            let body = loading.read(root);
            let at = loading.modules.len();
            loading.add(root, body, None, at, "");
        }
    }
    let Loading { texts, modules, reached } = loading;
    (modules, texts.into_keys().filter(|path| !reached.contains(path)).collect())
}

struct Loading {
    texts: BTreeMap<String, String>,
    modules: Vec<Module>,
    reached: BTreeSet<String>,
}

impl Loading {
    fn read(&mut self, path: &str) -> Body {
        self.reached.insert(path.to_owned());
        source::read(path, &self.texts[path])
    }

    /// Adds a module and those below it. `folder` is where the files of its children are.
    fn add(&mut self, file: &str, mut body: Body, parent: Option<usize>, root: usize, folder: &str) -> usize {
        let at = self.modules.len();
        let declared = std::mem::take(&mut body.children);
        self.modules.push(Module { file: file.to_owned(), parent, root, children: BTreeMap::new(), body });
        for Child { name, what } in declared {
            let inner = format!("{folder}{name}/");
            let child = match what {
                ChildWhat::Inline(body) => self.add(file, body, Some(at), root, &inner),
                ChildWhat::File(path) => {
                    let path = self.file_of(&name, path, file, folder);
                    let body = self.read(&path);
                    self.add(&path, body, Some(at), root, &inner)
                }
                ChildWhat::TestFile(path) => {
                    let path = self.file_of(&name, path, file, folder);
                    self.reached.insert(path);
                    continue;
                }
            };
            self.modules[at].children.insert(name, child);
        }
        at
    }

    /// The file of a module that is declared in `declaring`.
    fn file_of(&self, name: &str, path: Option<String>, declaring: &str, folder: &str) -> String {
        if let Some(path) = path {
            let beside = declaring.rsplit_once('/').map(|(folder, _)| format!("{folder}/"));
            return format!("{}{path}", beside.unwrap_or_default());
        }
        let usual = [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")];
        let there = usual.iter().find(|path| self.texts.contains_key(*path));
        there.unwrap_or_else(|| panic!("{declaring} declares {name}, which is in none of {usual:?}")).clone()
    }
}
