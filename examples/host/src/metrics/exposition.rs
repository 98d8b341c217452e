//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use united_voice_core::{Counts, Histogram};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by one metric after another.
#[derive(Default)]
pub(super) struct Exposition(String);

impl Exposition {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, &[], value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.sample(name, &[], value);
    }

    /// One counter for each label value.
    pub(super) fn counters(&mut self, name: &str, help: &str, label: &str, counts: Counts) {
        self.labelled_counters(name, help, label, counts.iter());
    }

    /// As [`counters`](Self::counters).
    pub(super) fn labelled_counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'static str, u64)>,
    ) {
        self.head(name, help, "counter");
        for (value, number) in counts {
            self.sample(name, &[(label, value)], number);
        }
    }

    /// `unit` is how much of the histogram's values is one of the metric's.
    pub(super) fn histogram(&mut self, name: &str, help: &str, unit: f64, values: &Histogram) {
        self.head(name, help, "histogram");
        self.distribution(name, None, unit, values);
    }

    /// One histogram for each label value.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        unit: f64,
        histograms: impl Iterator<Item = (&'static str, &'a Histogram)>,
    ) {
        self.head(name, help, "histogram");
        for (value, values) in histograms {
            self.distribution(name, Some((label, value)), unit, values);
        }
    }

    fn distribution(
        &mut self,
        name: &str,
        label: Option<(&str, &str)>,
        unit: f64,
        values: &Histogram,
    ) {
        let own: Vec<_> = label.into_iter().collect();
        let bounds = values.buckets();
        let buckets = bounds.map(|(bound, number)| ((bound as f64 / unit).to_string(), number));
        for (bound, number) in buckets.chain([("+Inf".to_owned(), values.count())]) {
            let labels = [&own[..], &[("le", &bound)]].concat();
            self.sample(&format!("{name}_bucket"), &labels, number);
        }
        self.sample(&format!("{name}_sum"), &own, values.sum() as f64 / unit);
        self.sample(&format!("{name}_count"), &own, values.count());
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        match labels.as_slice() {
            [] => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string takes everything");
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\");
    value.replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_the_format_is_escaped() {
        let mut text = Exposition::default();
        text.head("a", "back\\slash and\nline \"break\"", "gauge");
        text.sample("a", &[("b", "c\\d\"e\nf"), ("g", "")], 1.5);
        let expected = r#"# HELP a back\\slash and\nline "break"
# TYPE a gauge
a{b="c\\d\"e\nf",g=""} 1.5
"#;
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn small_numbers_have_no_exponent_and_no_noise() {
        let bounds = [1_000_u64, 4_000, 250_000, 2_500_000_000];
        let seconds = bounds.map(|bound| (bound as f64 / 1e9).to_string());
        assert_eq!(seconds, ["0.000001", "0.000004", "0.00025", "2.5"]);
    }
}
