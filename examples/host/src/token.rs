//! The tokens of users: JSON Web Tokens (RFC 7519), signed with HS256.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use united_voice_core::UserId;

use crate::secrets::Secret;

/// How long a token is valid.
pub const TOKEN_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// How far the clocks of two machines may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// The claims of a token of this server.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
}

/// The claim that this server reads itself. The others are checked by [`Validation`].
#[derive(Deserialize)]
struct Subject {
    sub: String,
}

/// Signs tokens and checks them.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    audience: Option<String>,
    issuer: Option<String>,
}

/// A token that is not valid. It says why, and shows nothing of the token. The reason is for the
/// log; a client is told no reason, since that would help to forge tokens.
#[derive(Debug, thiserror::Error)]
#[error("the token {0}")]
pub struct TokenError(String);

impl Tokens {
    /// Signs and checks tokens with a secret.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        Self {
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
            audience: None,
            issuer: None,
        }
    }

    /// The audience that this server is. Tokens must name it in `aud`. If it is empty, tokens with
    /// an `aud` are refused, as RFC 7519, section 4.1.3, demands.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        if !audience.is_empty() {
            self.validation.set_audience(&[audience]);
            self.validation.required_spec_claims.insert("aud".into());
            self.audience = Some(audience.to_owned());
        }
        self
    }

    /// The issuer that tokens must name in `iss`. If it is empty, `iss` does not matter.
    #[must_use]
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        if !issuer.is_empty() {
            self.validation.set_issuer(&[issuer]);
            self.validation.required_spec_claims.insert("iss".into());
            self.issuer = Some(issuer.to_owned());
        }
        self
    }

    /// A token of a user, valid for [`TOKEN_LIFETIME`] from `now`.
    pub fn issue(&self, user: &UserId, now: SystemTime) -> String {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let claims = Claims {
            sub: user.as_str(),
            exp: (now + TOKEN_LIFETIME).as_secs(),
            aud: self.audience.as_deref(),
            iss: self.issuer.as_deref(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("texts and a number serialise, and the key is one for HS256")
    }

    /// The user that the token belongs to. Whether the user exists is not checked here.
    ///
    /// Of the claims of RFC 7519, `sub` must be a user id. `exp` must not be past, nor `nbf` in the
    /// future, each with a leeway of 30 s. `aud` and `iss` are as
    /// [`with_audience`](Self::with_audience) and [`with_issuer`](Self::with_issuer) say. `iat`
    /// and `jti` are not read.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if one of these does not hold, or if the signature or the algorithm is wrong.
    pub fn verify(&self, token: &str) -> Result<UserId, TokenError> {
        let decoded = jsonwebtoken::decode::<Subject>(token, &self.decoding, &self.validation);
        let token = decoded.map_err(|error| TokenError(self.reason(error.kind())))?;
        if token.header.crit.is_some() {
            // RFC 7515, section 4.1.11: who does not know an extension must refuse the token.
            return Err(TokenError("has a critical extension (crit)".to_owned()));
        }
        UserId::new(token.claims.sub)
            .map_err(|error| TokenError(format!("has no user id in sub: {error}")))
    }

    fn reason(&self, error: &ErrorKind) -> String {
        match error {
            ErrorKind::InvalidSignature => {
                "is not signed with [auth] jwt_secret, or the generated secret".to_owned()
            }
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
                "is not signed with HS256".to_owned()
            }
            ErrorKind::ExpiredSignature => "has expired (exp)".to_owned(),
            ErrorKind::ImmatureSignature => "is not valid yet (nbf)".to_owned(),
            ErrorKind::InvalidAudience if self.audience.is_none() => {
                "has an audience (aud), and [auth] audience names none".to_owned()
            }
            ErrorKind::InvalidAudience => "is not for [auth] audience (aud)".to_owned(),
            ErrorKind::InvalidIssuer => "is not of [auth] issuer (iss)".to_owned(),
            ErrorKind::MissingRequiredClaim(claim) => format!("has no usable claim {claim}"),
            ErrorKind::InvalidClaimFormat(claim) => format!("has a malformed claim {claim}"),
            // Errors of these kinds may show a part of the token.
            _ => "is no JSON Web Token that this server can read".to_owned(),
        }
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
    fn a_token_ends_after_its_lifetime_and_the_leeway() {
        let user = UserId::new("a").unwrap();
        let issued = SystemTime::now() - TOKEN_LIFETIME;
        for (seconds_late, valid) in [(0, true), (20, true), (32, false)] {
            let token = tokens().issue(&user, issued - Duration::from_secs(seconds_late));
            assert_eq!(tokens().verify(&token).is_ok(), valid, "{seconds_late}");
        }
    }

    /// The reason, or `ok`.
    fn outcome(tokens: &Tokens, claims: &Value) -> String {
        match tokens.verify(&signed(Algorithm::HS256, SECRET, claims)) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_claim_of_rfc_7519_has_its_answer() {
        let (plain, strict) = (tokens(), tokens().with_audience("voice").with_issuer("me"));
        let now = now();
        let unnamed = "the token has an audience (aud), and [auth] audience names none";
        let foreign = "the token is not for [auth] audience (aud)";
        let issued = "the token is not of [auth] issuer (iss)";
        let immature = "the token is not valid yet (nbf)";
        for (more, expected, expected_if_strict) in [
            (json!({}), "ok", "the token has no usable claim"),
            (
                json!({ "iss": "me" }),
                "ok",
                "the token has no usable claim aud",
            ),
            (
                json!({ "aud": "voice" }),
                unnamed,
                "the token has no usable claim iss",
            ),
            (json!({ "aud": "voice", "iss": "me" }), unnamed, "ok"),
            (
                json!({ "aud": ["chat", "voice"], "iss": "me" }),
                unnamed,
                "ok",
            ),
            (json!({ "aud": "chat", "iss": "me" }), unnamed, foreign),
            (json!({ "aud": [], "iss": "me" }), unnamed, foreign),
            (json!({ "aud": "voice", "iss": "you" }), unnamed, issued),
            (
                json!({ "nbf": now + 2, "aud": "voice", "iss": "me" }),
                unnamed,
                "ok",
            ),
            (
                json!({ "nbf": now + 2 }),
                "ok",
                "the token has no usable claim",
            ),
            (
                json!({ "nbf": now + 40 }),
                immature,
                "the token has no usable claim",
            ),
            (
                json!({ "nbf": "soon" }),
                "the token has a malformed claim nbf",
                "the token has",
            ),
            (
                json!({ "iat": now + 500, "jti": "x", "other": [1] }),
                "ok",
                "the token has no",
            ),
            (
                json!({ "exp": now - 20 }),
                "ok",
                "the token has no usable claim",
            ),
            (
                json!({ "exp": now - 40 }),
                "the token has expired (exp)",
                "the token has no",
            ),
            (
                json!({ "exp": (now + 9) as f64 + 0.5 }),
                "ok",
                "the token has no usable claim",
            ),
        ] {
            let mut claims = json!({ "sub": "a", "exp": now + 60 });
            let more_claims = more.as_object().unwrap().clone();
            claims.as_object_mut().unwrap().extend(more_claims);
            assert_eq!(outcome(&plain, &claims), expected, "{more}");
            let strict = outcome(&strict, &claims);
            assert!(strict.starts_with(expected_if_strict), "{more}: {strict}");
        }
        let own = strict.issue(&UserId::new("a").unwrap(), SystemTime::now());
        assert_eq!(strict.verify(&own).unwrap().as_str(), "a");
    }

    #[test]
    fn a_critical_extension_that_is_not_known_is_refused() {
        let header = Header {
            crit: Some(vec!["exp".to_owned()]),
            ..Header::new(Algorithm::HS256)
        };
        let claims = json!({ "sub": "a", "exp": now() + 60 });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let error = tokens().verify(&token).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the token has a critical extension (crit)"
        );
    }

    #[test]
    fn no_reason_shows_a_part_of_the_token() {
        let exp = now() + 60;
        for claims in [
            json!({ "sub": "hunter2".repeat(20), "exp": exp }),
            json!({ "sub": ["hunter2"], "exp": exp }),
            json!({ "sub": "a", "exp": "hunter2" }),
            json!({ "sub": "a", "exp": exp, "aud": "hunter2" }),
            json!("hunter2"),
        ] {
            let reason = outcome(&tokens(), &claims);
            assert!(reason != "ok" && !reason.contains("hunter2"), "{reason}");
        }
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
                    &json!({ "sub": "a", "exp": now() - 40 }),
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
