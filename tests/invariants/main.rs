//! What is absent from the sources, as ARCHITECTURE.md promises, and that the documents list what there is.
//! Each of these tests also has a small broken example that it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::{
    fs,
    path::{Path, PathBuf},
};

use tree::Tree;

mod absent;
mod habits;
mod ids;
mod lists;
mod load;
mod places;
mod rooms;
mod rules;
mod source;
mod tree;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn server_folder() -> PathBuf {
    root().join("server")
}

fn server() -> Tree {
    Tree::of_folder(&server_folder())
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
