//! The page of the example servers in a real browser, with one person or several in a call. Every
//! server has to pass, and with `UNITED_VOICE_TEST_NODES=3` three of them that are one cluster.

mod accessibility;
mod comfort;
mod faults;
mod firefox;
mod hygiene;
mod layout;
mod mesh;
mod microphone;
mod nodes;
mod path;
mod reconnection;
mod relay;
mod relayed;
mod reload;
mod sign_in;
mod speaking;
mod timing;

macro_rules! on_every_server {
    ($($module:ident: $($test:ident),*;)*) => {
        mod axum {
            $($(#[tokio::test]
            async fn $test() {
                super::$module::$test(united_voice_browser::ServerKind::Axum).await;
            })*)*
        }
        mod actix {
            $($(#[tokio::test]
            async fn $test() {
                super::$module::$test(united_voice_browser::ServerKind::Actix).await;
            })*)*
        }
    };
}

on_every_server! {
    hygiene: the_console_stays_empty_and_requests_stay_at_home, a_foreign_script_is_blocked_and_logged;
    layout: everything_fits_a_desk_and_a_phone;
    mesh: four_people_hear_each_other;
    microphone: a_user_without_a_microphone_still_hears;
    reconnection: a_call_goes_on_while_the_server_restarts, a_call_goes_on_while_a_socket_is_cut, a_call_goes_on_while_a_socket_is_dead,
        a_short_stall_of_a_socket_changes_nothing, a_user_that_vanishes_is_soon_let_go;
    relay: a_link_for_relays_only_says_that_the_server_has_none;
    relayed: two_talk_through_coturn_by_udp, two_talk_through_coturn_by_tcp, two_talk_through_the_embedded_relay,
        a_text_explains_that_the_relay_refuses_the_credentials;
    sign_in: by_name_and_from_channel_to_channel, a_text_explains_a_refusal;
    speaking: a_speaker_has_a_ring_and_push_to_talk_gates_it, a_deafened_user_hears_nothing;
    timing: join_to_audio;
}
