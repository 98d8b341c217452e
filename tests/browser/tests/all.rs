//! The page of the example servers in a real browser: one person alone, and several who talk to each other.

mod hygiene;
mod layout;
mod mesh;
mod microphone;
mod reconnection;
mod relay;
mod sign_in;
mod speaking;
mod timing;
