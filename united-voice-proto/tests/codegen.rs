//! The checked-in code is the code that the .proto files generate.
//!
//! `UNITED_VOICE_REGENERATE=1 cargo test -p united-voice-proto --test codegen` writes it again.

use std::{fs, path::Path};

use prost_build::Config;

const GENERATED: [&str; 4] = [
    "united.voice.rs",
    "united.voice.serde.rs",
    "united.ws.rs",
    "united.ws.serde.rs",
];

/// Messages with a hand-written `Debug`, which hides their content.
const REDACTED: [&str; 4] = [
    ".united.voice.VoiceSdpOffer",
    ".united.voice.VoiceSdpAnswer",
    ".united.voice.VoiceIceCandidate",
    ".united.voice.IceServer",
];

fn generate(out: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let descriptors =
        protox::compile([root.join("united/ws.proto")], [&root]).expect("the .proto files compile");
    let bytes = prost_encode(&descriptors);
    Config::new()
        .out_dir(out)
        .skip_debug(REDACTED)
        .compile_fds(descriptors)
        .expect("prost generates");
    pbjson_build::Builder::new()
        .out_dir(out)
        .register_descriptors(&bytes)
        .expect("descriptors decode")
        .emit_fields()
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .build(&[".united"])
        .expect("pbjson generates");
}

fn prost_encode(descriptors: &impl prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}

#[test]
fn generated_code_is_up_to_date() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let fresh = tempfile::tempdir().expect("a temporary folder");
    generate(fresh.path());
    for name in GENERATED {
        let fresh = fs::read_to_string(fresh.path().join(name)).expect("generated");
        let path = checked_in.join(name);
        if std::env::var_os("UNITED_VOICE_REGENERATE").is_some() {
            fs::write(&path, &fresh).expect("writable");
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == fresh,
            "{name} is stale: run with UNITED_VOICE_REGENERATE=1"
        );
    }
}
