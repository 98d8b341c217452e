//! A minute of the soak with few clients.

use std::time::Duration;

use united_voice_hostile::soak::{Settings, run};
use united_voice_scenarios::ServerKind;

fn a_minute_of(server: ServerKind) {
    let settings = Settings {
        server,
        time: Duration::from_secs(60),
        clients: 100,
        channels: 20,
        pace: 150.0,
        seed: fastrand::u64(..),
    };
    let outcome = run(settings).expect("the soak can be played");
    assert!(outcome.violations.is_empty(), "{}", outcome.report);
}

#[test]
fn axum_stands_a_minute_of_chance() {
    a_minute_of(ServerKind::Axum);
}

#[test]
fn actix_stands_a_minute_of_chance() {
    a_minute_of(ServerKind::Actix);
}
