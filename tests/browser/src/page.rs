//! The page: what it shows, and what it says about its connections.

use serde::Deserialize;
use serde_json::json;
use united_voice_scenarios::Server;

use crate::{Tab, until};

/// More than this is a sound; less can be the first noise of a line that was just opened.
const AUDIBLE: f64 = 1e-3;

/// Somebody as a page shows them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The display name.
    pub display_name: String,
    /// The user id.
    pub user_id: String,
    /// Whether it is the user of the page.
    #[serde(rename = "self")]
    pub is_self: String,
    /// Whether the ring says that they speak.
    pub speaking: String,
    /// Whether they are shown as muted.
    pub muted: String,
    /// Whether they are shown as deafened.
    pub deafened: String,
    /// The state of the connection to them.
    pub state: String,
}

/// The audio connection to one other person, as `window.unitedVoice.stats()` describes it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Whose.
    pub display_name: String,
    /// Their present session.
    pub session_id: String,
    /// Changes when another connection takes its place.
    pub connection_id: u64,
    /// Completed rounds of offer and answer.
    pub negotiations: u64,
    /// RTP packets that came in.
    pub packets_received: u64,
    /// Energy of the sound that came in, since the connection was made.
    pub total_audio_energy: f64,
    /// What kind of address this side uses, `relay` for one of a TURN server's; empty while there is none.
    pub local_candidate_type: String,
    /// What kind the other side uses.
    pub remote_candidate_type: String,
    /// How this side talks to its relay: `udp`, `tcp` or `tls`; empty without one.
    pub relay_protocol: String,
}

impl Tab<'_> {
    /// Opens the link that signs in and joins by itself.
    pub async fn join(&self, server: &Server, name: &str, channel: &str) {
        let link = format!("/?name={name}&channel={channel}");
        self.open(&server.url(&link)).await;
    }

    /// Who is shown in the channel.
    pub async fn people(&self) -> Vec<Person> {
        let cards = "return [...document.querySelectorAll('#participants > li')].map(card => ({ ...card.dataset }))";
        self.evaluate(cards, Vec::new()).await
    }

    /// The names shown in the channel, sorted.
    pub async fn names(&self) -> Vec<String> {
        let people = self.people().await;
        sorted(people.into_iter().map(|person| person.display_name))
    }

    /// The names shown below a channel of the list, sorted.
    pub async fn names_below(&self, channel: &str) -> Vec<String> {
        let names = "const list = `[data-testid='members-${arguments[0]}'] .name`;
            return [...document.querySelectorAll(list)].map(name => name.textContent)";
        let names: Vec<String> = self.evaluate(names, vec![json!(channel)]).await;
        sorted(names)
    }

    /// Waits until exactly these are shown in the channel.
    ///
    /// # Panics
    /// If others stay.
    pub async fn shows(&self, expected: &[&str]) {
        until(&format!("a page to show {expected:?}"), async || {
            let names = self.names().await;
            if names == expected {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
    }

    /// Waits until somebody is shown as described.
    ///
    /// # Panics
    /// If they never are.
    pub async fn sees(&self, name: &str, what: &str, condition: impl Fn(&Person) -> bool) {
        until(&format!("a page to show {name} {what}"), async || {
            let people = self.people().await;
            let found = people.iter().find(|person| person.display_name == name);
            match found {
                Some(person) if condition(person) => Ok(()),
                _ => Err(format!("{found:?}")),
            }
        })
        .await;
    }

    /// The connections to the others in the channel.
    pub async fn links(&self) -> Vec<Link> {
        self.evaluate("return window.unitedVoice?.stats() ?? []", Vec::new())
            .await
    }

    /// The connection to one of the others.
    pub async fn link(&self, name: &str) -> Option<Link> {
        let links = self.links().await;
        links.into_iter().find(|link| link.display_name == name)
    }

    /// Waits until sound comes in from each of these.
    ///
    /// # Panics
    /// If one stays silent.
    pub async fn hears(&self, names: &[&str]) {
        until(&format!("sound from {names:?}"), async || {
            let links = self.links().await;
            let audible = |name: &&str| {
                links
                    .iter()
                    .any(|link| link.display_name == *name && link.total_audio_energy > AUDIBLE)
            };
            if names.iter().all(audible) {
                Ok(())
            } else {
                Err(format!("{links:?}"))
            }
        })
        .await;
    }

    /// The sound in the next `packets` packets from somebody (there are about fifty a second).
    ///
    /// # Panics
    /// If they don't come.
    pub async fn energy_from(&self, name: &str, packets: u64) -> f64 {
        let start = self.next_packets(name, 0).await;
        let end = self.next_packets(name, packets).await;
        end.total_audio_energy - start.total_audio_energy
    }

    /// Waits for so many more packets from somebody, and gives the connection then.
    ///
    /// # Panics
    /// If they don't come.
    pub async fn next_packets(&self, name: &str, packets: u64) -> Link {
        let mut goal = None;
        until(&format!("{packets} more packets from {name}"), async || {
            let link = self.link(name).await.ok_or("there is no connection")?;
            let goal = *goal.get_or_insert(link.packets_received + packets);
            if link.packets_received >= goal {
                Ok(link)
            } else {
                Err("fewer came")
            }
        })
        .await
    }

    /// What stands in the place with this `data-testid`; `None` while that is hidden or empty.
    pub async fn text(&self, test_id: &str) -> Option<String> {
        let text = "const place = document.querySelector(`[data-testid='${arguments[0]}']`);
            return place?.checkVisibility() ? place.innerText.trim() || null : null";
        self.evaluate(text, vec![json!(test_id)]).await
    }

    /// Waits until some place shows a text that has this in it.
    ///
    /// # Panics
    /// If it never does.
    pub async fn says(&self, test_id: &str, words: &str) {
        until(
            &format!("{test_id} to say “{words}”"),
            async || match self.text(test_id).await {
                Some(text) if text.contains(words) => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await;
    }
}

fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    names
}
