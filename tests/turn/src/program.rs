//! Programs that the tests need, and processes of them.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

/// Where a program is installed.
///
/// # Panics
/// If it is not, naming the Debian package that has it.
pub fn needs(program: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Where Debian keeps what administrators run; not in everybody's PATH.
    let more = [PathBuf::from("/usr/sbin")];
    env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs {program}: on Debian, apt-get install {package}")
        })
}

/// A running program whose output goes to a file. Dropping it kills it; where a test fails, what it wrote is part of the
/// output.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    process: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program in a directory, which has to outlive it, and has it write to the file `log` there.
    ///
    /// # Panics
    /// If it can't be started.
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

    /// What it has written so far.
    ///
    /// # Panics
    /// If that can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).expect("the file was made at the start");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// If that can't be known.
    pub fn has_ended(&mut self) -> bool {
        let status = self.process.try_wait();
        status.expect("a child can be waited for").is_some()
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    #[expect(
        clippy::print_stderr,
        reason = "the harness of the failing test shows it"
    )]
    fn show_log(&self) {
        eprintln!("--- what {} wrote ---\n{}---", self.name, self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            self.show_log();
        }
    }
}
