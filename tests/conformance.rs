//! The same questions through every door: each case of `tests/conformance` is asked at one real server, and
//! each door must give the answer, or the error, that the case says.
//!
//! | trials | what they show |
//! |---|---|
//! | `expected::<case>` | the expected answer makes sense: the spans asked for are in it, and it is a tree |
//! | `rust::<case>`, `rest::<case>` | the generated Rust client and the REST door agree with the case |
//! | `<door>::<case>` | so does a door that is a program, named in `CONFORMANCE_DOORS`: `go,gateway,java` |
//! | `<door>::report` | that program has reported every case once, and ended as its report says |
//!
//! `UPDATE_CONFORMANCE=1` first writes what the server says into the cases. Read the changes before you believe
//! them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

#[path = "conformance_doors/case.rs"]
mod case;
#[path = "conformance_doors/program.rs"]
mod program;
#[path = "conformance_doors/rest.rs"]
mod rest;
#[path = "conformance_doors/rust.rs"]
mod rust;
#[path = "conformance_doors/server.rs"]
mod server;
#[path = "conformance_doors/update.rs"]
mod update;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use case::{Case, Expected};
use libtest_mimic::{Arguments, Failed, Trial};
use program::Program;
use server::Server;

/// What the trials share. `main` owns it, so that the server ends when `main` ends.
#[derive(Default)]
struct Rig {
    server: OnceLock<Server>,
    equal: AtomicUsize,
}

impl Rig {
    /// The first trial that asks starts the server. If trials are only listed, none does.
    fn address(&self) -> &str {
        &self.server.get_or_init(Server::start).address
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let rig = Arc::new(Rig::default());
    if env::var_os("UPDATE_CONFORMANCE").is_some_and(|value| value == "1") {
        update::all(rig.address());
    }
    let cases = Arc::new(case::all());
    let programs: Vec<Arc<Program>> = program::named(&env::var("CONFORMANCE_DOORS").unwrap_or_default())
        .map(|name| Arc::new(Program::new(name)))
        .collect();

    let mut trials = Vec::new();
    for at in 0..cases.len() {
        let name = &cases[at].name;
        let mut add = |door: &str, check: Check| {
            let (rig, cases) = (Arc::clone(&rig), Arc::clone(&cases));
            trials.push(Trial::test(format!("{door}::{name}"), move || Ok(check(&cases[at], &rig)?)));
        };
        if let Expected::Answer(_) = cases[at].expected {
            add("expected", Box::new(|case, _| case.makes_sense()));
        }
        for (door, ask) in [("rust", rust::ask as Ask), ("rest", rest::ask)] {
            add(door, Box::new(move |case, rig| rig.count(ask(case, rig.address()))));
        }
        for program in &programs {
            let (door, program) = (program.door, Arc::clone(program));
            let check = move |case: &Case, rig: &Rig| rig.count(program.said_of(case, rig.address()));
            add(door, Box::new(check));
        }
    }
    for program in &programs {
        let (rig, cases, door) = (Arc::clone(&rig), Arc::clone(&cases), program.door);
        let program = Arc::clone(program);
        let check = move || Ok::<(), Failed>(program.reported_all(rig.address(), &cases)?);
        trials.push(Trial::test(format!("{door}::report"), check));
    }

    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        let (cases, doors) = (cases.len(), 2 + programs.len());
        let (all, equal) = (cases * doors, rig.equal.load(Ordering::Relaxed));
        let of_all = if equal == all { String::new() } else { format!(" of {all}") };
        println!("conformance: {cases} cases x {doors} doors = {equal}{of_all} equal\n");
    }
    conclusion.exit_code()
}

/// What a trial does with its case.
type Check = Box<dyn Fn(&Case, &Rig) -> Result<(), String> + Send>;
/// Asks a case at the server with this address.
type Ask = fn(&Case, &str) -> Result<(), String>;

impl Rig {
    fn count(&self, result: Result<(), String>) -> Result<(), String> {
        self.equal.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
        result
    }
}
