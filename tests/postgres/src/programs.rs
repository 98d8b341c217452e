//! The programs of PostgreSQL, and the user that they run as.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The folders in which Debian installs the versions of PostgreSQL, each with its own `bin`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder of the programs: that of the newest version, or the first one in `PATH`.
///
/// # Panics
/// If PostgreSQL is not installed.
pub(crate) fn folder() -> PathBuf {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path().join("bin")))
    });
    let newest = versions.filter(|(_, bin)| is_there(bin)).max();
    let paths = env::var_os("PATH").unwrap_or_default();
    newest
        .map(|(_, bin)| bin)
        .or_else(|| env::split_paths(&paths).find(|folder| is_there(folder)))
        .expect("PostgreSQL is installed (./scripts/test installs it)")
}

fn is_there(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"]
        .iter()
        .all(|program| folder.join(program).exists())
}

/// The user that a server runs as, if it is not ours. PostgreSQL refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// Debian's package makes this user.
    const NAME: &str = "postgres";

    /// # Panics
    /// If this process is root's, and there is no user `postgres`.
    pub(crate) fn of_server() -> Option<Self> {
        if id(&["-u"]) != 0 {
            return None;
        }
        Some(Self {
            uid: id(&["-u", Self::NAME]),
            gid: id(&["-g", Self::NAME]),
        })
    }
}

fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output();
    let output = output.expect("`id` can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let id = text.trim().parse();
    id.unwrap_or_else(|_| panic!("no user for PostgreSQL: id {arguments:?} says {output:?}"))
}

/// Makes a command run as this user, in a folder that the user may enter.
pub(crate) fn run_as(command: &mut Command, account: Option<Account>, folder: &Path) {
    command.current_dir(folder);
    if let Some(Account { uid, gid }) = account {
        // The standard library drops all other groups of root.
        command.uid(uid).gid(gid);
    }
}
