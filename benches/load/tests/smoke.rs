//! Every scenario, for a moment: against a bare relay and against the example server on Axum.

use std::process::Command;

use serde_json::Value;

/// The outcome of a short run, which also fails where a message is lost, doubled or out of order.
fn run(target: &str, scenario: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_united-voice-load"))
        .args(["run", "--target", target, "--scenario", scenario])
        .args(["--seconds", "0.3", "--clients", "32", "--rate", "500"])
        .output()
        .expect("the load generator can be started");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{target}, {scenario}: {complaints}"
    );
    serde_json::from_slice(&output.stdout).expect("it prints its outcome")
}

fn positive(outcome: &Value, figure: &str) -> f64 {
    let value = outcome[figure].as_f64();
    let value = value.unwrap_or_else(|| panic!("no {figure} in {outcome}"));
    assert!(value > 0.0, "{figure} in {outcome}");
    value
}

fn every_scenario(target: &str) {
    for scenario in ["relay", "relay-large", "broadcast"] {
        let outcome = run(target, scenario);
        assert_eq!(outcome["target"], target);
        assert_eq!(outcome["scenario"], scenario);
        positive(&outcome, "count");
        positive(&outcome, "cpu_seconds");
        assert!(positive(&outcome, "seconds") >= 0.3);
    }
    let rate = run(target, "rate");
    let half = positive(&rate, "p50_micros");
    assert!(positive(&rate, "p99_micros") >= half);
    let joins = run(target, "joins");
    let joined = positive(&joins, "count");
    assert_eq!(joined % 32.0, 0.0, "whole storms count: {joins}");
    let idle = run(target, "idle");
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
fn rooms_must_be_full() {
    let output = Command::new(env!("CARGO_BIN_EXE_united-voice-load"))
        .args(["run", "--target", "floor-tokio", "--scenario", "idle"])
        .args(["--clients", "9"])
        .output()
        .expect("the load generator can be started");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("fill rooms of 8"), "{complaint}");
}
