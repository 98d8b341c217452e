//! Every scenario for a moment, against a bare relay, against the example server on Axum, and against
//! two nodes of it.

use std::process::{Command, Output};

use serde_json::Value;

fn start(target: &str, scenario: &str, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_united-voice-load"))
        .args(["run", "--target", target, "--scenario", scenario])
        .args(["--seconds", "0.3"])
        .args(options)
        .output()
        .expect("the load generator can be started")
}

/// The outcome of a short run. The run fails if a message is lost, doubled or out of order.
fn run(target: &str, scenario: &str, options: &[&str]) -> Value {
    let output = start(target, scenario, options);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{target}, {scenario}: {complaints}"
    );
    serde_json::from_slice(&output.stdout).expect("it prints its outcome")
}

/// What the load generator says about a run that it refuses.
fn refusal(scenario: &str, options: &[&str]) -> String {
    let output = start("floor-tokio", scenario, options);
    assert!(!output.status.success(), "{scenario} {options:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn positive(outcome: &Value, figure: &str) -> f64 {
    let value = outcome[figure].as_f64();
    let value = value.unwrap_or_else(|| panic!("no {figure} in {outcome}"));
    assert!(value > 0.0, "{figure} in {outcome}");
    value
}

fn every_scenario(target: &str) {
    const FEW: [&str; 4] = ["--clients", "32", "--rate", "500"];
    for (scenario, options) in [
        ("relay", &["--pairs", "7", "--in-flight", "20"]),
        ("relay-large", &["--pairs", "7", "--in-flight", "20"]),
        ("broadcast", &FEW),
    ] {
        let outcome = run(target, scenario, options);
        assert_eq!(outcome["target"], target);
        assert_eq!(outcome["scenario"], scenario);
        positive(&outcome, "count");
        positive(&outcome, "cpu_seconds");
        assert!(positive(&outcome, "seconds") >= 0.3);
    }
    let rate = run(target, "rate", &FEW);
    let half = positive(&rate, "p50_micros");
    assert!(positive(&rate, "p99_micros") >= half);
    let joins = run(target, "joins", &FEW);
    let joined = positive(&joins, "count");
    assert_eq!(joined % 32.0, 0.0, "whole storms count: {joins}");
    let idle = run(target, "idle", &FEW);
    assert_eq!(idle["count"], 32);
}

#[test]
fn a_bare_relay_stands_every_scenario() {
    every_scenario("floor-tokio");
}

#[test]
fn the_example_server_stands_every_scenario() {
    every_scenario("axum");
}

#[test]
fn relays_in_json_may_have_more_in_flight() {
    let outcome = run(
        "axum-json",
        "relay-large",
        &["--pairs", "3", "--in-flight", "128"],
    );
    positive(&outcome, "count");
}

#[test]
fn rooms_must_be_full() {
    let complaint = refusal("idle", &["--clients", "9"]);
    assert!(complaint.contains("fill rooms of 8"), "{complaint}");
    let complaint = refusal("relay", &["--clients", "9"]);
    assert!(complaint.contains("fill rooms of 2"), "{complaint}");
}

#[test]
fn windows_must_fit_into_the_queues() {
    for in_flight in ["0", "129"] {
        let complaint = refusal("relay", &["--in-flight", in_flight]);
        assert!(complaint.contains("1..=128"), "{complaint}");
    }
    let complaint = refusal("relay", &["--pairs", "4", "--clients", "8"]);
    assert!(complaint.contains("cannot be used with"), "{complaint}");
}

fn compare(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_united-voice-load"))
        .arg("cluster")
        .args(options)
        .output()
        .expect("the load generator can be started")
}

#[test]
fn nodes_stand_beside_a_server_alone_and_a_bare_hop() {
    let output = compare(&[
        "--nodes=2",
        "--rounds=1",
        "--seconds=0.3",
        "--rate=200",
        "--remote-rooms=2",
    ]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let table = String::from_utf8_lossy(&output.stdout);
    let figures = |title: &str| -> Vec<f64> {
        let row = table.lines().find_map(|it| it.strip_prefix(title));
        let row = row.unwrap_or_else(|| panic!("no {title} in {table}"));
        let cells = row.split('|').map(str::trim);
        cells.filter_map(|it| it.parse().ok()).collect()
    };
    for (title, count) in [
        ("| relay p50, us |", 5),
        ("| relay p99, us |", 5),
        ("| CPU of the servers for a relay, us |", 5),
        ("| CPU of the engine for a relay, us |", 4),
        ("| join p50, us |", 3),
        ("| join p99, us |", 3),
        ("| joins a second |", 3),
        ("| CPU of the servers for a join, us |", 3),
        ("| CPU of the engine for a join, us |", 2),
        ("| relay p50 over nodes / bare hop |", 2),
        ("| relay p50 over nodes in one process / bare hop |", 1),
    ] {
        let figures = figures(title);
        assert_eq!(figures.len(), count, "{title} in {table}");
        assert!(figures.iter().all(|it| *it > 0.0), "{title} in {table}");
    }
    assert!(table.contains("(of 96 such members)"), "{table}");
}

#[test]
fn only_several_of_our_servers_are_compared_as_nodes() {
    for (options, complaint) in [
        (["--nodes=1", "--rounds=1"], "2..=16"),
        (["--nodes=3", "--rounds=0"], "1..=255"),
        (["--nodes=3", "--rate=0"], "rate"),
        (
            ["--nodes=3", "--target=peerjs"],
            "PeerJS server cannot be a node",
        ),
        (["--nodes=3", "--seconds=0"], "some time is needed"),
    ] {
        let output = compare(&options);
        assert!(!output.status.success(), "{options:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(complaint), "{options:?}: {said}");
    }
}
