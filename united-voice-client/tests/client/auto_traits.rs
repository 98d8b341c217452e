//! Tasks may own and share every public type, and spawn the futures of the handle.

use united_voice_client::*;

fn owned<T: Send + Sync + Unpin + 'static>() {}
fn spawned<F: Future + Send>(_: &F) {}

macro_rules! check {
    ($($type:ty),* $(,)?) => { $( owned::<$type>(); )* };
}

#[test]
fn types() {
    check!(
        Client,
        Events,
        Event,
        Snapshot,
        Roster,
        Peer,
        RelayId,
        Description,
        Candidate,
        Refusal,
        ExitReason,
        Disconnect,
        Backoff,
        Endpoint,
        ConnectError,
        JoinError,
        RequestError,
        SendError,
        TokenError,
    );
    #[cfg(feature = "rustls")]
    check!(Roots, RootsError);
    fn sent<T: Send>() {}
    sent::<ClientBuilder>();
}

#[test]
fn futures() {
    fn check(client: &Client, builder: ClientBuilder) {
        spawned(&builder.connect());
        spawned(&client.join(""));
        spawned(&client.leave());
        spawned(&client.set_state(true, true));
        spawned(&client.ice_servers());
        spawned(&client.offer("", ""));
        spawned(&client.speaking(true));
        spawned(&client.clone().close());
    }
    // The test is that this compiles.
    let _: fn(&Client, ClientBuilder) = check;
}

#[test]
fn settings_and_tokens_reach_no_log() {
    let builder = Client::builder("ws://host/ws?access_token=hunter2").token("hunter3");
    assert!(!format!("{builder:?}").contains("hunter"));
}
