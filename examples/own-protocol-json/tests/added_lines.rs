//! What voice cost: the lines that are stated are the lines that it took, and they are few.

use std::{fs, path::Path};

/// The most lines that voice may take.
const MOST: usize = 60;

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
        .filter(|path| !path.ends_with("voice.rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .map(|text| {
            text.lines()
                .filter(|line| line.ends_with("// +voice"))
                .count()
        })
        .sum();
    let actual = [voice.lines().filter(is_code).count(), marked];
    assert!(actual.iter().all(|&lines| lines > 0));
    let sum: usize = actual.iter().sum();
    assert!(sum <= MOST, "{sum} lines: {actual:?}");
    for file in ["src/voice.rs", "README.md"] {
        assert_eq!(stated(&read(file)), actual, "correct the numbers in {file}");
    }
}
