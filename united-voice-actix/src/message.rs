//! Converts requests and answers. The types of Actix are built on an older version of the `http`
//! crate than those of the handshake.

use actix_http::{RequestHead, Response, StatusCode, Version};
use bytes::Bytes;
use http::header::CONNECTION;
use united_voice_websocket::{Handshake, HandshakeError};

/// Checks a request for a WebSocket, for [`upgrade_framed`](crate::upgrade_framed), or for a host
/// that gives an answer of its own form to a bad one.
///
/// # Errors
///
/// The first thing that is wrong with the request.
pub fn handshake(request: &RequestHead) -> Result<Handshake, HandshakeError> {
    let mut copy = http::Request::builder().method(request.method.as_str());
    for (name, value) in request.headers() {
        copy = copy.header(name.as_str(), value.as_bytes());
    }
    copy = copy.version(match request.version {
        Version::HTTP_11 => http::Version::HTTP_11,
        Version::HTTP_2 => http::Version::HTTP_2,
        _ => http::Version::HTTP_10,
    });
    // The newer crate knows every method and takes every header that the older one takes.
    let copy = copy.body(()).map_err(|_| HandshakeError::Method)?;
    Handshake::new(&copy.into_parts().0)
}

/// Converts an answer to Actix's type, for [`answer_framed`](crate::answer_framed): one of
/// [`HandshakeError::response`], or one of a host that uses the newer crate itself.
pub fn response(answer: http::Response<Bytes>) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16())
        .expect("a valid status is valid in both versions");
    let mut response = Response::build(status);
    if head.headers.get(CONNECTION).is_some_and(|it| it == "close") {
        // Actix closes the connection only if it is told so, and writes this header itself.
        response.force_close();
    }
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response
        .message_body(body)
        .expect("valid headers are valid in both versions")
}
