//! What the browser itself reports about a page's peer connections, second by second. The page's
//! own numbers play no part.

use serde::Deserialize;

use crate::{Tab, until};

/// Records each peer connection of the page: once a second, and if a configuration is set or the
/// signaling state changes.
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
            // The browser may know the track before it is connected.
            if (!audio?.packetsReceived) return;
            this.#entry.samples.push({ atMs, packets: audio.packetsReceived, energy: audio.totalAudioEnergy ?? 0 });
        }
    };
}";

/// A second of Opus has fifty packets. The limits are lower, because some may be late, and a busy
/// machine may stand still for a moment. Without a connection there would be none for many seconds.
const PACKETS_A_SECOND_FOR_TWO: f64 = 15.0;
const PACKETS_A_SECOND: f64 = 40.0;
/// The longest time between a sample and the next but one, in milliseconds. They are due every
/// second, but the browser may be busy.
const LONGEST_TWO_SECONDS: f64 = 5_000.0;
/// More energy than a line without speech has in ten seconds.
const AUDIBLE: f64 = 1e-3;

/// The record of a peer connection from its beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metered {
    /// Whether the connection is open: the page has not closed it.
    pub open: bool,
    /// The number of changes of the signaling state: two for each round of offer and answer.
    pub signaling_changes: u64,
    /// The user names for TURN that the page set, in their order; an empty text is a configuration
    /// without one.
    pub usernames: Vec<String>,
    /// One sample a second, from the first packet on.
    pub samples: Vec<Sample>,
}

/// The totals of incoming audio at some moment.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The moment, in milliseconds since the page opened.
    pub at_ms: f64,
    /// RTP packets since the connection began.
    pub packets: u64,
    /// Energy of the sound since the connection began.
    pub energy: f64,
}

impl Metered {
    /// Checks that audio came in without a gap after the first `earlier` samples.
    ///
    /// # Panics
    /// If there was a gap; the message has the samples.
    pub fn flowed_since(&self, earlier: usize) {
        let samples = &self.samples[earlier.saturating_sub(1)..];
        let [first, .., last] = samples else {
            panic!("too few samples to say anything: {samples:?}");
        };
        for window in samples.windows(3) {
            let (ms, packets) = between(window[0], window[2]);
            let rate = packets * 1_000.0 / ms;
            assert!(
                ms < LONGEST_TWO_SECONDS && rate > PACKETS_A_SECOND_FOR_TWO,
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
    /// Records the peer connections of every page that opens from now on.
    pub async fn meter(&self) {
        self.prepare(METER).await;
    }

    /// The peer connections of the page in the order they were made, closed ones included.
    pub async fn metered(&self) -> Vec<Metered> {
        self.evaluate("return window.metered", Vec::new()).await
    }

    /// The only peer connection that the page has ever made.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub async fn only_connection(&self) -> Metered {
        let mut metered = self.metered().await;
        assert_eq!(metered.len(), 1, "connections of the page: {metered:?}");
        metered.remove(0)
    }

    /// Waits for this many more samples of each open connection, one a second.
    ///
    /// # Panics
    /// If they do not come in time, so `seconds` must be below [`PATIENCE`](crate::PATIENCE).
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
