//! A thin client of WebDriver BiDi: commands and events as JSON over a WebSocket.
//! See <https://w3c.github.io/webdriver-bidi/>.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How long a command may take. Generous, because a browser that has just started on a busy machine
/// needs seconds to answer the first one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events beyond this number are dropped.
const MAX_EVENTS: usize = 10_000;

/// A connection to a browser.
#[derive(Debug)]
pub(crate) struct Bidi {
    connection: Mutex<Connection>,
}

#[derive(Debug)]
struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    events: Vec<Value>,
}

impl Bidi {
    /// Connects to a browser and begins a session, of which it has one at a time.
    pub(crate) async fn connect(url: &str) -> Result<Self, String> {
        let connected = connect_async(url).await;
        let (socket, _) = connected.map_err(|error| error.to_string())?;
        let bidi = Self {
            connection: Mutex::new(Connection {
                socket,
                last_id: 0,
                events: Vec::new(),
            }),
        };
        bidi.command("session.new", json!({ "capabilities": {} }))
            .await?;
        Ok(bidi)
    }

    /// Sends a command and returns its result. An error says why the browser refused it.
    pub(crate) async fn command(&self, method: &str, params: Value) -> Result<Value, String> {
        let mut connection = self.connection.lock().await;
        timeout(PATIENCE, connection.command(method, params))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
            .map_err(|reason| format!("{method}: {reason}"))
    }

    /// The events since the last call.
    pub(crate) async fn take_events(&self) -> Vec<Value> {
        std::mem::take(&mut self.connection.lock().await.events)
    }
}

impl Connection {
    async fn command(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let command = json!({ "id": id, "method": method, "params": params });
        let sent = self.socket.send(Message::text(command.to_string())).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            let mut message = self.receive().await?;
            if message["type"] == "event" {
                if self.events.len() < MAX_EVENTS {
                    self.events.push(message);
                }
            } else if message["id"] == id {
                return if message["type"] == "success" {
                    Ok(message["result"].take())
                } else {
                    Err(format!("{}: {}", message["error"], message["message"]))
                };
            }
            // Anything else answers a command that nobody waits for any more.
        }
    }

    async fn receive(&mut self) -> Result<Value, String> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|error| error.to_string());
                }
                Some(Ok(Message::Close(_))) | None => return Err("the browser is gone".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }
}
