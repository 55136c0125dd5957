//! Doors that are programs of their own. They are told where the server and the cases are, and they write a
//! report.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};

use super::case::{self, Case};

/// Folder and command of each door.
const PROGRAMS: [(&str, &str, &[&str]); 3] = [
    ("go", "tests/gateway", &["go", "run", "./conformance"]),
    ("gateway", "tests/gateway", &["go", "run", "./gateway"]),
    ("java", "client-java", &["mvn", "--batch-mode", "-q", "-Dtest=ConformanceTest", "test"]),
];

/// How long a program may run. It may have to be compiled, and its dependencies downloaded.
const PATIENCE: Duration = Duration::from_secs(900);

/// The doors that a comma-separated list names.
pub(crate) fn named(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// A door that is a program, run once, when a trial asks for it first.
pub(crate) struct Program {
    pub(crate) door: &'static str,
    folder: PathBuf,
    command: &'static [&'static str],
    run: OnceLock<Result<Run, String>>,
}

struct Run {
    status: ExitStatus,
    /// What it wrote, the end of it.
    output: String,
    report: String,
}

impl Program {
    pub(crate) fn new(name: &str) -> Program {
        let known = PROGRAMS.iter().find(|(door, ..)| *door == name);
        let (door, folder, command) =
            known.unwrap_or_else(|| panic!("CONFORMANCE_DOORS: no door is {name:?}"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        Program { door, folder, command, run: OnceLock::new() }
    }

    /// What the report says of a case.
    pub(crate) fn said_of(&self, case: &Case, address: &str) -> Result<(), String> {
        let run = self.run(address)?;
        let name = &case.name;
        let lines: Vec<Line<'_>> =
            run.lines().filter_map(Result::ok).filter(|line| line.name == name).collect();
        match lines.as_slice() {
            [Line { fault: None, .. }] => Ok(()),
            [Line { fault: Some(fault), .. }] => Err((*fault).to_owned()),
            [] => Err(format!("the report lacks it{}", run.end())),
            more => Err(format!("the report has it {} times", more.len())),
        }
    }

    /// Whether the report names every case once and in order, and the program ended as its report says.
    pub(crate) fn reported_all(&self, address: &str, cases: &[Case]) -> Result<(), String> {
        let run = self.run(address)?;
        let lines = run.lines().collect::<Result<Vec<_>, _>>().map_err(|fault| fault + &run.end())?;
        for at in 0..lines.len().max(cases.len()) {
            let reported = lines.get(at).map(|line| line.name);
            let expected = cases.get(at).map(|case| case.name.as_str());
            if reported != expected {
                let (line, end) = (at + 1, run.end());
                return Err(format!(
                    "line {line} of the report is of {reported:?}, not of {expected:?}{end}"
                ));
            }
        }
        let good = lines.iter().all(|line| line.fault.is_none());
        if run.status.success() == good {
            return Ok(());
        }
        let reported = if good { "reported no fault" } else { "reported faults" };
        Err(format!("it {reported}, but ended with {}{}", run.status, run.end()))
    }

    fn run(&self, address: &str) -> Result<&Run, String> {
        let run = self.run.get_or_init(|| self.start(address));
        run.as_ref()
            .map_err(|fault| format!("{} in {}: {fault}", self.command.join(" "), self.folder.display()))
    }

    fn start(&self, address: &str) -> Result<Run, String> {
        let report = format!("conformance-{}-{}.report", std::process::id(), self.door);
        let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(report);
        let mut command = tokio::process::Command::new(self.command[0]);
        command
            .args(&self.command[1..])
            .current_dir(&self.folder)
            .env("CONFORMANCE_TARGET", address)
            .env("CONFORMANCE_CASES", case::folder())
            .env("CONFORMANCE_REPORT", &report)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, command.output()).await });
        let ended = ended.map_err(|_| format!("not done in {PATIENCE:?}"))?.map_err(|e| e.to_string())?;
        let output = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        let run = Run {
            status: ended.status,
            output: output.into_owned(),
            // If there is no report, each case is missing in it.
            report: fs::read_to_string(&report).unwrap_or_default(),
        };
        fs::remove_file(report).ok();
        Ok(run)
    }
}

impl Run {
    fn lines(&self) -> impl Iterator<Item = Result<Line<'_>, String>> {
        self.report
            .lines()
            .map(|line| Line::read(line).ok_or_else(|| format!("no line of a report: {line:?}")))
    }

    /// The end of what the program wrote.
    fn end(&self) -> String {
        let mut lines: Vec<&str> = self.output.lines().rev().take(20).collect();
        lines.reverse();
        format!("; {}, it wrote:\n{}", self.status, lines.join("\n"))
    }
}

/// `ok NAME` or `fail NAME: why`.
struct Line<'a> {
    name: &'a str,
    fault: Option<&'a str>,
}

impl Line<'_> {
    fn read(line: &str) -> Option<Line<'_>> {
        if let Some(name) = line.strip_prefix("ok ") {
            return Some(Line { name, fault: None });
        }
        let (name, fault) = line.strip_prefix("fail ")?.split_once(": ")?;
        Some(Line { name, fault: Some(fault) })
    }
}
