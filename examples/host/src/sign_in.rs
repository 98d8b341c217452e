//! Signing in by name alone, for trying out the server.

use std::{net::IpAddr, time::SystemTime};

use http::{HeaderMap, StatusCode, Uri, header::ORIGIN, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};
use united_voice_core::UserId;

use crate::{DevLogin, Host, LoginKey, LoginKeyError, Response, error::ApiError, response, rest};

/// A limit, since every participant gets the key together with the name.
const MAX_PUBKEY_BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    display_name: String,
    #[serde(default)]
    pubkey: Option<String>,
    /// Any value, since serde's errors show the value that they refuse.
    #[serde(default)]
    login_key: Value,
}

impl Host {
    pub(crate) async fn sign_in(&self, parts: &Parts, body: &[u8]) -> Result<Response, ApiError> {
        if self.dev_login == DevLogin::Local && !from_this_machine(&parts.headers) {
            return Err(ApiError::ForeignPage);
        }
        let request: SignIn = rest::read(parts, body)?;
        let name = rest::name(&request.display_name)?;
        let pubkey = request.pubkey.unwrap_or_default();
        if pubkey.len() > MAX_PUBKEY_BYTES {
            return Err(ApiError::BadRequest(format!(
                "a pubkey has at most {MAX_PUBKEY_BYTES} bytes"
            )));
        }
        if pubkey.contains('\0') {
            return Err(ApiError::BadRequest(
                "a pubkey does not contain U+0000".to_owned(),
            ));
        }
        let key = match &request.login_key {
            Value::Null => Ok(None),
            Value::String(secret) => LoginKey::new(secret).map(Some),
            _ => Err(LoginKeyError),
        };
        let key = key.map_err(|error| ApiError::BadRequest(error.to_string()))?;
        let id = self.store().sign_in(name, &pubkey, key.as_ref()).await?;
        // Only another program can have stored an id that no token may contain.
        let user = UserId::new(&id).map_err(|_| ApiError::Unauthorized)?;
        let token = self.tokens.issue(&user, SystemTime::now());
        Ok(response::json(
            StatusCode::OK,
            &json!({ "userId": id, "token": token }),
        ))
    }
}

/// Whether the request comes from a page of this machine, or from no page. Browsers send the page's
/// origin with every `POST`.
fn from_this_machine(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let Ok(uri) = Uri::try_from(origin.as_bytes()) else {
        return false;
    };
    uri.host().is_some_and(|host| {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        let loopback = host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
        // Browsers ask no name server for names under `localhost` (RFC 6761, section 6.3).
        loopback || host == "localhost" || host.ends_with(".localhost")
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_this_machine_are_distinguished_from_others() {
        let cases = [
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://tab.localhost", true),
            ("https://[::1]:8080", true),
            ("http://rebound.example:8080", false),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example", false),
            ("http://192.0.2.7", false),
            ("null", false),
        ];
        for (origin, expected) in cases {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(from_this_machine(&headers), expected, "{origin}");
        }
        assert!(
            from_this_machine(&HeaderMap::new()),
            "programs name no origin"
        );
    }
}
