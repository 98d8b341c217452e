//! The metrics for Prometheus: only numbers, without ids, names or content. The label values are
//! words of the library, never of a client.
//!
//! `docs/example-server.md` lists all names, `deploy/grafana-dashboard.json` draws them, and a
//! scenario compares both with what the servers export.

mod exposition;
mod process;

use http::StatusCode;
use united_voice_core::Stats;

use crate::{Response, gate::Gate, metrics::exposition::Exposition, response};

/// How many nanoseconds a second has: Prometheus wants times in seconds.
const SECOND: f64 = 1e9;

pub(crate) fn render(stats: &Stats, gate: &Gate) -> Response {
    response::new(StatusCode::OK, exposition::CONTENT_TYPE, text(stats, gate))
}

fn text(stats: &Stats, gate: &Gate) -> String {
    let mut text = Exposition::default();
    people(&mut text, stats);
    messages(&mut text, stats);
    pressure(&mut text, stats);
    text.labelled_counters(
        "united_voice_http_refused_total",
        "Connections and requests turned away before they were served",
        "reason",
        gate.refused()
            .map(|(refusal, count)| (refusal.reason(), count)),
    );
    process::write(&mut text);
    text.into_text()
}

/// Connections, and who is in which call.
fn people(text: &mut Exposition, stats: &Stats) {
    text.gauge(
        "united_voice_connections",
        "Open connections",
        stats.connections,
    );
    text.gauge("united_voice_users", "Users with a connection", stats.users);
    text.gauge(
        "united_voice_rooms",
        "Channels that somebody is in",
        stats.rooms,
    );
    text.gauge(
        "united_voice_participants",
        "Participants of all channels",
        stats.participants,
    );
    text.counter(
        "united_voice_connections_opened_total",
        "Connections that were opened",
        stats.connections_opened,
    );
    text.counters(
        "united_voice_connections_refused_total",
        "Connections that were refused after sign-in",
        "reason",
        stats.connections_refused,
    );
    text.counters(
        "united_voice_connections_ended_total",
        "Connections that ended",
        "reason",
        stats.connections_ended,
    );
    text.counters(
        "united_voice_join_requests_total",
        "Requests to join a channel",
        "outcome",
        stats.join_requests,
    );
    text.histogram(
        "united_voice_join_wait_seconds",
        "How long requests to join waited for the directory",
        SECOND,
        &stats.join_wait,
    );
    text.counter(
        "united_voice_joins_total",
        "Joins that took a seat",
        stats.joins,
    );
    text.counter(
        "united_voice_leaves_total",
        "Stays in a channel that ended",
        stats.leaves,
    );
}

fn messages(text: &mut Exposition, stats: &Stats) {
    text.counter(
        "united_voice_messages_received_total",
        "Messages from clients",
        stats.messages_received,
    );
    text.counter(
        "united_voice_messages_sent_total",
        "Messages to clients",
        stats.messages_sent,
    );
    text.counters(
        "united_voice_relays_total",
        "Messages that were passed to another participant",
        "kind",
        stats.relays,
    );
    text.counters(
        "united_voice_relays_refused_total",
        "Messages for another participant that were refused",
        "reason",
        stats.relays_refused,
    );
    text.counter(
        "united_voice_errors_total",
        "Requests answered with an error",
        stats.errors,
    );
    text.counters(
        "united_voice_errors_by_code_total",
        "Requests answered with an error, by its code",
        "code",
        stats.errors_by_code,
    );
    text.histograms(
        "united_voice_handling_seconds",
        "How long messages took to decode and handle, one in 61 of each connection",
        "request",
        SECOND,
        stats.handling(),
    );
}

/// What shows that clients send too much or read too slowly.
fn pressure(text: &mut Exposition, stats: &Stats) {
    text.counter(
        "united_voice_rate_limited_total",
        "Messages dropped by the rate limit",
        stats.rate_limited,
    );
    text.counter(
        "united_voice_speaking_dropped_total",
        "Speaking events dropped because a recipient's queue was full",
        stats.speaking_dropped,
    );
    text.counter(
        "united_voice_evictions_total",
        "Connections ended for reading too slowly",
        stats.evictions,
    );
    text.counter(
        "united_voice_writes_blocked_total",
        "Times that a socket took no more at that moment",
        stats.writes_blocked,
    );
    text.histogram(
        "united_voice_queued_signals",
        "Messages that waited for a client when it was written to, one in 61 times",
        1.0,
        &stats.queued_signals,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HttpLimits, gate::Refusal};

    #[test]
    fn numbers_appear_under_their_names() {
        let mut stats = Stats::default();
        stats.participants = 3;
        stats.messages_sent = 17;
        let gate = Gate::new(HttpLimits::default());
        gate.count_refused(Refusal::SignIns);
        let text = text(&stats, &gate);
        for expected in [
            "# TYPE united_voice_participants gauge\nunited_voice_participants 3\n",
            "# TYPE united_voice_messages_sent_total counter\nunited_voice_messages_sent_total 17\n",
            "united_voice_http_refused_total{reason=\"sign_ins\"} 1\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
