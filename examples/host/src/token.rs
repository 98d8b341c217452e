//! The tokens of users: JSON Web Tokens (RFC 7519), signed with HS256.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use united_voice_core::UserId;

use crate::secrets::Secret;

/// How long a token is valid.
pub const TOKEN_LIFETIME: Duration = Duration::from_hours(7 * 24);

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

/// Signs tokens and checks them.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

/// A token that is not valid. The error gives no reason, since a reason would help to forge tokens.
#[derive(Debug, thiserror::Error)]
#[error("the token is not valid")]
pub struct TokenError;

impl Tokens {
    /// Signs and checks tokens with a secret.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
        }
    }

    /// A token of a user, valid for [`TOKEN_LIFETIME`] from `now`.
    pub fn issue(&self, user: &UserId, now: SystemTime) -> String {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let claims = Claims {
            sub: user.to_string(),
            exp: (now + TOKEN_LIFETIME).as_secs(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("a string and a number serialise, and the key is one for HS256")
    }

    /// The user that the token belongs to. Whether the user exists is not checked here.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the signature or the algorithm is wrong, if `exp` is past, if `exp` or
    /// `sub` is missing, or if `sub` is not a user id.
    pub fn verify(&self, token: &str) -> Result<UserId, TokenError> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError)?;
        UserId::new(data.claims.sub).map_err(|_| TokenError)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a secret for tests, of more than 32 bytes";

    fn tokens() -> Tokens {
        Tokens::new(&Secret::new(SECRET))
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    }

    fn now() -> u64 {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn an_issued_token_names_its_user() {
        let user = UserId::new("zoë \"x\"").unwrap();
        let token = tokens().issue(&user, SystemTime::now());
        assert_eq!(tokens().verify(&token).unwrap(), user);
    }

    #[test]
    fn a_token_ends_after_its_lifetime() {
        let user = UserId::new("a").unwrap();
        let issued = SystemTime::now() - TOKEN_LIFETIME;
        assert!(
            tokens()
                .verify(&tokens().issue(&user, issued + Duration::from_secs(60)))
                .is_ok()
        );
        assert!(
            tokens()
                .verify(&tokens().issue(&user, issued - Duration::from_secs(2)))
                .is_err()
        );
    }

    #[test]
    fn forged_and_incomplete_tokens_are_refused() {
        let exp = now() + 60;
        let good = json!({ "sub": "a", "exp": exp });
        assert!(
            tokens()
                .verify(&signed(Algorithm::HS256, SECRET, &good))
                .is_ok(),
            "the table's base case"
        );

        let unsigned =
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhIiwiZXhwIjo0MTAyNDQ0ODAwfQ.";
        let cases = [
            ("other secret", signed(Algorithm::HS256, "another", &good)),
            ("other algorithm", signed(Algorithm::HS512, SECRET, &good)),
            ("no signature", unsigned.to_owned()),
            (
                "no exp",
                signed(Algorithm::HS256, SECRET, &json!({ "sub": "a" })),
            ),
            (
                "no sub",
                signed(Algorithm::HS256, SECRET, &json!({ "exp": exp })),
            ),
            (
                "past exp",
                signed(
                    Algorithm::HS256,
                    SECRET,
                    &json!({ "sub": "a", "exp": now() - 2 }),
                ),
            ),
            (
                "exp is text",
                signed(
                    Algorithm::HS256,
                    SECRET,
                    &json!({ "sub": "a", "exp": "never" }),
                ),
            ),
            (
                "not yet",
                signed(
                    Algorithm::HS256,
                    SECRET,
                    &json!({ "sub": "a", "exp": exp, "nbf": exp }),
                ),
            ),
            (
                "empty sub",
                signed(Algorithm::HS256, SECRET, &json!({ "sub": "", "exp": exp })),
            ),
            (
                "long sub",
                signed(
                    Algorithm::HS256,
                    SECRET,
                    &json!({ "sub": "a".repeat(129), "exp": exp }),
                ),
            ),
            ("nothing", String::new()),
            ("dots", "..".to_owned()),
        ];
        for (what, token) in cases {
            assert!(tokens().verify(&token).is_err(), "{what}");
        }
    }
}
