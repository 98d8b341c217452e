//! What voice cost: the lines that `voice.rs` says it took are the lines that it took.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn is_code(line: &&str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// The numbers of the line that begins with `Lines of code:`.
fn stated(text: &str) -> Vec<usize> {
    let line = text.lines().find(|line| line.contains("Lines of code:"));
    let words = line.expect("the line").split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_stated_number_of_added_lines_is_true() {
    let voice = read("src/voice.rs");
    let others = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let marked: usize = others
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("voice.rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .map(|text| {
            text.lines()
                .filter(|line| line.ends_with("// +voice"))
                .count()
        })
        .sum();
    let proto = read("proto/parley.proto");
    let actual = [
        voice.lines().filter(is_code).count(),
        marked,
        proto
            .lines()
            .filter(is_code)
            .filter(|line| line.contains("united"))
            .count(),
    ];
    assert!(actual.iter().all(|&lines| lines > 0));
    assert_eq!(
        stated(&voice),
        actual,
        "correct the numbers in src/voice.rs"
    );
    assert_eq!(
        stated(&read("README.md")),
        actual,
        "correct the numbers in README.md"
    );
}
