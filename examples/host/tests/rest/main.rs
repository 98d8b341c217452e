//! The REST routes, with requests as a framework would pass them.

mod channels;
mod fixture;
mod routing;
mod sign_in;
