//! The scenarios. They check on a running server what clients and administrators may rely on.
//!
//! Each theme is a module. A scenario is a function of the server, and of the codec if the codec
//! could matter. The macro [`scenarios!`] makes the tests, so another server needs only three lines
//! here.

#[macro_use]
mod one_node;

/// Makes a test of each scenario for each server, and for each codec if the scenario takes one. The
/// scenarios that are not about one process also run over three nodes.
macro_rules! scenarios {
    (each codec: $($coded:ident),* $(,)?; once: $($plain:ident),* $(,)?) => {
        mod axum {
            scenarios_of! { united_voice_scenarios::ServerKind::Axum; $($coded)*; $($plain)* }
        }
        mod actix {
            scenarios_of! { united_voice_scenarios::ServerKind::Actix; $($coded)*; $($plain)* }
        }
        mod nodes {
            $(unless_of_one_node! { $coded
                #[tokio::test]
                async fn $coded() {
                    let codec = united_voice_scenarios::Codec::Protobuf;
                    super::$coded(united_voice_scenarios::ServerKind::Nodes, codec).await;
                }
            })*
            $(unless_of_one_node! { $plain
                #[tokio::test]
                async fn $plain() {
                    super::$plain(united_voice_scenarios::ServerKind::Nodes).await;
                }
            })*
        }
    };
}

macro_rules! scenarios_of {
    ($server:expr; $($coded:ident)*; $($plain:ident)*) => {
        mod protobuf {
            $(#[tokio::test]
            async fn $coded() {
                super::super::$coded($server, united_voice_scenarios::Codec::Protobuf).await;
            })*
        }
        mod json {
            $(#[tokio::test]
            async fn $coded() {
                super::super::$coded($server, united_voice_scenarios::Codec::Json).await;
            })*
        }
        $(#[tokio::test]
        async fn $plain() {
            super::$plain($server).await;
        })*
    };
}

mod bad_input;
mod bot;
mod busy_consumer;
mod codec;
mod exposition;
mod frame_size;
mod http;
mod lifecycle;
mod limits;
mod membership;
mod metrics;
mod native_audio;
mod ordering;
mod outage;
mod pipelining;
mod postgres;
mod privacy;
mod program;
mod promql;
mod rate_limit;
mod rate_weight;
mod readiness;
mod relay;
mod rust_client;
mod security;
mod shutdown;
mod sign_in;
mod slow_consumer;
mod state;
mod storage;
mod takeover;
mod turn;
