//! `SECURITY.md`, `docs/reliability.md` and `docs/cluster.md` name a test for each of their claims.

use std::{collections::BTreeSet, fs, path::Path};

/// The pairs of a file and a test in it. A name belongs to the last file before it.
fn named_tests(text: &str) -> BTreeSet<(String, String)> {
    let mut tests = BTreeSet::new();
    let mut file: Option<String> = None;
    for (position, code) in text.split('`').enumerate() {
        let is_code = position % 2 == 1;
        if !is_code {
            // Only a colon, a comma or a line break may stand between a file and its tests.
            if !code.chars().all(|character| ":,; \n".contains(character)) {
                file = None;
            }
        } else if code.ends_with(".rs") || code.ends_with(".test.js") {
            file = Some(code.to_owned());
        } else if let Some(file) = &file
            && (file.ends_with(".js") || is_function(code))
        {
            tests.insert((file.clone(), code.to_owned()));
        }
    }
    tests
}

fn is_function(code: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    code.contains('_') && code.chars().all(is_part)
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Checks that each row of the tables names a test, and that all of them exist.
fn check(text: &str, at_least: usize) {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let heads = ["| attempt", "| failure", "| what fails", "| ---"];
    let rows: Vec<&str> = rows
        .filter(|row| !heads.iter().any(|head| row.starts_with(head)))
        .collect();
    assert!(rows.len() >= at_least, "the tables are missing");
    for row in rows {
        assert!(!named_tests(row).is_empty(), "no test shows this: {row}");
    }
    for (file, test) in named_tests(text) {
        let source = read(&file);
        let is_there = [
            format!("fn {test}("),
            format!("fn {test}<"),
            format!("test('{test}'"),
        ];
        let is_there = is_there
            .iter()
            .any(|definition| source.contains(definition));
        assert!(is_there, "{file} has no test {test}");
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    check(&read("SECURITY.md"), 30);
}

#[test]
fn every_test_that_the_list_of_failures_names_exists() {
    let text = read("docs/reliability.md");
    let (applies, _) = text
        .split_once("## What does not apply")
        .expect("the section is there");
    check(applies, 40);
}

#[test]
fn every_test_that_the_page_on_several_processes_names_exists() {
    let page = read("docs/cluster.md");
    let (_, section) = page
        .split_once("\n## What a failure costs\n")
        .expect("a section on failures");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    check(section, 16);
}

#[test]
fn a_name_belongs_to_its_file() {
    let text = "| a | `b` | `x.rs`: `a_b`, `c_4` |\n| `e_f` | `y.rs`:\n`g_h` and `i_j`; `z.test.js`: `a b`";
    let expected = [
        ("x.rs", "a_b"),
        ("x.rs", "c_4"),
        ("y.rs", "g_h"),
        ("z.test.js", "a b"),
    ];
    let expected = expected.map(|(file, test)| (file.to_owned(), test.to_owned()));
    assert_eq!(named_tests(text), expected.into());
}
