//! An example voice server on Axum.
fn main() {}
