//! The request for `/ws`, with which a connection leaves HTTP.

use http::{Method, request::Parts};
use united_voice_core::{Codec, UserId};

use crate::{
    Host, Request, Response,
    error::ApiError,
    websocket::{handshake, subprotocol},
};

/// A WebSocket that the host has granted.
#[derive(Debug)]
pub struct Upgrade {
    /// The user that connects.
    pub user: UserId,
    /// The codec, if the subprotocol settles it.
    pub codec: Option<Codec>,
}

impl Host {
    /// Answers a request to leave HTTP. If it returns an [`Upgrade`], the answer is 101 without a
    /// body, and the connection is a WebSocket as soon as that answer is sent.
    ///
    /// The token is checked first: a client without a valid one gets 401, whatever else it asks
    /// for. A request that is not a good request for a WebSocket gets 400, and one for another
    /// version than 13 gets 426. Every request other than `GET /ws` gets the answer of
    /// [`respond`](Self::respond).
    ///
    /// # Cancel safety
    ///
    /// As for [`respond`](Self::respond).
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
