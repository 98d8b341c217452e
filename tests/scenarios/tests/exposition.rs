//! A strict reader of Prometheus's text format, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

/// A metric with all its samples.
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a whole text. Panics at the first mistake.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "the last line has an end");
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ");
        let help = help.unwrap_or_else(|| panic!("a family begins with its help: {line}"));
        let (name, help) = help.split_once(' ').expect("a name and a help");
        assert!(!help.trim().is_empty(), "{line}");
        let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
        let (typed, kind) = kind.and_then(|kind| kind.split_once(' ')).expect("a type");
        assert_eq!(typed, name, "the type belongs to the family");
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            samples.push(sample(line));
        }
        let family = Family {
            kind: kind.to_owned(),
            samples,
        };
        check(name, &family);
        let again = families.insert(name.to_owned(), family);
        assert!(again.is_none(), "{name} comes twice");
    }
    families
}

fn check(name: &str, family: &Family) {
    assert!(is_name(name), "{name}");
    assert!(!family.samples.is_empty(), "{name} has no samples");
    let unique: BTreeSet<_> = family
        .samples
        .iter()
        .map(|one| (&one.name, &one.labels))
        .collect();
    assert_eq!(
        unique.len(),
        family.samples.len(),
        "{name} has a sample twice"
    );
    match family.kind.as_str() {
        "gauge" => {
            assert!(!name.ends_with("_total"), "{name}");
            assert!(
                family.samples.iter().all(|sample| sample.name == name),
                "{name}"
            );
        }
        "counter" => {
            assert!(name.ends_with("_total"), "{name}");
            assert!(
                family
                    .samples
                    .iter()
                    .all(|one| one.name == name && one.value >= 0.0),
                "{name}"
            );
        }
        "histogram" => check_histogram(name, family),
        other => panic!("{name} is a {other}"),
    }
}

fn check_histogram(name: &str, family: &Family) {
    let mut series: BTreeMap<_, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        series.entry(labels).or_default().push(sample);
    }
    for samples in series.values() {
        let [buckets @ .., sum, count] = samples.as_slice() else {
            panic!("{name} is too short");
        };
        let part = |sample: &Sample| sample.name.strip_prefix(name).map(ToOwned::to_owned);
        assert!(
            buckets
                .iter()
                .all(|one| part(one).as_deref() == Some("_bucket")),
            "{name}"
        );
        assert_eq!(part(sum).as_deref(), Some("_sum"), "{name}");
        assert_eq!(part(count).as_deref(), Some("_count"), "{name}");
        let bounds: Vec<_> = buckets
            .iter()
            .map(|bucket| number(&bucket.labels["le"]))
            .collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{name}: {bounds:?}");
        assert_eq!(bounds.last(), Some(&f64::INFINITY), "{name}");
        let values: Vec<_> = buckets.iter().map(|bucket| bucket.value).collect();
        assert!(values.is_sorted(), "{name} is not cumulative: {values:?}");
        assert_eq!(values.last(), Some(&count.value), "{name}");
    }
}

fn sample(line: &str) -> Sample {
    let name_end = line
        .find(['{', ' '])
        .unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value, after) = label(rest);
            let again = labels.insert(label, value);
            assert!(again.is_none(), "a label comes twice: {line}");
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after
                .strip_prefix(',')
                .unwrap_or_else(|| panic!("no comma: {line}"));
        }
    }
    let value = rest
        .strip_prefix(' ')
        .unwrap_or_else(|| panic!("no space: {line}"));
    assert!(is_name(name), "{line}");
    Sample {
        name: name.to_owned(),
        labels,
        value: number(value),
    }
}

/// Reads `label="value"`, and returns what comes after it too.
fn label(text: &str) -> (String, String, &str) {
    let (label, text) = text.split_once("=\"").expect("a label");
    assert!(is_name(label) && !label.contains(':'), "{label}");
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (label.to_owned(), value, &text[position + 1..]),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => panic!("{other:?} is no escape"),
            }),
            character => value.push(character),
        }
    }
    panic!("the value of {label} has no end");
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text
            .parse()
            .unwrap_or_else(|_| panic!("{text} is no number")),
    }
}

fn is_name(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    text.chars().all(fits)
        && !text.starts_with(|character: char| character.is_ascii_digit())
        && !text.is_empty()
}

#[test]
fn labels_are_read_with_their_escapes() {
    let read = sample(r#"a{b="c\\d\"e\nf,}",g=""} 1.5"#);
    assert_eq!((read.name.as_str(), read.value), ("a", 1.5));
    let labels: Vec<_> = read.labels.into_iter().collect();
    let expected = [("b", "c\\d\"e\nf,}"), ("g", "")];
    assert_eq!(
        labels,
        expected.map(|(label, value)| (label.into(), value.into()))
    );
}

#[test]
fn mistakes_are_found() {
    let good = "# HELP a_total A\n# TYPE a_total counter\na_total 1\n";
    assert_eq!(parse(good).len(), 1);
    for bad in [
        good.replace("a_total 1", "b_total 1"),
        good.replace("counter", "gauge"),
        good.replace("a_total 1", "a_total"),
        good.replace("a_total 1", "a_total one"),
        good.replace("a_total 1", "a_total{b=\"c} 1"),
        good.replace("a_total 1", "a_total{b=\"\\c\"} 1"),
        good.repeat(2),
        "a_total 1\n".into(),
        "# HELP a A\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n"
            .into(),
    ] {
        assert!(std::panic::catch_unwind(|| parse(&bad)).is_err(), "{bad}");
    }
}
