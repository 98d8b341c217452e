//! Programs that the tests need, and their processes.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

/// How many lines of a log are shown, so that they do not hide why the test failed.
const SHOWN: usize = 60;

/// The path of a program.
///
/// # Panics
/// If the program is not installed. The message names its Debian package.
pub fn needs(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian has programs of administrators here, which PATH may not name.
    let more = [PathBuf::from("/usr/sbin")];
    env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs {program}: on Debian, apt-get install {package}")
        })
}

/// A running program with its output in a file. Dropping it kills the process. If the test fails,
/// the end of the program's output is part of the test's.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    process: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program in a directory, and writes its output to the file `log` there. The
    /// directory has to outlive the program.
    ///
    /// # Panics
    /// If the program can't be started.
    #[must_use]
    pub fn start(name: &'static str, mut command: Command, directory: &Path) -> Self {
        let path = directory.join("log");
        let log = File::create(&path).expect("the directory is writable");
        let process = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        Self {
            name,
            process,
            log: path,
        }
    }

    /// The output so far.
    ///
    /// # Panics
    /// If the file can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).expect("the file was made at the start");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the process has ended.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        let status = self.process.try_wait();
        status.expect("a child can be waited for").is_some()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    #[expect(
        clippy::print_stderr,
        reason = "the harness of the failing test shows it"
    )]
    fn show_log(&self) {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        eprintln!("--- the end of {}'s output ---\n{shown}\n---", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            self.show_log();
        }
    }
}
