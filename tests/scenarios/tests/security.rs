//! `SECURITY.md` names a test for each of its claims.

use std::{collections::BTreeSet, fs, path::Path};

/// The pairs of a file and a test in it. A name belongs to the last file before it.
fn named_tests(text: &str) -> BTreeSet<(String, String)> {
    let mut tests = BTreeSet::new();
    let mut file = None;
    for (position, code) in text.split('`').enumerate() {
        let is_code = position % 2 == 1;
        let is_name =
            code.contains('_') && code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if !is_code {
            // Only a colon, a comma or a line break may stand between a file and its tests.
            if !code.chars().all(|character| ":,; \n".contains(character)) {
                file = None;
            }
        } else if code.ends_with(".rs") {
            file = Some(code.to_owned());
        } else if let (true, Some(file)) = (is_name, &file) {
            tests.insert((file.clone(), code.to_owned()));
        }
    }
    tests
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let text = read("SECURITY.md");
    let tests = named_tests(&text);
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("rs`: `"));
    assert!(rows.clone().count() > 25, "the tables are missing");
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let is_head = row.starts_with("| attempt") || row.starts_with("| ---");
        assert!(
            is_head || !named_tests(row).is_empty(),
            "no test shows this: {row}"
        );
    }
    for (file, test) in tests {
        let is_there = read(&file).contains(&format!("fn {test}("));
        assert!(is_there, "{file} has no test {test}");
    }
}

#[test]
fn a_name_belongs_to_its_file() {
    let text = "| a | `b` | `x.rs`: `a_b`, `c_d` |\n| `e_f` | `y.rs`:\n`g_h` and `i_j`";
    let expected = [("x.rs", "a_b"), ("x.rs", "c_d"), ("y.rs", "g_h")];
    let expected = expected.map(|(file, test)| (file.to_owned(), test.to_owned()));
    assert_eq!(named_tests(text), expected.into());
}
