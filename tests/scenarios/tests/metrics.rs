//! `/metrics`: the text can be parsed, the numbers are right, and documentation, dashboard and
//! alerts use the names that the servers export.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use united_voice_scenarios::{Client, Codec, Server, ServerKind, eventually, pair, request};

use crate::{
    exposition::{Family, Sample, parse},
    promql::{Selector, grouping_labels, names, selectors},
};

scenarios! {
    each codec:
        what_happens_is_counted;
    once:
        the_documentation_lists_what_is_exported,
        dashboard_and_alerts_use_only_what_is_exported,
        no_label_comes_from_a_client,
}

/// Only a node of a cluster exports metrics that begin so.
const OF_NODES: &str = "united_voice_cluster_";

/// Labels that Prometheus adds to what it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];

pub(crate) async fn exported(server: &Server) -> BTreeMap<String, Family> {
    let (status, text) = server.get_text("/metrics").await;
    assert_eq!(status, 200);
    parse(&text)
}

fn samples(families: &BTreeMap<String, Family>) -> impl Iterator<Item = &Sample> {
    families.values().flat_map(|family| &family.samples)
}

pub(crate) fn value(
    families: &BTreeMap<String, Family>,
    name: &str,
    label: Option<(&str, &str)>,
) -> f64 {
    let wanted = |sample: &&Sample| {
        sample.name == name
            && label.is_none_or(|(label, value)| {
                sample.labels.get(label).map(String::as_str) == Some(value)
            })
    };
    let sample = samples(families).find(wanted);
    sample
        .unwrap_or_else(|| panic!("no {name} {label:?}"))
        .value
}

async fn what_happens_is_counted(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    for payload in request::relayed("general", &bob.user.id, "x") {
        ann.send(payload).await;
        bob.event().await;
    }
    for payload in request::relayed("general", "nobody", "x") {
        ann.refused(payload).await;
    }
    let mut cat = Client::new(&server, "Cat", codec).await;
    cat.refused(request::join("chat")).await;
    cat.close().await;
    let expected = [
        ("united_voice_connections", None, 2.0),
        ("united_voice_users", None, 2.0),
        ("united_voice_rooms", None, 1.0),
        ("united_voice_participants", None, 2.0),
        ("united_voice_connections_opened_total", None, 3.0),
        (
            "united_voice_connections_ended_total",
            Some(("reason", "closed")),
            1.0,
        ),
        (
            "united_voice_join_requests_total",
            Some(("outcome", "joined")),
            2.0,
        ),
        (
            "united_voice_join_requests_total",
            Some(("outcome", "not_a_voice_channel")),
            1.0,
        ),
        ("united_voice_join_wait_seconds_count", None, 3.0),
        ("united_voice_joins_total", None, 2.0),
        ("united_voice_relays_total", Some(("kind", "offer")), 1.0),
        ("united_voice_relays_total", Some(("kind", "answer")), 1.0),
        (
            "united_voice_relays_total",
            Some(("kind", "candidate")),
            1.0,
        ),
        (
            "united_voice_relays_refused_total",
            Some(("reason", "target_not_in_channel")),
            3.0,
        ),
        ("united_voice_errors_total", None, 4.0),
        (
            "united_voice_errors_by_code_total",
            Some(("code", "target_not_in_channel")),
            3.0,
        ),
        ("united_voice_messages_received_total", None, 9.0),
        ("united_voice_evictions_total", None, 0.0),
        // The first message of the first connection.
        (
            "united_voice_handling_seconds_count",
            Some(("request", "join")),
            1.0,
        ),
    ];
    let mut seen = Vec::new();
    eventually("the numbers", async || {
        let families = exported(&server).await;
        seen = expected
            .map(|(name, label, _)| value(&families, name, label))
            .to_vec();
        (seen == expected.map(|(_, _, value)| value)).then_some(())
    })
    .await;
    let families = exported(&server).await;
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(value(&families, name, None) > 0.0, "{name}");
    }
    assert!(value(&families, "process_open_fds", None) < value(&families, "process_max_fds", None));
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows `name | kind` or `name | kind by label` of the table of metrics.
fn documented() -> BTreeMap<String, String> {
    let text = file("docs/example-server.md");
    let (_, section) = text
        .split_once("\n## Metrics\n")
        .expect("a section on metrics");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").expect("a row of the table");
        let (kind, _) = rest.split_once(" | ").expect("a row of the table");
        (name.to_owned(), kind.replace('`', ""))
    })
    .collect()
}

