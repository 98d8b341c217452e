//! The request for `/ws`, which turns an HTTP connection into a WebSocket.

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
    /// The user of the connection.
    pub user: UserId,
    /// The form of the protocol that client and server agree on already.
    pub codec: Option<Codec>,
}

impl Host {
    /// Answers a request to leave HTTP. If the request is granted, the answer is 101 without a body
    /// and comes with an [`Upgrade`]: once the answer is sent, the connection is a WebSocket.
    ///
    /// The token is checked first, so a client without one gets a plain 401 and holds no socket. A
    /// malformed request for a WebSocket gets 400, a request for another version than 13 gets 426.
    /// Every request other than `GET /ws` gets the answer of [`respond`](Self::respond).
    ///
    /// # Cancel safety
    ///
    /// As [`respond`](Self::respond).
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
