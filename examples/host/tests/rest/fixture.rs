//! A host with one user. It gets requests as a framework would pass them.

use std::time::SystemTime;

use http::{Method, header};
use serde_json::Value;
use united_voice_core::{UserId, VoiceServer, VoiceServerBuilder, test_util::MemoryEngine};
use united_voice_host::{DevLogin, Host, Response, Secret, Store, Tokens};

const SECRET: &str = "a secret for tests, of more than 32 bytes";

pub(crate) struct Fixture {
    _dir: tempfile::TempDir,
    database: std::path::PathBuf,
    pub(crate) host: Host,
    token: String,
}

impl Fixture {
    pub(crate) async fn new(dev_login: DevLogin) -> Self {
        Self::with(dev_login, |builder| builder).await
    }

    /// A node that is cut off from its cluster.
    pub(crate) async fn cut_off() -> Self {
        let node = MemoryEngine::new().node();
        let in_cluster = |builder: VoiceServerBuilder<Store>| builder.cluster(node.clone());
        let fixture = Self::with(DevLogin::Anybody, in_cluster).await;
        node.serve(fixture.host.voice().replica());
        node.set_cut_off(true);
        fixture
    }

    async fn with(
        dev_login: DevLogin,
        settings: impl FnOnce(VoiceServerBuilder<Store>) -> VoiceServerBuilder<Store>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("united.db");
        let store = Store::open(&database).await.unwrap();
        let ada = UserId::new("ada").unwrap();
        store.put_user(&ada, Some("Ada")).await.unwrap();
        let voice = settings(VoiceServer::builder(store)).build().unwrap();
        let host = Host::new(voice, tokens(), dev_login);
        Self {
            _dir: dir,
            database,
            host,
            token: token("ada"),
        }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&str>) -> Response {
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let content = body.unwrap_or_default().to_owned().into();
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        }
        self.host.respond(request.body(content).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn anonymous(&self, method: Method, path: &str) -> Response {
        let request = http::Request::builder().method(method).uri(path);
        self.host.respond(request.body("{}".into()).unwrap()).await
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        let pool = sqlx::SqlitePool::connect(self.database.to_str().unwrap())
            .await
            .unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        pool.close().await;
    }
}

pub(crate) fn tokens() -> Tokens {
    Tokens::new(&Secret::new(SECRET))
}

pub(crate) fn token(user: &str) -> String {
    tokens().issue(&UserId::new(user).unwrap(), SystemTime::now())
}

pub(crate) fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}
