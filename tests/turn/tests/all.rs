//! The credentials of the servers, tested against a real coturn; and the files of `deploy/`, tested
//! against the programs that read them.

mod agreement;
mod certificate;
mod cluster;
mod cluster_nodes;
mod credentials;
mod deployed;
mod deployed_relay;
mod hostile_ids;
mod proxy;
mod relay_url;
mod rotation;
mod shared_port;
mod special_ranges;
mod tls;

macro_rules! on_every_server {
    ($($module:ident: $($test:ident),*;)*) => {
        mod axum {
            $($(#[tokio::test]
            async fn $test() {
                super::$module::$test(united_voice_scenarios::ServerKind::Axum).await;
            })*)*
        }
        mod actix {
            $($(#[tokio::test]
            async fn $test() {
                super::$module::$test(united_voice_scenarios::ServerKind::Actix).await;
            })*)*
        }
    };
}

on_every_server! {
    credentials: coturns_own_client_is_let_in, each_url_of_the_join_is_usable, tampering_is_refused,
        another_secret_is_refused, an_expired_credential_is_refused_and_a_live_allocation_goes_on;
    hostile_ids: every_id_gets_a_credential_that_works,
        an_id_with_two_words_of_sql_is_refused_by_coturn;
    deployed_relay: members_are_let_in_by_every_transport;
    proxy: a_silent_member_stays_and_its_token_is_not_logged;
    rotation: nobody_is_refused_while_the_secret_changes;
}
