//! Runs all checks on the corpus, on damaged copies of it, and on random bytes.

use std::{fs, path::Path};

use fastrand::Rng;
use united_voice_fuzz_checks as checks;

/// Random inputs of each check, besides the damaged copies. `FUZZ_INPUTS` takes another number.
const RANDOM_INPUTS: usize = 3_000;

/// The seed is always the same, so that a failure comes again.
const SEED: u64 = 7;

fn inputs() -> usize {
    match std::env::var("FUZZ_INPUTS") {
        Ok(number) => number.parse().expect("FUZZ_INPUTS is a number"),
        Err(_) => RANDOM_INPUTS,
    }
}

/// A check panics if a rule is broken.
type Check = fn(&[u8]);

fn replay(name: &str, check: Check) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "fuzz/corpus/{name} has no files");
    for (file, bytes) in &corpus {
        run(check, bytes, file);
    }
    let mut rng = Rng::with_seed(SEED);
    for number in 0..inputs() {
        let bytes = if number % 2 == 0 {
            random(&mut rng)
        } else {
            let (_, bytes) = &corpus[rng.usize(..corpus.len())];
            let (_, other) = &corpus[rng.usize(..corpus.len())];
            damaged(bytes, other, &mut rng)
        };
        run(check, &bytes, &format!("random input {number}"));
    }
}

/// The files of a check's corpus in the order of their names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(name);
    let entries = fs::read_dir(&folder).expect("each check has a folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            let bytes = fs::read(&path).expect("a readable file");
            (path.display().to_string(), bytes)
        })
        .collect();
    files.sort();
    files
}

/// Says which input failed. The check has printed why.
fn run(check: Check, bytes: &[u8], what: &str) {
    let result = std::panic::catch_unwind(|| check(bytes));
    let shown = bytes.escape_ascii();
    assert!(result.is_ok(), "it fails on {what}: \"{shown}\"");
}

fn random(rng: &mut Rng) -> Vec<u8> {
    // Small bytes choose among the first possibilities, which matter most.
    let most = [4, 32, 255][rng.usize(..3)];
    let longest = [8, 64, 512][rng.usize(..3)];
    let length = rng.usize(..longest);
    (0..length).map(|_| rng.u8(..=most)).collect()
}

fn damaged(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=rng.usize(..4) {
        let at = rng.usize(..=damaged.len());
        match rng.u8(..5) {
            0 => damaged.insert(at, rng.u8(..)),
            1 if at < damaged.len() => damaged[at] = rng.u8(..),
            2 if at < damaged.len() => drop(damaged.remove(at)),
            3 => damaged.truncate(at),
            _ => {
                let from = rng.usize(..=other.len());
                let to = (from + rng.usize(..40)).min(other.len());
                damaged.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    damaged
}

macro_rules! replays {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), checks::$name);
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let targets = include_str!("../../Cargo.toml").lines();
            let targets = targets.filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
            let targets: Vec<_> = targets.map(|file| file.trim_end_matches(".rs\"")).collect();
            assert_eq!(targets, [$(stringify!($name)),*]);
        }
    };
}

replays!(
    protobuf, json, relay, registry, connection, config, addresses, token
);
