//! Converts requests. The types of Actix are built on an older version of the `http` crate than the
//! host uses.

use actix_http::{RequestHead, Version};
use actix_web::web::Bytes;
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
