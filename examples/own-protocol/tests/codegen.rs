//! The checked-in code is what the .proto file says.
//!
//! `PARLEY_REGENERATE=1 cargo test -p united-voice-own-protocol --test codegen` writes it anew.

use std::{fs, path::Path};

#[test]
fn generated_code_is_up_to_date() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protos = [
        package.join("proto"),
        package.join("../../united-voice-proto/proto"),
    ];
    let descriptors = protox::compile(["parley.proto"], protos).expect("the .proto file compiles");
    let fresh = tempfile::tempdir().expect("a temporary folder");
    prost_build::Config::new()
        // The library's messages themselves, not copies of them.
        .extern_path(".united.voice", "::united_voice_core::proto::voice")
        .out_dir(fresh.path())
        .compile_fds(descriptors)
        .expect("prost generates");

    let fresh = fs::read_to_string(fresh.path().join("parley.rs")).expect("generated");
    let path = package.join("src/generated/parley.rs");
    if std::env::var_os("PARLEY_REGENERATE").is_some() {
        fs::write(&path, &fresh).expect("writable");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "parley.rs is stale: run with PARLEY_REGENERATE=1"
    );
}