async fn the_documentation_lists_what_is_exported(kind: ServerKind) {
    let families = exported(&Server::start(kind).await).await;
    let exported: BTreeMap<_, _> = families
        .iter()
        .map(|(name, family)| {
            let labels = family
                .samples
                .iter()
                .flat_map(|sample| sample.labels.keys());
            let labels: BTreeSet<_> = labels.filter(|label| *label != "le").collect();
            let by: String = labels.iter().map(|label| format!(" by {label}")).collect();
            (name.clone(), format!("{}{by}", family.kind))
        })
        .collect();
    let mut documented = documented();
    documented.retain(|name, _| kind == ServerKind::Nodes || !name.starts_with(OF_NODES));
    assert_eq!(exported, documented);
}

/// All expressions of the dashboard and of the alerts, with the places that they come from.
fn expressions() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&file("deploy/grafana-dashboard.json")).expect("valid JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut found = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().expect("targets") {
            found.push((
                title.to_owned(),
                target["expr"].as_str().expect("an expression").into(),
            ));
        }
    }
    let drawn = found.len();
    assert!(drawn > 20, "only {drawn} expressions are in the dashboard");
    for query in dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
    {
        let query = query["query"].as_str().expect("a query");
        if let Some(arguments) = query.strip_prefix("label_values(") {
            let (metric, _) = arguments.rsplit_once(',').expect("a metric and a label");
            found.push((query.to_owned(), metric.to_owned()));
        }
    }
    for line in file("deploy/united-voice-rules.yaml").lines() {
        if let Some(expression) = line.trim_start().strip_prefix("expr: ") {
            found.push(("the alerts".to_owned(), expression.to_owned()));
        }
    }
    assert!(found.len() > drawn + 5, "variables or alerts are missing");
    found
}

async fn dashboard_and_alerts_use_only_what_is_exported(kind: ServerKind) {
    let families = exported(&Server::start(kind).await).await;
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples(&families) {
        by_name.entry(&sample.name).or_default().push(sample);
    }
    let expressions = expressions();
    let mut used = BTreeSet::new();
    for (place, expression) in &expressions {
        let grouping = grouping_labels(expression);
        for Selector { metric, matchers } in selectors(expression) {
            // Made by Prometheus for each scrape.
            if metric == "up" {
                continue;
            }
            if kind != ServerKind::Nodes && metric.starts_with(OF_NODES) {
                continue;
            }
            let samples = by_name.get(metric.as_str());
            let samples = samples.unwrap_or_else(|| panic!("{place}: {metric} in {expression}"));
            used.insert(metric.clone());
            for (label, value) in matchers {
                let has = |sample: &&Sample| sample.labels.get(&label) == Some(&value);
                assert!(
                    ADDED.contains(&label.as_str()) || samples.iter().any(has),
                    "{place}: no {metric} has {label}={value}"
                );
            }
            for label in &grouping {
                assert!(
                    ADDED.contains(&label.as_str())
                        || samples
                            .iter()
                            .all(|sample| sample.labels.contains_key(label)),
                    "{place}: {metric} has no label {label}"
                );
            }
        }
        let metrics = selectors(expression)
            .into_iter()
            .map(|selector| selector.metric);
        let unknown = names(expression)
            .difference(&metrics.collect())
            .next()
            .cloned();
        assert_eq!(unknown, None, "{place}: {expression}");
    }
    let drawn = |family: &str| {
        let parts = ["", "_bucket", "_sum", "_count"];
        parts
            .iter()
            .any(|part| used.contains(&format!("{family}{part}")))
    };
    let undrawn: Vec<_> = families.keys().filter(|family| !drawn(family)).collect();
    assert!(undrawn.is_empty(), "nobody sees {undrawn:?}");
}

async fn no_label_comes_from_a_client(kind: ServerKind) {
    let server = Server::start(kind).await;
    let labels = |families: &BTreeMap<String, Family>| -> Vec<_> {
        let labelled = samples(families).map(|sample| (sample.name.clone(), sample.labels.clone()));
        labelled.collect()
    };
    let before = labels(&exported(&server).await);
    let (mut ann, bob) = pair(&server, Codec::Json).await;
    ann.refused(request::join("a channel of Ann's")).await;
    ann.refused(request::leave("another")).await;
    assert_eq!(labels(&exported(&server).await), before);
    drop(bob);
}
