//! The server's half of the opening handshake (RFC 6455, section 4.2).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use united_voice_core::Codec;

use crate::{Response, error::ApiError};

/// The version of RFC 6455. No other is in use.
pub(crate) const VERSION: &str = "13";

/// Makes the answer 101 to a good request. It names the subprotocol of `codec`.
///
/// # Errors
///
/// If the request does not ask for a WebSocket, or asks for another version.
pub(crate) fn accept(head: &Parts, codec: Option<Codec>) -> Result<Response, ApiError> {
    let key = verified_key(head).ok_or_else(ApiError::not_a_websocket)?;
    let mut answer = Response::default();
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let proof = derive_accept_key(key.as_bytes());
    let proof = HeaderValue::try_from(proof).expect("base64 is ASCII");
    headers.insert(SEC_WEBSOCKET_ACCEPT, proof);
    if let Some(codec) = codec {
        let protocol = HeaderValue::from_static(codec.subprotocol());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    if head.headers[SEC_WEBSOCKET_VERSION] == VERSION {
        Ok(answer)
    } else {
        Err(ApiError::WebSocketVersion)
    }
}

/// Returns the key, if the request asks for a WebSocket of any version.
fn verified_key(head: &Parts) -> Option<&HeaderValue> {
    let headers = &head.headers;
    let asks = head.version == Version::HTTP_11
        && lists(headers, CONNECTION, "upgrade")
        && lists(headers, UPGRADE, "websocket")
        && headers.contains_key(SEC_WEBSOCKET_VERSION);
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None, true) = (keys.next(), keys.next(), asks) else {
        return None;
    };
    let nonce = BASE64_STANDARD.decode(key.as_bytes()).ok()?;
    (nonce.len() == 16).then_some(key)
}

/// Whether a header lists `word`, in upper or lower case. The header may come several times and
/// hold several words each time.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        let words = value.to_str().unwrap_or_default().split(',');
        words.map(str::trim).any(|it| it.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The example of RFC 6455: a key, and the answer to it.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// A good request, except that the header `name` has the `values`.
    fn request(name: &HeaderName, values: &[&'static str]) -> Parts {
        let mut request = Request::new(());
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(KEY));
        headers.remove(name);
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn good_requests_are_granted() {
        let cases: [(HeaderName, &[&'static str]); 4] = [
            (CONNECTION, &["Upgrade"]),
            (CONNECTION, &["keep-alive, Upgrade"]),
            (CONNECTION, &["keep-alive", "UPGRADE"]),
            (UPGRADE, &["h2c, WebSocket"]),
        ];
        for (name, values) in cases {
            let answer = accept(&request(&name, values), None).expect(values[0]);
            assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], ACCEPT);
            assert_eq!(answer.headers()[CONNECTION], "upgrade");
            assert_eq!(answer.headers()[UPGRADE], "websocket");
            assert!(!answer.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
        }
    }

    #[test]
    fn the_subprotocol_is_named() {
        let head = request(&SEC_WEBSOCKET_KEY, &[KEY]);
        let answer = accept(&head, Some(Codec::Json)).unwrap();
        assert_eq!(
            answer.headers()[SEC_WEBSOCKET_PROTOCOL],
            Codec::Json.subprotocol()
        );
    }

    #[test]
    fn other_requests_are_refused() {
        let cases: [(HeaderName, &[&'static str], u16); 12] = [
            (CONNECTION, &[], 400),
            (CONNECTION, &["keep-alive"], 400),
            (CONNECTION, &["not-upgrade"], 400),
            (UPGRADE, &[], 400),
            (UPGRADE, &["h2c"], 400),
            (SEC_WEBSOCKET_VERSION, &[], 400),
            (SEC_WEBSOCKET_VERSION, &["8"], 426),
            (SEC_WEBSOCKET_KEY, &[], 400),
            (SEC_WEBSOCKET_KEY, &["c2hvcnQ="], 400),
            (SEC_WEBSOCKET_KEY, &["not base64, though 24 by"], 400),
            (SEC_WEBSOCKET_KEY, &[KEY, KEY], 400),
            (SEC_WEBSOCKET_KEY, &["AAAAAAAAAAAAAAAAAAAAAAAA"], 400),
        ];
        for (name, values, status) in cases {
            let refusal = accept(&request(&name, values), None).expect_err(name.as_str());
            let refusal = refusal.into_response();
            assert_eq!(refusal.status().as_u16(), status, "{name}: {values:?}");
            // A client of another version learns which version the server speaks.
            let version = refusal.headers().get(SEC_WEBSOCKET_VERSION);
            assert_eq!(version.is_some_and(|it| it == "13"), status == 426);
        }
    }

    #[test]
    fn http_1_0_knows_no_upgrade() {
        let mut head = request(&SEC_WEBSOCKET_KEY, &[KEY]);
        head.version = Version::HTTP_10;
        assert!(accept(&head, None).is_err());
    }
}
