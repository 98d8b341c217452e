//! The metrics for Prometheus: only numbers, without ids, names or content.

use http::StatusCode;
use prometheus::{IntCounter, IntGauge, Registry, TEXT_FORMAT, TextEncoder};
use united_voice_core::Stats;

use crate::{Response, response};

pub(crate) fn render(stats: &Stats) -> Response {
    response::new(StatusCode::OK, TEXT_FORMAT, text(stats))
}

fn text(stats: &Stats) -> String {
    let registry = Registry::new();
    for (name, help, value) in [
        ("connections", "Open connections", stats.connections),
        ("users", "Users with a connection", stats.users),
        ("rooms", "Channels that somebody is in", stats.rooms),
        (
            "participants",
            "Participants of all channels",
            stats.participants,
        ),
    ] {
        let gauge = IntGauge::new(format!("united_voice_{name}"), help).expect("a valid name");
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry
            .register(Box::new(gauge))
            .expect("a name used once");
    }
    for (name, help, value) in [
        ("joins", "Joins that took a seat", stats.joins),
        ("leaves", "Stays in a channel that ended", stats.leaves),
        (
            "evictions",
            "Connections ended for reading too slowly",
            stats.evictions,
        ),
        (
            "messages_received",
            "Messages from clients",
            stats.messages_received,
        ),
        ("messages_sent", "Messages to clients", stats.messages_sent),
        (
            "rate_limited",
            "Messages dropped by the rate limit",
            stats.rate_limited,
        ),
        ("errors", "Requests answered with an error", stats.errors),
    ] {
        let counter =
            IntCounter::new(format!("united_voice_{name}_total"), help).expect("a valid name");
        counter.inc_by(value);
        registry
            .register(Box::new(counter))
            .expect("a name used once");
    }
    TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("every metric has a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_appear_under_their_names() {
        let mut stats = Stats::default();
        stats.participants = 3;
        stats.messages_sent = 17;
        let text = text(&stats);
        assert!(
            text.contains("# TYPE united_voice_participants gauge\nunited_voice_participants 3\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "united_voice_messages_sent_total counter\nunited_voice_messages_sent_total 17\n"
            ),
            "{text}"
        );
        assert_eq!(
            text.lines().filter(|line| !line.starts_with('#')).count(),
            11
        );
    }
}
