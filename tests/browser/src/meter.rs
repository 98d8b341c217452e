//! What the browser itself says about a page's peer connections, second by second and whatever the page makes of it.

use serde::Deserialize;

use crate::{Tab, until};

/// Keeps a book on each peer connection of the page: written once a second, and whenever something is set or signaled.
const METER: &str = "{
    const metered = window.metered = [];
    const Native = RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        #entry = { open: true, signalingChanges: 0, usernames: [], samples: [] };

        constructor(configuration) {
            super(configuration);
            metered.push(this.#entry);
            this.#note(configuration);
            this.addEventListener('signalingstatechange', () => { this.#entry.signalingChanges += 1; });
            setInterval(() => this.#sample(), 1_000);
        }

        setConfiguration(configuration) {
            super.setConfiguration(configuration);
            this.#note(configuration);
        }

        close() {
            super.close();
            this.#entry.open = false;
        }

        #note({ iceServers }) {
            const { usernames } = this.#entry;
            const username = iceServers.find(({ username }) => username)?.username ?? '';
            if (usernames.at(-1) !== username) usernames.push(username);
        }

        async #sample() {
            if (!this.#entry.open) return;
            const atMs = performance.now();
            const report = [...(await this.getStats()).values()];
            const audio = report.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
            if (!audio || this.connectionState === 'new') return;
            this.#entry.samples.push({ atMs, packets: audio.packetsReceived, energy: audio.totalAudioEnergy ?? 0 });
        }
    };
}";

/// Fewer packets than the fifty that a second of Opus has, because some may be late; none of them could come without a connection.
const PACKETS_IN_ANY_SECOND: f64 = 15.0;
const PACKETS_A_SECOND: f64 = 40.0;
/// The longest time between two samples, in milliseconds. They are taken every second, by a browser that may be busy.
const LONGEST_SECOND: f64 = 2_500.0;
/// More energy than a line has on which nobody speaks, in ten seconds.
const AUDIBLE: f64 = 1e-3;

/// A peer connection of a page, from its beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metered {
    /// Whether the page has not closed it.
    pub open: bool,
    /// Changes of the signaling state: two for each offer and answer.
    pub signaling_changes: u64,
    /// The user names for TURN that it was given, one after the other; empty where there was none.
    pub usernames: Vec<String>,
    /// One a second.
    pub samples: Vec<Sample>,
}

/// What had come in by some moment.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The moment, in milliseconds since the page was opened.
    pub at_ms: f64,
    /// RTP packets since the connection was made.
    pub packets: u64,
    /// Energy of the sound since the connection was made.
    pub energy: f64,
}

impl Metered {
    /// Checks that audio came in without a gap after the first `earlier` samples.
    ///
    /// # Panics
    /// With what came in each second, if there was one.
    pub fn flowed_since(&self, earlier: usize) {
        let samples = &self.samples[earlier.saturating_sub(1)..];
        let [first, .., last] = samples else {
            panic!("too few samples to say anything: {samples:?}");
        };
        for pair in samples.windows(2) {
            let (ms, packets) = between(pair[0], pair[1]);
            assert!(ms < LONGEST_SECOND, "no samples for {ms} ms: {samples:?}");
            let rate = packets * 1_000.0 / ms;
            assert!(
                rate > PACKETS_IN_ANY_SECOND,
                "{packets} packets in {ms} ms: {samples:?}"
            );
        }
        let (ms, packets) = between(*first, *last);
        assert!(
            packets * 1_000.0 / ms > PACKETS_A_SECOND,
            "{packets} packets in {ms} ms: {samples:?}"
        );
        let energy = last.energy - first.energy;
        assert!(energy > AUDIBLE, "silence: {samples:?}");
    }
}

fn between(earlier: Sample, later: Sample) -> (f64, f64) {
    let packets = later.packets.saturating_sub(earlier.packets);
    (later.at_ms - earlier.at_ms, packets as f64)
}

impl Tab<'_> {
    /// Keeps a book on the peer connections of every page that is opened from now on.
    pub async fn meter(&self) {
        self.prepare(METER).await;
    }

    /// The peer connections that the page has made, in that order, closed ones included.
    pub async fn metered(&self) -> Vec<Metered> {
        self.evaluate("return window.metered", Vec::new()).await
    }

    /// The only peer connection that the page has ever made.
    ///
    /// # Panics
    /// If there is none, or another.
    pub async fn only_connection(&self) -> Metered {
        let mut metered = self.metered().await;
        assert_eq!(metered.len(), 1, "connections of the page: {metered:?}");
        metered.remove(0)
    }

    /// Waits for so many more samples of each open connection.
    ///
    /// # Panics
    /// If they don't come, which is no more than the time of a few seconds.
    pub async fn seconds_pass(&self, seconds: usize) {
        let open = async || {
            let metered = self.metered().await;
            metered.into_iter().filter(|connection| connection.open)
        };
        let goal: Vec<_> = open().await.map(|of| of.samples.len() + seconds).collect();
        until(&format!("{seconds} seconds of numbers"), async || {
            let have: Vec<_> = open().await.map(|of| of.samples.len()).collect();
            let enough = have.iter().zip(&goal).all(|(have, goal)| have >= goal);
            if enough && have.len() == goal.len() {
                Ok(())
            } else {
                Err(format!("{have:?} of {goal:?}"))
            }
        })
        .await;
    }
}
