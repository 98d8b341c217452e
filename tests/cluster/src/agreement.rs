//! Whether everybody says the same.

use std::time::Duration;

use serde_json::Value;
use united_voice_scenarios::voice::VoiceParticipant;

use crate::{
    Caller, Cluster, Seat,
    sampler::dial,
    seats::{Rosters, rosters},
    settles,
};

impl Cluster {
    /// Waits until these callers are where they want to be, and the engine, all running nodes and
    /// all callers say the same of it. Then nothing may be wrong. Returns how long it took.
    ///
    /// # Panics
    /// If that takes longer than `promised` and [`SLACK`](crate::SLACK), or if a message was lost,
    /// a client was told what it must never be told, or the engine ever had a user twice or more
    /// users than a limit allows.
    pub async fn agree(&self, callers: &[Caller], promised: Duration) -> Duration {
        let samples = self.sampler.samples();
        let took = settles("agreement", promised, async || {
            self.disagreement(callers).await?;
            if self.sampler.samples() == samples {
                return Err("the sampler reads nothing".to_owned());
            }
            Ok(())
        })
        .await;
        self.sampler.check().expect("what the engine said");
        for caller in callers {
            let faults = caller.view().faults;
            assert!(faults.is_empty(), "{}: {faults:?}", caller.user.name);
        }
        took
    }

    /// What the engine has, and whether that is all.
    pub(crate) fn read_seats(&self) -> redis::RedisResult<(bool, Rosters)> {
        let mut connection = dial(self.engine.address())?;
        rosters(&mut connection, &self.prefix)
    }

    /// The seats of a channel, by the engine.
    ///
    /// # Panics
    /// If the engine does not answer.
    #[must_use]
    pub fn seats_in(&self, channel: &str) -> Vec<Seat> {
        let (_, mut seats) = self.read_seats().expect("the engine answers");
        seats.remove(channel).unwrap_or_default()
    }

    async fn disagreement(&self, callers: &[Caller]) -> Result<(), String> {
        self.ledger.check()?;
        let views: Vec<_> = callers.iter().map(Caller::view).collect();
        let (_, seats) = self.read_seats().map_err(|error| error.to_string())?;
        let wanted = views.iter().filter(|view| view.wants.is_some()).count();
        let seated: usize = seats.values().map(Vec::len).sum();
        if seated != wanted {
            let has_seat = |caller: &Caller| {
                let mut seats = seats.values().flatten();
                seats.any(|seat| seat.user == caller.user.id)
            };
            let wrong = callers.iter().zip(&views);
            let wrong = wrong.filter(|(caller, view)| has_seat(caller) != view.wants.is_some());
            let wrong: Vec<_> = wrong
                .map(|(caller, view)| (&caller.user.name, view))
                .collect();
            return Err(format!("{wanted} want to sit, {seated} do: {wrong:?}"));
        }
        let mut channels: Vec<_> = seats.keys().cloned().collect();
        channels.extend(views.iter().filter_map(|view| view.wants.clone()));
        channels.sort_unstable();
        channels.dedup();
        for channel in channels {
            let seats = seats.get(&channel).map_or(&[][..], Vec::as_slice);
            let roster = self.rest(&channel, seats).await?;
            for (caller, view) in callers.iter().zip(&views) {
                if view.wants.as_deref() == Some(&*channel) {
                    sees(caller, &roster)?;
                }
            }
        }
        for (caller, view) in callers.iter().zip(&views) {
            let name = &caller.user.name;
            if !view.pending.is_empty() {
                return Err(format!("{name} waits for {:?}", view.pending));
            }
            if view.wants.is_none() && view.session.is_some() {
                return Err(format!("{name} sits and does not want to"));
            }
        }
        for server in self.nodes.iter().filter_map(|node| node.running()) {
            let (_, health) = server.get_text("/healthz").await;
            if !health.starts_with("ok") {
                return Err(format!("a node is {health}"));
            }
        }
        Ok(())
    }

    /// The roster by all nodes, which must be that of the engine.
    async fn rest(&self, channel: &str, seats: &[Seat]) -> Result<Vec<VoiceParticipant>, String> {
        let mut last = None;
        for server in self.nodes.iter().filter_map(|node| node.running()) {
            let path = format!("/api/voice/{channel}/participants");
            let (status, body) = server.get(&path, Some(&self.admin)).await;
            if status != 200 {
                return Err(format!("{channel}: {status}"));
            }
            let roster = body.as_array().expect("participants are an array");
            let roster: Vec<_> = roster.iter().map(participant).collect();
            let of_rest = roster
                .iter()
                .map(|one| (&one.session_id, &one.user_id, one.muted, one.deafened));
            let of_engine = seats
                .iter()
                .map(|seat| (&seat.session, &seat.user, seat.muted, seat.deafened));
            if !of_rest.eq(of_engine) {
                return Err(format!(
                    "{channel}: {body} by REST, {seats:?} in the engine"
                ));
            }
            last = Some(roster);
        }
        last.ok_or_else(|| "no node runs".to_owned())
    }
}

fn participant(of_rest: &Value) -> VoiceParticipant {
    let text = |key: &str| of_rest[key].as_str().expect(key).to_owned();
    let flag = |key: &str| of_rest[key].as_bool().expect(key);
    VoiceParticipant {
        user_id: text("userId"),
        display_name: text("displayName"),
        pubkey: text("pubkey"),
        muted: flag("muted"),
        deafened: flag("deafened"),
        session_id: text("sessionId"),
    }
}

fn sees(caller: &Caller, roster: &[VoiceParticipant]) -> Result<(), String> {
    let (name, view) = (&caller.user.name, caller.view());
    let is_own = |one: &&VoiceParticipant| one.user_id == caller.user.id;
    let own = roster.iter().find(is_own);
    let own = own.ok_or_else(|| format!("{name} is not in the roster, and {view:?}"))?;
    if view.session.as_ref() != Some(&own.session_id) || view.muted != own.muted {
        return Err(format!("{name} has {view:?}, not {own:?}"));
    }
    // Members who came in during an outage of their client are in another order there.
    let mut others: Vec<_> = roster.iter().filter(|one| !is_own(one)).cloned().collect();
    let mut seen = view.others;
    for list in [&mut others, &mut seen] {
        list.sort_by(|one, other| one.session_id.cmp(&other.session_id));
    }
    if seen == others {
        return Ok(());
    }
    Err(format!("{name} sees {seen:?}, not {others:?}"))
}
