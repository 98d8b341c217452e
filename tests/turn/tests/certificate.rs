//! `deploy/share-certificate` gives coturn a new certificate.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use tempfile::TempDir;
use united_voice_scenarios::eventually;

use crate::{
    deployed::{Relay, path},
    tls::{self, Certificate},
};

/// The script, told to copy into `folder` for the group of this process.
fn script(folder: &Path, reload: &str) -> Command {
    let group = fs::metadata(folder).expect("the folder is there").gid();
    let mut command = Command::new(path("share-certificate"));
    command
        .env("TLS_DIR", folder)
        .env("TLS_GROUP", group.to_string())
        .env("RELOAD", reload);
    command
}

#[tokio::test]
async fn a_renewed_certificate_reaches_a_running_relay() {
    let relay = Relay::start().await;
    let lineage = TempDir::new().expect("a temporary directory can be made");
    let renewed = Certificate::write(lineage.path());
    let address = SocketAddr::from(([127, 0, 0, 1], relay.tls_port));
    assert!(tls::connect(renewed.der(), address).await.is_err());

    let folder = relay.certificate.chain.parent().expect("a folder");
    // coturn runs, so the reload is its signal.
    let reload = format!("kill -s USR2 {}", relay.coturn.pid());
    let status = script(folder, &reload)
        .env("RENEWED_LINEAGE", lineage.path())
        .status();
    assert!(status.expect("it starts").success());

    let mode = |name: &str| {
        let file = fs::metadata(folder.join(name)).expect("it is there");
        file.permissions().mode() & 0o777
    };
    assert_eq!((mode("fullchain.pem"), mode("privkey.pem")), (0o644, 0o640));
    eventually("the relay to have the new certificate", async || {
        tls::connect(renewed.der(), address).await.ok()
    })
    .await;
}

#[test]
fn the_files_may_be_arguments_as_caddys_are() {
    let (from, to) = (
        TempDir::new().expect("a temporary directory can be made"),
        TempDir::new().expect("a temporary directory can be made"),
    );
    let certificate = Certificate::write(from.path());
    let status = script(to.path(), "true")
        .args([&certificate.chain, &certificate.key])
        .status();
    assert!(status.expect("it starts").success());
    for name in ["fullchain.pem", "privkey.pem"] {
        let of = |folder: &TempDir| fs::read(folder.path().join(name)).expect("it is there");
        assert_eq!(of(&to), of(&from), "{name}");
    }
}

#[test]
fn without_a_certificate_nothing_changes() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let output = script(folder.path(), "touch reloaded")
        .current_dir(folder.path())
        .env_remove("RENEWED_LINEAGE")
        .output()
        .expect("it starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("RENEWED_LINEAGE"));
    let left = fs::read_dir(folder.path()).expect("the folder is there");
    assert_eq!(left.count(), 0);
}
