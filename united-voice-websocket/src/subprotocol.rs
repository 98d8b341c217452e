//! Chooses the codec that a WebSocket request asks for.

use http::{HeaderMap, header::SEC_WEBSOCKET_PROTOCOL};
use united_voice_core::Codec;

/// Returns the first codec that the client offers and the library knows. If there is none, the
/// answer names no subprotocol.
pub(crate) fn choose(headers: &HeaderMap) -> Option<Codec> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    Codec::select(
        offers
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_known_offer_is_taken() {
        let (proto, json) = ("united.voice.v1.proto", "united.voice.v1.json");
        let cases: [(&[&'static str], Option<Codec>); 8] = [
            (&[], None),
            (&["chat"], None),
            (&[proto], Some(Codec::Protobuf)),
            (&[json], Some(Codec::Json)),
            (
                &["united.voice.v1.proto, united.voice.v1.json"],
                Some(Codec::Protobuf),
            ),
            (
                &["chat , united.voice.v1.json,united.voice.v1.proto"],
                Some(Codec::Json),
            ),
            (&["chat", json, proto], Some(Codec::Json)),
            (&["UNITED.VOICE.V1.JSON"], None),
        ];
        for (offered, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in offered {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value));
            }
            assert_eq!(choose(&headers), expected, "{offered:?}");
        }
    }
}
