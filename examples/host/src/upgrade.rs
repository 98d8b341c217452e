//! Who may open a WebSocket on `/ws`.

use http::{HeaderMap, Uri};
use united_voice_core::UserId;
use united_voice_websocket::HandshakeError;

use crate::{Host, Response, descriptors, error::ApiError};

impl Host {
    /// Finds the user that asks for a WebSocket on `/ws`. `request` is what the handshake made of
    /// the request, or what is wrong with it. If the user may have a WebSocket, it is returned.
    ///
    /// # Errors
    ///
    /// The answer to send instead of 101. The token is checked first: a client without a valid one
    /// gets 401, whatever else is wrong with its request. A good request gets 503 if the process has
    /// too few descriptors left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn admit<T>(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        request: Result<T, HandshakeError>,
    ) -> Result<(UserId, T), Response> {
        let user = self.authenticate(headers, uri).await?;
        let request = request.map_err(|error| ApiError::Handshake(error).into_response())?;
        if descriptors::have_room() {
            Ok((user, request))
        } else {
            Err(ApiError::Crowded.into_response())
        }
    }
}
