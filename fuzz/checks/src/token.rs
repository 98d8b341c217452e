//! Tokens that clients send.

use std::time::SystemTime;

use united_voice_core::UserId;
use united_voice_host::{Secret, Tokens};

use crate::input::Input;

/// Reads the bytes as a token, and as damage to a good one.
///
/// # Panics
///
/// If a token is accepted that was not issued, or if an error shows the secret.
pub fn check(bytes: &[u8]) {
    let tokens = Tokens::new(&Secret::new(SECRET));
    refused(&tokens, &String::from_utf8_lossy(bytes));

    let alice = UserId::new("alice").expect("a valid id");
    let issued = tokens.issue(&alice, SystemTime::now());
    assert_eq!(tokens.verify(&issued).expect("it was issued"), alice);
    let mut input = Input::new(bytes);
    let mut damaged = issued.clone().into_bytes();
    while !input.is_empty() {
        let at = usize::from(u16::from_be_bytes([input.byte(), input.byte()])) % damaged.len();
        match input.below(3) {
            0 => damaged[at] = input.byte(),
            1 => damaged.insert(at, input.byte()),
            _ if damaged.len() > 1 => drop(damaged.remove(at)),
            _ => {}
        }
    }
    let damaged = String::from_utf8_lossy(&damaged);
    if damaged != issued {
        refused(&tokens, &damaged);
    }
}

const SECRET: &str = "the secret of this check, 32 bytes";

fn refused(tokens: &Tokens, token: &str) {
    let error = tokens.verify(token).expect_err("nobody issued this");
    assert!(!error.to_string().contains(SECRET));
}
