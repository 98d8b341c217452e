//! The metrics for Prometheus: only numbers, without ids, names or content. The label values are
//! words of the library, never of a client.
//!
//! `docs/example-server.md` lists all names, `deploy/grafana-dashboard.json` draws them, and a
//! scenario compares both with what the servers export.

mod exposition;
mod process;

use http::StatusCode;
use united_voice_core::Stats;
use united_voice_redis::NodeMetrics;

use crate::{Response, gate::Gate, metrics::exposition::Exposition, response};

/// How many nanoseconds a second has: Prometheus wants times in seconds.
const SECOND: f64 = 1e9;

/// `node` is `None` for a server that is alone.
pub(crate) fn render(stats: &Stats, gate: &Gate, node: Option<&NodeMetrics>) -> Response {
    let text = text(stats, gate, node);
    response::new(StatusCode::OK, exposition::CONTENT_TYPE, text)
}

fn text(stats: &Stats, gate: &Gate, node: Option<&NodeMetrics>) -> String {
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
    if let Some(node) = node {
        cluster(&mut text, stats, node);
    }
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

/// What a node of a cluster tells of itself.
fn cluster(text: &mut Exposition, stats: &Stats, node: &NodeMetrics) {
    text.gauge(
        "united_voice_cluster_up",
        "1 if the engine and this node hear each other, 0 if the node is cut off",
        u8::from(node.up),
    );
    text.gauge(
        "united_voice_cluster_lease_age_seconds",
        "Time since the last beat was sent that came back",
        node.lease_age.as_secs_f64(),
    );
    text.gauge(
        "united_voice_cluster_inbox_lag_seconds",
        "How far this node is behind in reading its inbox",
        node.inbox_lag.as_secs_f64(),
    );
    text.gauge(
        "united_voice_cluster_outbox_messages",
        "Operations and messages for other nodes that are not done",
        node.outbox_messages,
    );
    text.gauge(
        "united_voice_cluster_remote_participants",
        "Participants on other nodes in channels of this node",
        stats.remote_participants,
    );
    for (name, help, value) in [
        (
            "united_voice_cluster_forwarded_total",
            "Messages for participants on other nodes",
            node.forwarded,
        ),
        (
            "united_voice_cluster_bounced_total",
            "Messages for participants on other nodes that came back",
            node.bounced,
        ),
        (
            "united_voice_cluster_resyncs_total",
            "Times that this node fetched all its rosters anew",
            node.resyncs,
        ),
        (
            "united_voice_cluster_fenced_total",
            "Times that other nodes took this one for dead",
            node.fenced,
        ),
        (
            "united_voice_cluster_reasserted_total",
            "Seats that were put back at the engine",
            node.reasserted,
        ),
        (
            "united_voice_cluster_seats_lost_total",
            "Seats that a failure took",
            node.seats_lost,
        ),
        (
            "united_voice_cluster_engine_errors_total",
            "Connections to the engine and commands that failed",
            node.engine_errors,
        ),
    ] {
        text.counter(name, help, value);
    }
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
        let text = text(&stats, &gate, None);
        for expected in [
            "# TYPE united_voice_participants gauge\nunited_voice_participants 3\n",
            "# TYPE united_voice_messages_sent_total counter\nunited_voice_messages_sent_total 17\n",
            "united_voice_http_refused_total{reason=\"sign_ins\"} 1\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_node_tells_of_itself_and_a_server_that_is_alone_does_not() {
        let mut stats = Stats::default();
        stats.remote_participants = 4;
        let mut node = NodeMetrics::default();
        node.up = true;
        node.lease_age = std::time::Duration::from_millis(1_500);
        node.seats_lost = 2;
        let gate = Gate::new(HttpLimits::default());
        let of_node = text(&stats, &gate, Some(&node));
        for expected in [
            "united_voice_cluster_up 1\n",
            "united_voice_cluster_lease_age_seconds 1.5\n",
            "united_voice_cluster_remote_participants 4\n",
            "# TYPE united_voice_cluster_seats_lost_total counter\nunited_voice_cluster_seats_lost_total 2\n",
        ] {
            assert!(of_node.contains(expected), "{of_node}");
        }
        assert!(!text(&stats, &gate, None).contains("cluster"));
    }
}
