//! The request for `/ws`, by which a connection leaves HTTP.

use http::{Method, request::Parts};
use united_voice_core::{Codec, UserId};

use crate::{
    Host, Request, Response,
    error::ApiError,
    websocket::{handshake, subprotocol},
};

/// A WebSocket that is granted.
#[derive(Debug)]
pub struct Upgrade {
    /// Whose it is.
    pub user: UserId,
    /// The form of the protocol that client and server agree on already.
    pub codec: Option<Codec>,
}

impl Host {
    /// Answers a request to leave HTTP, and where it is granted says so: once that answer, 101 without a body, is sent, the
    /// connection is a WebSocket.
    ///
    /// Whose it is comes first: whoever has no token learns that from a plain 401 and holds no socket. What is no good request
    /// for a WebSocket gets 400, and one for another version than 13 gets 426. Every request but `GET /ws` gets what
    /// [`respond`](Self::respond) says.
    ///
    /// # Cancel safety
    ///
    /// That of [`respond`](Self::respond).
    pub async fn upgrade(&self, request: Request) -> (Response, Option<Upgrade>) {
        if request.method() != Method::GET || request.uri().path() != "/ws" {
            return (self.respond(request).await, None);
        }
        let (head, _) = request.into_parts();
        match self.grant(&head).await {
            Ok((answer, upgrade)) => (answer, Some(upgrade)),
            Err(refusal) => (refusal.into_response(), None),
        }
    }

    pub(crate) async fn grant(&self, head: &Parts) -> Result<(Response, Upgrade), ApiError> {
        let user = self.user(&head.headers, &head.uri).await?;
        let codec = subprotocol::choose(&head.headers);
        let answer = handshake::accept(head, codec)?;
        Ok((answer, Upgrade { user, codec }))
    }
}
