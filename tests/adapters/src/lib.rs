//! Ordinary servers on axum and Actix Web that have voice by the adapters, and a client that can
//! break every rule.

mod client;
mod server;

use std::time::Duration;

pub use client::{Client, Received};
pub use server::{Kind, Server};

/// How long a test waits for anything. A loaded machine needs some of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a test of each function for each kind of server.
#[macro_export]
macro_rules! each_server {
    ($($name:ident),* $(,)?) => {
        $crate::each_server!(@ axum Axum: $($name)*);
        $crate::each_server!(@ axum_own_extractor AxumOwn: $($name)*);
        $crate::each_server!(@ actix Actix: $($name)*);
    };
    (@ $module:ident $kind:ident: $($name:ident)*) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Kind::$kind).await;
            })*
        }
    };
}

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
