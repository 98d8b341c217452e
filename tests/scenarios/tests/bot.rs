//! A user with a Rust client, whose methods check that the expected event comes next.

use std::net::SocketAddr;

use united_voice_client::{
    Client, ClientBuilder, Event, Events, LeaveReason, Participant, Peer, Roster,
};
use united_voice_scenarios::{Codec, Server, User, soon};

/// A user with a Rust client.
pub(crate) struct Bot {
    pub(crate) user: User,
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) roster: Roster,
}

impl Bot {
    /// Signs a new user in and connects.
    pub(crate) async fn new(server: &Server, name: &str, codec: Codec) -> Self {
        Self::connect(server, &server.user(name).await, codec).await
    }

    /// Connects a user who signed in before.
    pub(crate) async fn connect(server: &Server, user: &User, codec: Codec) -> Self {
        let builder = builder(server.address_for(user), codec);
        Self::over(user, builder.token(&user.token)).await
    }

    /// Connects as the builder says.
    pub(crate) async fn over(user: &User, builder: ClientBuilder) -> Self {
        let (client, events) = soon("connecting", builder.connect()).await.expect("let in");
        Self {
            user: user.clone(),
            client,
            events,
            roster: Roster::new(),
        }
    }

    /// The next event, which is also applied to the roster.
    pub(crate) async fn next(&mut self) -> Event {
        let event = soon("an event", self.events.next()).await;
        let event = event.expect("the events continue");
        self.roster.apply(&event);
        event
    }

    /// Joins and reads the event of its own join.
    pub(crate) async fn join(&mut self, channel: &str) -> Participant {
        let snapshot = soon("joining", self.client.join(channel))
            .await
            .expect("let in");
        let Event::Entered {
            snapshot: told,
            rejoined: false,
        } = self.next().await
        else {
            panic!("a join begins with `Entered`")
        };
        assert_eq!(told, snapshot);
        assert_eq!(snapshot.channel_id, channel);
        Participant {
            user_id: self.user.id.clone(),
            display_name: self.user.name.clone(),
            pubkey: self.user.pubkey.clone(),
            session_id: snapshot.session_id,
            ..Participant::default()
        }
    }

    /// The next event, which must be a join.
    pub(crate) async fn joined(&mut self) -> Participant {
        match self.next().await {
            Event::Joined { participant, .. } => participant,
            event => panic!("{event:?}"),
        }
    }

    /// The next event, which must be a leave.
    pub(crate) async fn left(&mut self) -> (Peer, LeaveReason) {
        match self.next().await {
            Event::Left { peer, reason, .. } => (peer, reason),
            event => panic!("{event:?}"),
        }
    }
}

/// The settings of a client of the server at this address.
pub(crate) fn builder(server: SocketAddr, codec: Codec) -> ClientBuilder {
    let codec = united_voice_client::Codec::from_subprotocol(codec.subprotocol());
    Client::builder(format!("ws://{server}/ws")).codec(codec.expect("both are known"))
}
