//! No line of a server's log may have a secret. The harness starts every server with the log level
//! `trace`, and checks all its lines when the server has ended. So each scenario is a test of this.
//!
//! Secrets are known by their look. What the harness itself sends has marks.

use std::{fs, path::Path};

/// Texts that stand only in what must stay secret.
const MARKS: [(&str, &str); 10] = [
    ("eyJ", "a JSON Web Token"),
    ("access_token", "the query of an upgrade"),
    ("login key ", "a login key of the harness"),
    ("key of ", "a public key of the harness"),
    ("private text", "a relayed message of the harness"),
    ("v=0", "a session description"),
    ("ice-ufrag", "a session description"),
    ("candidate:", "an ICE candidate"),
    ("word/of@tests", "the password of a database"),
    ("word%2Fof%40tests", "the URL of a database"),
];

/// The length of an HMAC-SHA1 in base64, of which the last character is `=`.
const CREDENTIAL_CHARACTERS: usize = 28;

/// The secrets in the files of a data directory.
pub(crate) fn in_files(data_dir: &Path) -> Vec<String> {
    let files = ["secrets.toml", "united.toml"].map(|name| data_dir.join(name));
    let texts = files
        .into_iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| secrets_of(&text)).collect()
}

/// The secrets that a server is given by its environment.
pub(crate) fn in_environment(environment: &[(String, String)]) -> impl Iterator<Item = String> {
    let secrets = environment
        .iter()
        .filter(|(name, value)| name.ends_with("SECRET") && !value.is_empty());
    secrets.map(|(_, value)| value.clone())
}

/// The values of all keys that end in `secret`.
fn secrets_of(toml: &str) -> Vec<String> {
    let values = toml.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value.split('"').nth(1)?;
        (key.trim_end().ends_with("secret") && !value.is_empty()).then(|| value.to_owned())
    });
    values.collect()
}

/// The first secret in a log, with its line.
pub(crate) fn found_in(log: &str, secrets: &[String]) -> Option<String> {
    log.lines().find_map(|line| {
        let mark = MARKS.iter().find(|(mark, _)| line.contains(mark));
        let what = mark.map(|(_, what)| *what);
        let secret = || secrets.iter().any(|secret| line.contains(secret.as_str()));
        let what =
            what.or_else(|| secret().then_some("a secret of the server's files or environment"));
        let what = what.or_else(|| has_credential(line).then_some("a TURN credential"));
        what.map(|what| format!("{what} is in the log: {line}"))
    })
}

fn has_credential(line: &str) -> bool {
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/".contains(character);
    let mut ends = line.match_indices('=').map(|(end, _)| &line[..end]);
    ends.any(|before| {
        let word = before.rsplit(|character| !is_base64(character)).next();
        word.is_some_and(|word| word.len() == CREDENTIAL_CHARACTERS - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_secret_is_found() {
        let secrets = secrets_of("[auth]\njwt_secret = \"abc\"\n[turn]\nshared_secret = \"\"\n");
        assert_eq!(secrets, ["abc"]);
        let environment = [("TURN_SECRET", "def"), ("A_SECRET", ""), ("PORT", "1")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(in_environment(&environment).eq(["def"]));
        for line in [
            "query=eyJhbGciOiJIUzI1NiJ9.e30.x",
            "loginKey=login key 00ff",
            "sdp=v=0",
            "the secret is abc",
            "credential=\"aGVsbG8gd29ybGQgaGVsbG8gd28=\"",
            "credential=aGVsbG8gd29ybGQgaGVsbG8gd28=",
            "aGVsbG8gd29ybGQgaGVsbG8gd28= is the credential",
        ] {
            let log = format!("a line\n{line}\n");
            assert!(
                found_in(&log, &secrets).is_some_and(|found| found.ends_with(line)),
                "{line}"
            );
        }
        let harmless = "DEBUG request refused code=\"VOICE_ERROR_CODE_FORBIDDEN\" ab=\n\
                        session=00112233445566778899aabbccddeeff=x";
        assert_eq!(found_in(harmless, &secrets), None);
    }
}
