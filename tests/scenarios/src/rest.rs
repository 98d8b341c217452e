//! The HTTP requests of the scenarios.

use std::net::SocketAddr;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::{LOOK_AGAIN, Server, json::participant, soon, voice::VoiceParticipant};

/// A signed-in user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id that the server assigned.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The public key. Empty if the user has none.
    pub pubkey: String,
    /// The JWT.
    pub token: String,
}

impl Server {
    /// The URL of a path, which begins with a slash. If there are several nodes, each call returns
    /// that of the next one.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Sends a request and returns the status and the body. The body is `null` if it is not JSON.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn http(
        &self,
        method: Method,
        path: &str,
        user: Option<&User>,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = client().request(method, self.url(path));
        if let Some(user) = user {
            request = request.bearer_auth(&user.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (status, text) = send(request).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sends a GET request as a user.
    pub async fn get(&self, path: &str, user: Option<&User>) -> (u16, Value) {
        self.http(Method::GET, path, user, None).await
    }

    /// Sends a GET request and returns the status and the body as text.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn get_text(&self, path: &str) -> (u16, String) {
        send(client().get(self.url(path))).await
    }

    /// Creates a user by dev login, with a new login key and a public key.
    ///
    /// # Panics
    /// If the login is refused.
    pub async fn user(&self, name: &str) -> User {
        self.sign_in(name, &format!("login key {:016x}", fastrand::u64(..)))
            .await
    }

    /// Signs in by dev login with a name and a login key.
    ///
    /// # Panics
    /// If the login is refused.
    pub async fn sign_in(&self, name: &str, login_key: &str) -> User {
        let pubkey = format!("key of {name} {:016x}", fastrand::u64(..));
        let body = json!({ "displayName": name, "pubkey": pubkey, "loginKey": login_key });
        let (status, answer) = self
            .http(Method::POST, "/api/dev/login", None, Some(body))
            .await;
        assert_eq!(status, 200, "dev login: {answer}");
        User {
            id: text(&answer, "userId"),
            name: name.to_owned(),
            pubkey,
            token: text(&answer, "token"),
        }
    }

    /// Creates a user with this id and a name like it. The `token` subcommand does it while the
    /// server runs.
    ///
    /// # Panics
    /// If the subcommand fails.
    pub async fn user_with_id(&self, id: &str) -> User {
        // A name has no control characters, but an id may have them.
        let name = id.replace(char::is_control, "_");
        let data_dir = self.data_dir().to_str().expect("a temporary path is UTF-8");
        let output = Self::builder(self.kind())
            .flag("token")
            .flag(format!("--user={id}"))
            .flag(format!("--name={name}"))
            .flag("--data-dir")
            .flag(data_dir)
            .run_to_end()
            .await;
        assert!(
            output.status.success(),
            "token --user {id}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let token = String::from_utf8(output.stdout)
            .expect("a JWT is text")
            .trim_end()
            .to_owned();
        User {
            id: id.to_owned(),
            name,
            pubkey: String::new(),
            token,
        }
    }

    /// Creates a voice channel and returns its id. If `limit` is `None`, it has no hard limit.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn channel(&self, user: &User, name: &str, limit: Option<u32>) -> String {
        let body = json!({ "name": name, "kind": "voice", "maxParticipants": limit });
        let (status, answer) = self
            .http(Method::POST, "/api/channels", Some(user), Some(body))
            .await;
        assert_eq!(status, 201, "a new channel: {answer}");
        text(&answer, "id")
    }

    /// Sets or clears a channel's hard limit.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn set_limit(&self, user: &User, channel: &str, limit: Option<u32>) {
        let (path, body) = (
            format!("/api/channels/{channel}"),
            json!({ "maxParticipants": limit }),
        );
        let (status, answer) = self
            .http(Method::PATCH, &path, Some(user), Some(body))
            .await;
        assert_eq!(status, 200, "a new limit: {answer}");
    }

    /// The participants of a channel, from the REST route of all nodes, which must agree.
    ///
    /// # Panics
    /// If the server refuses, writes participants in a form that differs from the contract, or its
    /// nodes do not agree.
    pub async fn participants(&self, user: &User, channel: &str) -> Vec<VoiceParticipant> {
        let path = format!("/api/voice/{channel}/participants");
        // Each client's own node shows at once what the client was told. The others follow. So
        // the answer is right once all agree.
        soon("the same participants on all nodes", async {
            loop {
                let mut answers = Vec::new();
                for node in self.addresses() {
                    answers.push(participants_at(node, user, &path).await);
                }
                let last = answers.pop().expect("a server has a node");
                if answers.iter().all(|answer| *answer == last) {
                    return last;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await
    }

    /// The user ids of a channel's participants, in joining order.
    pub async fn roster(&self, user: &User, channel: &str) -> Vec<String> {
        self.participants(user, channel)
            .await
            .into_iter()
            .map(|participant| participant.user_id)
            .collect()
    }
}

async fn participants_at(node: SocketAddr, user: &User, path: &str) -> Vec<VoiceParticipant> {
    let request = client().get(format!("http://{node}{path}"));
    let (status, answer) = send(request.bearer_auth(&user.token)).await;
    assert_eq!(status, 200, "participants: {answer}");
    let list: Vec<Value> = serde_json::from_str(&answer).expect("participants are an array");
    list.into_iter().map(participant).collect()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client without TLS needs nothing")
}

async fn send(request: RequestBuilder) -> (u16, String) {
    soon("an HTTP answer", async {
        let response = request.send().await.expect("the server answers");
        let status: StatusCode = response.status();
        (
            status.as_u16(),
            response.text().await.expect("the answer is whole"),
        )
    })
    .await
}

fn text(object: &Value, key: &str) -> String {
    object[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {object}"))
        .to_owned()
}
