//! Who may open a WebSocket on `/ws`.

use http::{HeaderMap, Uri};
use united_voice_core::UserId;
use united_voice_websocket::HandshakeError;

use crate::{Host, Response, descriptors, error::ApiError};

impl Host {
    /// Finds the user that asks for a WebSocket on `/ws`. `refusal` is what is wrong with the
    /// request otherwise, if anything is.
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
    pub async fn admit(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        refusal: Option<HandshakeError>,
    ) -> Result<UserId, Response> {
        let user = self.authenticate(headers, uri).await?;
        match refusal {
            None if descriptors::have_room() => Ok(user),
            None => Err(ApiError::Crowded.into_response()),
            Some(refusal) => Err(ApiError::Handshake(refusal).into_response()),
        }
    }
}
