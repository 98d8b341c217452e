//! Tickets for all clients of a run. Our servers know only users and channels that exist, so their
//! tickets are made over REST.

use anyhow::{Context as _, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    dialect::{Purpose, Ticket},
    site::Site,
    target::Target,
};

/// Makes the tickets for so many rooms with so many seats each. The tickets of a room stand side by
/// side. The members of a room take the servers in turn. If the server has to know its users and channels beforehand, this makes them too.
pub(crate) async fn issue(
    target: Target,
    site: &Site,
    rooms: usize,
    seats: usize,
    purpose: Purpose,
) -> anyhow::Result<Vec<Ticket>> {
    let mut tickets = Vec::with_capacity(rooms * seats);
    let registrar = target.floor().map(|_| Registrar::new(&site.addresses[0]));
    for room in 0..rooms {
        let users: Vec<String> = (0..seats).map(|seat| format!("u{room}-{seat}")).collect();
        let first = tickets.len();
        for (seat, user) in users.iter().enumerate() {
            tickets.push(Ticket {
                address: site.addresses[(room + seat) % site.addresses.len()].clone(),
                room: format!("r{room}"),
                user: user.clone(),
                users: users.clone(),
                token: String::new(),
                purpose,
            });
        }
        if let Some(registrar) = &registrar {
            registrar.register(&mut tickets[first..]).await?;
        }
    }
    Ok(tickets)
}

/// Makes users and channels over the REST interface of our servers.
struct Registrar {
    client: Client,
    address: String,
}

impl Registrar {
    fn new(address: &str) -> Self {
        Self {
            client: Client::new(),
            address: address.to_owned(),
        }
    }

    /// Makes a room's users, and the channel that they will join.
    async fn register(&self, tickets: &mut [Ticket]) -> anyhow::Result<()> {
        for ticket in tickets.iter_mut() {
            let name = json!({ "displayName": ticket.user });
            let answer = call(self.post("api/dev/login").json(&name)).await?;
            ticket.user = field(&answer, "userId")?;
            ticket.token = field(&answer, "token")?;
        }
        let Some(first) = tickets.first() else {
            return Ok(());
        };
        let channel = json!({ "name": first.room, "kind": "voice" });
        let create = self.post("api/channels").bearer_auth(&first.token);
        let room = field(&call(create.json(&channel)).await?, "id")?;
        for ticket in tickets {
            ticket.room.clone_from(&room);
        }
        Ok(())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}/{path}", self.address))
    }
}

async fn call(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    ensure!(status.is_success(), "the server answers {status}");
    Ok(response.json().await?)
}

fn field(answer: &Value, name: &str) -> anyhow::Result<String> {
    let text = answer[name].as_str();
    Ok(text.with_context(|| format!("no {name}"))?.to_owned())
}
