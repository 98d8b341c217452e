//! Who may open a WebSocket on `/ws`.

use http::{HeaderMap, Uri, Version};
use united_voice_core::UserId;
use united_voice_websocket::HandshakeError;

use crate::{Host, Peer, Response, descriptors, error::ApiError, gate::Refusal, rest};

impl Host {
    /// Finds the user that asks for a WebSocket on `/ws`. `request` is what the handshake made of
    /// the request, or what is wrong with it. If the user may have a WebSocket, it is returned.
    ///
    /// # Errors
    ///
    /// The answer to send instead of 101. The token is checked first: a client without a valid one
    /// gets 401, whatever else is wrong with its request. A good request gets 503 if the process has
    /// too few descriptors left. A client that sends too many requests, or has too many WebSockets,
    /// gets 429.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn admit<T>(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        uri: &Uri,
        request: Result<T, HandshakeError>,
    ) -> Result<(UserId, T), Response> {
        let _answering = peer.answer();
        let admitted = async {
            // The handshake has checked the version.
            rest::check(Version::HTTP_11, headers)?;
            peer.count_request(headers)?;
            let user = self.user(headers, uri).await?;
            let request = request.map_err(|error| {
                peer.count_refused(Refusal::BadRequest);
                ApiError::Handshake(error)
            })?;
            if !descriptors::have_room() {
                peer.count_refused(Refusal::Descriptors);
                return Err(ApiError::Crowded);
            }
            peer.count_websocket(headers)?;
            Ok((user, request))
        };
        admitted.await.map_err(ApiError::into_response)
    }
}
