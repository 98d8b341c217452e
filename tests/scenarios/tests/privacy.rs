//! Private data appears in no log line at any log level: sections 2 (rule 5) and 3.

use united_voice_scenarios::{
    Client, Codec, Handshake, Server, ServerKind, expect_payload, request, voice::VoiceLeaveReason,
};

scenarios! {
    each codec:
        nothing_private_is_logged;
    once:
}

const SECRET: &str = "the-secret-shared-with-turn";

async fn nothing_private_is_logged(kind: ServerKind, codec: Codec) {
    let config = format!(
        "[turn]\nenabled = true\nhost = \"turn.example\"\nport = 3478\nshared_secret = \"{SECRET}\"\n"
    );
    let server = Server::builder(kind)
        .config(&config)
        .environment("RUST_LOG", "debug")
        .start()
        .await;
    let user = server.user("Ann").await;
    let handshake = Handshake {
        query: Some(&user.token),
        subprotocols: &[codec.subprotocol()],
        ..Handshake::default()
    };
    let (socket, _) = handshake
        .open(server.address())
        .await
        .expect("the server upgrades");
    let mut ann = Client::over(socket, &user, codec);
    let mut bob = Client::new(&server, "Bob", codec).await;

    let ice_servers = ann.join("general").await.ice_servers;
    let credential = &ice_servers.last().expect("there is TURN").credential;
    bob.join("general").await;
    ann.joined_event("general").await;
    for payload in request::relayed("general", &bob.user.id, "private text between the two") {
        ann.send(payload).await;
        bob.event().await;
    }
    for payload in request::relayed("general", "nobody", "private text between the two") {
        ann.refused(payload).await;
    }
    for _ in 0..3 {
        ann.send_message(codec.encode(&Default::default())).await;
        expect_payload!(ann.event().await, VoiceError);
    }
    ann.close().await;
    bob.leave_event("general", VoiceLeaveReason::Disconnected)
        .await;

    let log = server.log();
    assert!(log.contains("listening on"), "the log is missing: {log}");
    for private in [
        "private text between the two",
        SECRET,
        credential,
        &user.token,
        &bob.user.token,
        &user.pubkey,
    ] {
        assert!(!log.contains(private), "{private:?} is in the log:\n{log}");
    }
}
