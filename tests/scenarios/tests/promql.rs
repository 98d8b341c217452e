//! As much of Prometheus's query language as the dashboard and the alerts use.

use std::collections::BTreeSet;

/// Words that are no metric.
const WORDS: [&str; 9] = [
    "sum",
    "max",
    "max_over_time",
    "by",
    "rate",
    "increase",
    "histogram_quantile",
    "clamp_min",
    "up",
];

/// A metric and what its labels must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Labels with one value. Other matchers, such as `=~`, must be for labels that Prometheus adds.
    pub(crate) matchers: Vec<(String, String)>,
}

/// Finds all metrics of an expression.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_letter) {
        let before = &rest[..start];
        // Whether the word is a part of a number or of a time, such as the `m` of `5m`.
        let in_number = before.ends_with(|character: char| character.is_ascii_digit());
        let word = &rest[start..];
        let end = word
            .find(|c| !is_letter(c) && !c.is_ascii_digit())
            .unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        rest = after;
        if word == "by" {
            rest = after.split_once(')').expect("the end of the labels").1;
        } else if let Some(inside) = after.strip_prefix('{') {
            let (inside, after) = inside.split_once('}').expect("the end of the matchers");
            rest = after;
            found.push(selector(word, inside));
        } else if !in_number && !WORDS.contains(&word) && !before.ends_with('$') {
            found.push(selector(word, ""));
        }
    }
    found
}

fn selector(metric: &str, matchers: &str) -> Selector {
    let mut exact = Vec::new();
    for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
        let (label, value) = matcher.split_once('=').expect("a matcher");
        if let Some(pattern) = value.strip_prefix('~') {
            assert!(
                ["job", "instance"].contains(&label),
                "{label}=~{pattern} is not checked"
            );
        } else {
            exact.push((label.to_owned(), value.trim_matches('"').to_owned()));
        }
    }
    Selector {
        metric: metric.to_owned(),
        matchers: exact,
    }
}

/// The labels after every `by`.
pub(crate) fn grouping_labels(expression: &str) -> BTreeSet<String> {
    let groups = expression.split("by (").skip(1);
    let groups = groups.map(|rest| rest.split_once(')').expect("the end of the labels").0);
    groups
        .flat_map(|labels| labels.split(", "))
        .map(ToOwned::to_owned)
        .collect()
}

/// All words that look like names of this server's metrics, wherever they stand.
pub(crate) fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|character| !is_letter(character));
    let ours =
        words.filter(|word| word.starts_with("united_voice_") || word.starts_with("process_"));
    ours.map(ToOwned::to_owned).collect()
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

#[test]
fn metrics_matchers_and_labels_are_found() {
    let expression = "sum by (le, kind) (rate(a_total{job=~\"$job\",kind=\"x\"}[5m])) > 0.5 * b";
    let expected = [
        Selector {
            metric: "a_total".into(),
            matchers: vec![("kind".into(), "x".into())],
        },
        Selector {
            metric: "b".into(),
            matchers: Vec::new(),
        },
    ];
    assert_eq!(selectors(expression), expected);
    assert_eq!(
        grouping_labels(expression),
        ["kind", "le"].map(Into::into).into()
    );
    let range = "rate(united_voice_x[$__rate_interval])";
    assert_eq!(selectors(range).len(), 1);
    assert_eq!(names(range), ["united_voice_x".to_owned()].into());
}
