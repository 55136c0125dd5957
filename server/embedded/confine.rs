//! The walls around the child: what the kernel lets it open, reach and start. The rights of its users say the same
//! in SQL, but the engine checks no rights for some ways to a file, such as its function `file()`: it takes itself
//! for a tool of the person at the keyboard.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// What the engine reads besides its data: about itself and the machine, random numbers, and what the C library
/// needs to find the address of `localhost`, through which dictionaries are filled. Standard input is a pipe, which
/// the kernel does not count among files.
///
/// Not all of `/proc`: it has the environments of other processes, which the kernel shows to an administrator.
const READS: [&str; 21] = [
    "/proc/self",
    "/proc/sys",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/diskstats",
    "/proc/vmstat",
    "/sys/fs/cgroup",
    "/sys/devices/system",
    "/dev/urandom",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
];
const READS_AND_WRITES: [&str; 1] = ["/dev/null"];

/// What the child may reach.
pub(super) struct Walls<'a> {
    /// Its data, configuration and logs: all rights.
    pub(super) data_dir: &'a Path,
    /// Where it may remove an empty directory: it removes `data_dir` itself when that is temporary.
    pub(super) around: Option<&'a Path>,
    /// The ports that it may listen on.
    pub(super) ports: &'a [u16],
    /// May it connect to other servers?
    pub(super) connects: bool,
}

/// How far the kernel confines the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confined {
    /// Files, programs and connections.
    Fully,
    /// Files and programs, perhaps connections: a kernel before Linux 6.12.
    Partly,
    /// Not at all: a kernel without Landlock, or with its first version, which forbids to move files.
    Not,
}

impl Confined {
    const ALL: [(Self, &str); 3] = [(Self::Fully, "fully"), (Self::Partly, "partly"), (Self::Not, "not")];

    /// As a word, for the log of the child.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, word)| word)
    }

    /// Reads the word.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(known, _)| *known)
    }
}

/// Confines this process for the rest of its life. There must be no other thread yet.
pub(super) fn confine(walls: &Walls<'_>) -> Result<Confined, RulesetError> {
    // The first version of Landlock forbids what every merge does: to move a file to another directory.
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let Ok(ruleset) = ruleset.handle_access(AccessFs::Refer) else { return Ok(Confined::Not) };
    let mut ruleset = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .handle_access(AccessNet::BindTcp)?;
    if !walls.connects {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // All but to start a program.
    let own: BitFlags<AccessFs> = AccessFs::from_all(ABI::V6) & !AccessFs::Execute;
    let mut ruleset = ruleset
        .create()?
        .add_rules(path_beneath_rules(READS, read))?
        .add_rules(path_beneath_rules(READS_AND_WRITES, read | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules([walls.data_dir], own))?
        .add_rules(path_beneath_rules(walls.around, AccessFs::RemoveDir))?;
    for &port in walls.ports {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Confined::Fully,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Not,
    })
}
