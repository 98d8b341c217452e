//! The credentials that the relay accepts.

use std::time::{Duration, SystemTime};

use united_voice_core::{SharedSecret, TurnCredentials};

use crate::support::{Allocation, BOTH, PATIENCE, client, credentials, relay, secret, talk};

#[tokio::test]
async fn a_call_is_relayed_with_minted_credentials() {
    let relay = relay().await;
    for transport in BOTH {
        let one = Allocation::of("alice", relay.local_addr(), transport).await;
        let other = Allocation::of("a b\"c\\d' %41 \u{1F98A}", relay.local_addr(), transport).await;
        talk(&one, &other).await;
        one.release().await;
        other.release().await;
    }
    relay.close().await;
}

#[tokio::test]
async fn other_credentials_are_refused() {
    let relay = relay().await;
    let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
    let good = credentials("alice");
    let tampered = TurnCredentials {
        username: good.username.replace("alice", "admin"),
        credential: good.credential.clone(),
    };
    let later = TurnCredentials {
        username: format!("9{}", good.username),
        credential: good.credential.clone(),
    };
    let cases = [
        ("expired", secret().mint("alice", hour, now - 2 * hour)),
        ("tampered", tampered),
        ("prolonged", later),
        (
            "another secret",
            SharedSecret::new("south").mint("alice", hour, now),
        ),
    ];
    for transport in BOTH {
        for (case, credentials) in &cases {
            let refused =
                Allocation::with(credentials.clone(), relay.local_addr(), transport).await;
            let error = refused.err().expect(case).to_string();
            assert!(error.contains("400"), "{case}: {error}");
        }
        Allocation::of("alice", relay.local_addr(), transport)
            .await
            .release()
            .await;
    }
    relay.close().await;
}

#[tokio::test]
async fn a_binding_request_needs_no_credentials() {
    let relay = relay().await;
    for transport in BOTH {
        let client = client(credentials("nobody"), relay.local_addr(), transport).await;
        let asked = tokio::time::timeout(PATIENCE, client.send_binding_request()).await;
        let address = asked.expect("an answer in time").unwrap();
        assert!(
            address.ip().is_loopback() && address != relay.local_addr(),
            "{address}"
        );
        client.close().await.unwrap();
    }
    relay.close().await;
}
