//! What voice costs a host: the marked lines of the adapters' examples, which the documentation of
//! `drive` shows.

use std::{fs, path::Path};

/// The most lines that a host may need.
const MOST: usize = 12;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).expect(path)
}

fn is_code(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("//")
}

/// The lines of code between the marks.
fn marked(example: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in example.lines().map(str::trim) {
        match line {
            "// +voice" => inside = true,
            "// -voice" => inside = false,
            line if inside && is_code(line) => lines.push(line),
            _ => {}
        }
    }
    assert!(!inside, "a mark is missing");
    lines
}

/// The lines of code of the block that follows `title` in the documentation of `drive`.
fn documented<'a>(drive: &'a str, title: &str) -> Vec<&'a str> {
    let (_, after) = drive.split_once(title).expect(title);
    let lines = after
        .lines()
        .map(|line| line.trim_start_matches("///").trim());
    let block = lines.skip_while(|line| !line.starts_with("```")).skip(1);
    block
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| is_code(line))
        .collect()
}

#[test]
fn a_host_needs_at_most_twelve_lines() {
    let drive = read("united-voice-core/src/connection/drive.rs");
    for (title, example) in [
        ("# On axum", "united-voice-axum/examples/voice_on_axum.rs"),
        (
            "# On Actix Web",
            "united-voice-actix/examples/voice_on_actix.rs",
        ),
    ] {
        let example = read(example);
        let lines = marked(&example);
        assert!(lines.iter().any(|line| line.contains("upgrade(&voice")));
        assert!(lines.len() <= MOST, "{title}: {} lines", lines.len());
        assert_eq!(documented(&drive, title), lines, "{title}");
        // What a host calls without a mark would not be counted.
        let outside = example.lines().map(str::trim);
        let outside = outside.filter(|line| is_code(line) && !lines.contains(line));
        for line in outside {
            assert!(!line.contains("united_voice"), "{line}");
            assert!(!line.contains("voice."), "{line}");
        }
    }
}
