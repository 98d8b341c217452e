//! The REST routes, asked as a framework would ask them.

mod channels;
mod fixture;
mod routing;
mod sign_in;
