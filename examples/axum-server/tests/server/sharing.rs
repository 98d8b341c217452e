//! Several processes on one data folder.

use std::process::{Command, Stdio};

use crate::process::{Server, command};

#[test]
fn commands_that_start_together_on_a_new_folder_all_succeed() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let started: Vec<_> = (0..6)
            .map(|number| {
                let mut command = command(&data);
                command.args(["token", "--user", &format!("user{number}")]);
                command.spawn().unwrap()
            })
            .collect();
        for child in started {
            let output = child.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
        }
    }
}

#[tokio::test]
async fn a_server_and_a_command_that_start_together_both_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let mut early = command(&dir.path().join("data"));
    let early = early.args(["token", "--user", "early"]).spawn().unwrap();
    let server = Server::start_in(dir, |_| {});
    let output = early.wait_with_output().unwrap();
    assert!(output.status.success());
    let token = String::from_utf8(output.stdout).unwrap();
    assert_eq!(server.channels_status(token.trim()).await, 200);
}

#[test]
fn a_second_server_on_a_folder_refuses_and_says_why() {
    let server = Server::start();
    let second = || {
        let mut second = command(&server.data_dir());
        second.args(["--bind", "127.0.0.1:0"]).output().unwrap()
    };
    let output = second();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "it never listened");
    let expected = format!(
        "error: another server uses the data folder {}; stop it, or give this one another \
         --data-dir\n",
        server.data_dir().display()
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    // The lock ends with its process, so this one starts.
    drop(Server::start_in(server.stop(), |_| {}));
}

#[test]
fn a_command_without_a_folder_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = Command::new(crate::PROGRAM);
        command.env_clear().current_dir(&dir).stdin(Stdio::null());
        command.args(["token", "--user", "ada"]).output().unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: there is no data folder united-data; name the server's with --data-dir or \
         UNITED_DATA_DIR\n"
    );
    assert!(!dir.path().join("united-data").exists());
    std::fs::create_dir(dir.path().join("united-data")).unwrap();
    assert!(run().status.success(), "the folder is there");
}
