//! What hostile clients do, in short, and a minute of the soak, against both servers.

mod attacks;
mod soak;
