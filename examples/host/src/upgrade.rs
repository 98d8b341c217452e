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
    /// The answer to send instead of 101: 400 if the request could be read in different ways, and
    /// 429 if the client sends too many requests. Then the token is checked: a client without a
    /// valid one gets 401, whatever is wrong with its handshake. A good request gets 503 if the
    /// process has too few descriptors left, and 429 if the client has too many WebSockets.
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
        peer.taken().await;
        let _answering = peer.answer();
        let admitted = async {
            // The handshake has checked the version.
            rest::check(Version::HTTP_11, headers)
                .inspect_err(|_| peer.count_refused(Refusal::BadRequest))?;
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
            peer.turn().grant();
            Ok((user, request))
        };
        admitted.await.map_err(ApiError::into_response)
    }
}
