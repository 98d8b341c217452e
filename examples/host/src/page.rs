//! The web page, embedded in the server. A debug build reads it from the source folder at each
//! request.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, IF_NONE_MATCH},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::{Response, error::ApiError, response};

#[derive(Embed)]
#[folder = "web/"]
#[exclude = "united-voice-web/*"]
struct Web;

/// The browser client. The page's folder has it as a link under [`CLIENT`], for editors and tests.
#[derive(Embed)]
#[folder = "../../united-voice-web/src/"]
struct Client;

/// The folder of the browser client, below `/assets`.
pub(crate) const CLIENT: &str = "united-voice-web";

/// All resources come from this server, the markup contains no script or style, and no page may
/// frame this one.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob: mediastream:; \
    img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page needs the microphone. It may choose a speaker by default; some versions of Chromium warn
/// in the console if the header names that feature.
const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=()";

pub(crate) fn index(headers: &HeaderMap) -> Response {
    let file = Web::get("index.html").expect("the page has an index");
    let mut response = file_response(file, "text/html; charset=utf-8", headers);
    response::set(&mut response, CONTENT_SECURITY_POLICY, POLICY);
    response::set(
        &mut response,
        HeaderName::from_static("permissions-policy"),
        PERMISSIONS,
    );
    response
}

/// A file beside the index. Only the file types of a page are served, so notes and tests are not.
pub(crate) fn asset(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    file(name, Web::get, headers)
}

/// A file of the browser client.
pub(crate) fn client_asset(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    file(name, Client::get, headers)
}

fn file(
    name: &str,
    get: fn(&str) -> Option<EmbeddedFile>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let content_type = content_type(name).ok_or(ApiError::NotFound)?;
    // A debug build looks for the name in a folder, and on some systems a backslash separates
    // folders.
    if name.contains('\\') {
        return Err(ApiError::NotFound);
    }
    let file = get(name).ok_or(ApiError::NotFound)?;
    Ok(file_response(file, content_type, headers))
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

/// A browser keeps the file and asks each time whether it has changed. So it never mixes files of
/// an old and a new server.
fn file_response(file: EmbeddedFile, content_type: &'static str, headers: &HeaderMap) -> Response {
    let hash = u128::from_be_bytes(
        file.metadata.sha256_hash()[..16]
            .try_into()
            .expect("16 of 32 bytes"),
    );
    let tag =
        HeaderValue::try_from(format!("\"{hash:032x}\"")).expect("hexadecimal digits in quotes");
    let mut response = if headers.get(IF_NONE_MATCH) == Some(&tag) {
        response::new(StatusCode::NOT_MODIFIED, content_type, "")
    } else {
        response::new(StatusCode::OK, content_type, file.data.into_owned())
    };
    response.headers_mut().insert(ETAG, tag);
    response::set(&mut response, CACHE_CONTROL, "no-cache");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_its_policy() {
        let response = index(&HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK);
        assert!(
            response.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("default-src 'self'")
        );
        assert!(!response.body().is_empty());
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let tag = index(&HeaderMap::new()).headers()[ETAG].clone();
        let again = index(&HeaderMap::from_iter([(IF_NONE_MATCH, tag)]));
        assert_eq!(
            (again.status(), again.body().len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        for name in [
            "none.js",
            "README.md",
            "..",
            "..\\secrets.toml",
            "%2e%2e",
            "index.html",
            "index.d.ts",
            "",
        ] {
            assert!(asset(name, &HeaderMap::new()).is_err(), "{name}");
            assert!(client_asset(name, &HeaderMap::new()).is_err(), "{name}");
        }
    }
}
