//! Converts requests and answers. The types of Actix are built on an older version of the `http`
//! crate than the host uses.

use actix_http::{RequestHead, Response, StatusCode, Version};
use actix_web::web::Bytes;
use http::header::CONNECTION;
use united_voice_host::Request;

/// Converts a request, without its body, to the host's type.
///
/// # Errors
///
/// If the newer `http` crate refuses what the older one took.
pub(crate) fn request(head: &RequestHead) -> http::Result<Request> {
    let mut request = http::Request::builder()
        .method(head.method.as_str())
        .uri(head.uri.to_string());
    for (name, value) in head.headers() {
        request = request.header(name.as_str(), value.as_bytes());
    }
    if head.version < Version::HTTP_11 {
        request = request.version(http::Version::HTTP_10);
    }
    request.body(Bytes::new())
}

/// Converts the host's answer to Actix's type.
pub(crate) fn response(answer: united_voice_host::Response) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16())
        .expect("a valid status is valid in both versions");
    let mut response = Response::build(status);
    if head
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value == "close")
    {
        // Actix writes this header itself.
        response.force_close();
    }
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response
        .message_body(body)
        .expect("valid headers are valid in both versions")
}
