//! Finds the user that sent a request.

use std::borrow::Cow;

use http::{HeaderMap, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use united_voice_core::UserId;

use crate::{Host, Response, error::ApiError};

impl Host {
    /// Finds the user by the token in `Authorization: Bearer`, or else by `access_token` in the
    /// query. The query is for browsers: they can't set headers on a WebSocket.
    ///
    /// # Errors
    ///
    /// The answer to send instead: 401 if there is no valid token or the user does not exist, 503
    /// if the database fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn authenticate(&self, headers: &HeaderMap, uri: &Uri) -> Result<UserId, Response> {
        self.user(headers, uri)
            .await
            .map_err(ApiError::into_response)
    }

    pub(crate) async fn user(&self, headers: &HeaderMap, uri: &Uri) -> Result<UserId, ApiError> {
        let token = bearer(headers)
            .map(Cow::Borrowed)
            .or_else(|| access_token(uri.query()?))
            .ok_or(ApiError::Unauthorized)?;
        let user = self.tokens.verify(&token).map_err(|error| {
            tracing::debug!(%error, "a token was refused");
            ApiError::Unauthorized
        })?;
        if self.store().has_user(&user).await? {
            Ok(user)
        } else {
            tracing::debug!("a token was refused: no such user");
            Err(ApiError::Unauthorized)
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn access_token(query: &str) -> Option<Cow<'_, str>> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("access_token="))?;
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_header_is_read_by_scheme() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearerabc", None),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(bearer(&headers), expected, "{value}");
        }
    }

    #[test]
    fn the_query_is_read_by_key() {
        let cases = [
            ("access_token=a.b", Some("a.b")),
            ("x=1&access_token=a%2Eb&y", Some("a.b")),
            ("my_access_token=a", None),
            ("access_token", None),
            ("access_token=%ff", None),
        ];
        for (query, expected) in cases {
            assert_eq!(access_token(query).as_deref(), expected, "{query}");
        }
    }
}
