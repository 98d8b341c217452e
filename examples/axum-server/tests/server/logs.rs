//! The log contains neither names nor tokens nor messages of users, even at the level `trace`.

use futures::{SinkExt as _, StreamExt as _};
use rustix::process::Signal;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{PATIENCE, Server};

#[tokio::test]
async fn no_token_name_or_payload_is_logged() {
    let mut server = Server::start_with(|command| {
        command.env("RUST_LOG", "trace");
    });
    let keyed = reqwest::Client::new()
        .post(server.url("/api/dev/login"))
        .json(&serde_json::json!({ "displayName": "C", "loginKey": "login-key-the-payload" }));
    assert_eq!(keyed.send().await.unwrap().status(), 200);
    assert_eq!(server.channels_status("a.token-the-payload.b").await, 401);
    let (ada, bob) = (
        server.sign_in("Ada-the-name").await,
        server.sign_in("Bob-the-name").await,
    );
    let (mut first, mut second) = (server.connect(&ada).await, server.connect(&bob).await);
    let join = r#"{"requestId":"1","voiceJoinRequest":{"channelId":"general"}}"#;
    first.send(Message::text(join)).await.unwrap();
    timeout(PATIENCE, first.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    second.send(Message::text(join)).await.unwrap();
    let snapshot = timeout(PATIENCE, second.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let snapshot: serde_json::Value = serde_json::from_str(snapshot.to_text().unwrap()).unwrap();
    let target = &snapshot["voiceJoinResponse"]["participants"][0]["userId"];
    let offer = format!(
        r#"{{"voiceSdpOffer":{{"channelId":"general","targetUserId":{target},"sdp":"v=0 sdp-the-payload"}}}}"#
    );
    second.send(Message::text(offer)).await.unwrap();
    // The joined event comes before the offer.
    let relayed = async {
        loop {
            let message = first.next().await.unwrap().unwrap();
            if message.to_text().unwrap().contains("sdp-the-payload") {
                return;
            }
        }
    };
    timeout(PATIENCE, relayed).await.unwrap();
    second
        .send(Message::text("not JSON, garbage-the-payload"))
        .await
        .unwrap();
    timeout(PATIENCE, second.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    server.signal(Signal::TERM);
    let secrets = std::fs::read_to_string(server.data_dir().join("secrets.toml")).unwrap();
    let (status, log) = server.ended();
    assert!(status.success());
    assert!(
        log.contains("DEBUG") && log.contains("refused"),
        "the log is not at the level trace: {log}"
    );
    assert!(
        log.contains("a token was refused") && log.contains("is no JSON Web Token"),
        "the reason is there"
    );
    let generated = secrets
        .split('"')
        .filter(|part| part.len() > 40 && !part.contains(' '));
    let mut unwanted = vec![
        ada.as_str(),
        bob.as_str(),
        "access_token",
        "the-name",
        "the-payload",
        "v=0",
    ];
    unwanted.extend(generated);
    assert_eq!(unwanted.len(), 8, "both secrets were found");
    for text in unwanted {
        assert!(!log.contains(text), "{text:?} is in the log:\n{log}");
    }
}
