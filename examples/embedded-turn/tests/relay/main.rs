//! The relay from outside, with the TURN client of the `turn` crate and with bytes.

mod credentials;
mod ending;
mod limits;
mod peers;
mod stream;
mod support;
