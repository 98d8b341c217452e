//! Rebuilds the crate when a migration or a file of the page changes: both are embedded in it.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=web");
    println!("cargo:rerun-if-changed=../../united-voice-web/src");
}
