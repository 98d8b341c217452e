//! Finds the server's executable, building it first if needed.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::ServerKind;

/// The executable of a server. Cargo builds it once per process, with the profile and in the target
/// directory of the running program, which is a test or a program of this workspace.
///
/// # Panics
/// If cargo can't build it. The first test that asks waits for the build; later ones panic at once.
pub(crate) fn executable(kind: ServerKind) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&str, Option<PathBuf>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let name = kind.executable();
    let executable = built.entry(name).or_insert_with(|| build(name));
    executable
        .clone()
        .unwrap_or_else(|| panic!("cargo could not build {name}, see above"))
}

fn build(name: &str) -> Option<PathBuf> {
    let (target_dir, profile) = target_dir_and_profile();
    // Actix Web depends on a package that is called `actix-server` too. The version tells them
    // apart.
    let package = format!("{name}@{}", env!("CARGO_PKG_VERSION"));
    // A test is run by cargo, which names itself. For a program that was started by hand it is the
    // `cargo` of the path, which may choose a toolchain first.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Cargo tells a test about its crate by these variables. The build script of `ring` says that it
    // depends on them. So with them, the tests of each crate would build half of the server anew.
    for (name, _) in env::vars_os() {
        let is_of_test = |prefix| name.to_string_lossy().starts_with(prefix);
        if is_of_test("CARGO_PKG_") || is_of_test("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    let output = build
        .args([
            "build",
            "--quiet",
            "--package",
            &package,
            "--profile",
            &profile,
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    executable_among(&messages, name).filter(|_| output.status.success())
}

/// The target directory and profile of the running program. They are read from its own path, which
/// is `{target dir}/{profile}/deps/{test}` or `{target dir}/{profile}/{program}`.
fn target_dir_and_profile() -> (PathBuf, String) {
    let program = env::current_exe().expect("a program knows its path");
    let folder = program.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().expect("`deps` lies in a profile's folder")
    } else {
        folder
    };
    let profile = folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a profile has a name");
    let profile = if profile == "debug" { "dev" } else { profile };
    let target_dir = folder
        .parent()
        .map(Path::to_path_buf)
        .expect("a profile lies in a target directory");
    (target_dir, profile.to_owned())
}

fn executable_among(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
