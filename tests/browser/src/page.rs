//! The page: what it shows, and what it reports about its connections.

use serde::Deserialize;
use serde_json::json;
use united_voice_scenarios::Server;

use crate::{Tab, until};

/// More energy than this is a sound. Less can be the first noise of a new line.
const AUDIBLE: f64 = 1e-3;

/// A participant as the page shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The display name.
    pub display_name: String,
    /// The user id.
    pub user_id: String,
    /// Whether this is the user of the page.
    #[serde(rename = "self")]
    pub is_self: String,
    /// Whether the ring of a speaker is shown.
    pub speaking: String,
    /// Whether the page shows the participant as muted.
    pub muted: String,
    /// Whether the page shows the participant as deafened.
    pub deafened: String,
    /// The state of the audio connection.
    pub state: String,
}

/// The audio connection to another participant, as `window.unitedVoice.stats()` describes it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The other participant's display name.
    pub display_name: String,
    /// The other participant's session.
    pub session_id: String,
    /// A number that no other connection of the page has.
    pub connection_id: u64,
    /// Completed rounds of offer and answer.
    pub negotiations: u64,
    /// Incoming RTP packets.
    pub packets_received: u64,
    /// Energy of the incoming sound since the connection began.
    pub total_audio_energy: f64,
    /// The type of this side's candidate; `relay` is one of a TURN server. Empty until a pair is in
    /// use.
    pub local_candidate_type: String,
    /// The type of the other side's candidate.
    pub remote_candidate_type: String,
    /// The transport to this side's relay: `udp`, `tcp` or `tls`; empty without a relay.
    pub relay_protocol: String,
}

impl Tab<'_> {
    /// Opens the link that signs in and joins a channel.
    pub async fn join(&self, server: &Server, name: &str, channel: &str) {
        let link = format!("/?name={name}&channel={channel}");
        self.open(&server.url(&link)).await;
    }

    /// The participants that the page shows in the channel.
    pub async fn people(&self) -> Vec<Person> {
        let cards = "return [...document.querySelectorAll('#participants > li')].map(card => ({ ...card.dataset }))";
        self.evaluate(cards, Vec::new()).await
    }

    /// The names that the page shows in the channel, sorted.
    pub async fn names(&self) -> Vec<String> {
        let people = self.people().await;
        sorted(people.into_iter().map(|person| person.display_name))
    }

    /// The names that the page shows below a channel of the list, sorted.
    pub async fn names_below(&self, channel: &str) -> Vec<String> {
        let names = "const list = `[data-testid='members-${arguments[0]}'] .name`;
            return [...document.querySelectorAll(list)].map(name => name.textContent)";
        let names: Vec<String> = self.evaluate(names, vec![json!(channel)]).await;
        sorted(names)
    }

    /// Waits until the page shows exactly these names in the channel.
    ///
    /// # Panics
    /// If that does not happen in time.
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

    /// Waits until the page shows a participant as `condition` wants it.
    ///
    /// # Panics
    /// If that does not happen in time.
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

    /// The user id of a participant that the page shows.
    ///
    /// # Panics
    /// If the page does not show it.
    pub async fn user_id_of(&self, name: &str) -> String {
        let people = self.people().await;
        let found = people
            .into_iter()
            .find(|person| person.display_name == name);
        found
            .unwrap_or_else(|| panic!("no {name} on the page"))
            .user_id
    }

    /// The audio connections to the others in the channel.
    pub async fn links(&self) -> Vec<Link> {
        self.evaluate("return window.unitedVoice?.stats() ?? []", Vec::new())
            .await
    }

    /// The audio connection to one of the others.
    pub async fn link(&self, name: &str) -> Option<Link> {
        let links = self.links().await;
        links.into_iter().find(|link| link.display_name == name)
    }

    /// Waits until sound comes in from each of these participants.
    ///
    /// # Panics
    /// If one of them stays silent.
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

    /// The energy of the next `packets` packets from a participant. There are about fifty a second.
    ///
    /// # Panics
    /// If the packets do not come.
    pub async fn energy_from(&self, name: &str, packets: u64) -> f64 {
        let start = self.next_packets(name, 0).await;
        let end = self.next_packets(name, packets).await;
        end.total_audio_energy - start.total_audio_energy
    }

    /// Waits for this many more packets from a participant. Returns the connection after them.
    ///
    /// # Panics
    /// If the packets do not come.
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

    /// The text of the element with this `data-testid`; `None` if the element is hidden or empty.
    /// The marks that isolate names from the text around them are dropped, as Chromium does by
    /// itself.
    pub async fn text(&self, test_id: &str) -> Option<String> {
        let text = "const place = document.querySelector(`[data-testid='${arguments[0]}']`);
            const text = place?.checkVisibility() ? place.innerText : '';
            return text.replace(/[\\u2068\\u2069]/g, '').trim() || null";
        self.evaluate(text, vec![json!(test_id)]).await
    }

    /// Waits until the element with this `data-testid` shows a text that contains `words`.
    ///
    /// # Panics
    /// If that does not happen in time.
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
