//! Secrets: which one counts, and that none is shown.

use super::*;

#[test]
fn no_error_shows_a_secret() {
    let values = [
        "424242",
        "hunter2",
        "hunter2 # and",
        "\"hunter2",
        "'hunter2",
        "\"hunter2\" \"more\"",
        "\"hunter2\"more",
        "[\"hunter2\"]",
        "{ hunter2 = \"hunter2\" }",
        "\"hunter2\\q\"",
        "hunter2\nhunter2",
        "\"\"\"\nhunter2",
    ];
    for key in keys::SECRETS
        .into_iter()
        .chain([&keys::DATABASE_URL, &keys::CLUSTER_URL])
    {
        for value in values {
            let text = with(key, value);
            let error = parse(&text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains("424242"),
                "{shown}"
            );
        }
    }
    for text in [
        "auth = \"hunter2\"",
        "auth = hunter2",
        "jwt_secret = \"hunter2\"",
        "[auth]\njwt_secrte = \"hunter2\"",
        "[turn]\nenabled = true shared_secret = \"hunter2\"",
        "[turn]\nhost = { shared_secret = \"hunter2\" }",
        "[turn]\nhost = [\"hunter2\"]",
        "turn = { shared_secret = \"hunter2",
        "turn = { port = x, shared_secret = \"hunter2\" }",
        "[database]\nurl = \"mysql://u:hunter2@h/d\"",
        "[database]\nurl = postgres://u:hunter2@h/d",
        "[database]\nurl = \"postgres://u@h/d?pasword=hunter2\"",
        "[database]\nuri = \"postgres://u:hunter2@h/d\"",
    ] {
        let error = parse(text).expect_err(text);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let config =
        parse("[auth]\njwt_secret = \"hunter2\"\n[turn]\nshared_secret = \"hunter3\"").unwrap();
    assert!(!format!("{config:?}").contains("hunter"));
    let config = parse(&with(&keys::DATABASE_URL, "\"postgres://u:hunter2@h/d\"")).unwrap();
    assert!(config.database_url().is_some() && !format!("{config:?}").contains("hunter"));
}

#[test]
fn a_configured_secret_wins_over_a_generated_one() {
    let generated = Secrets::default().completed().unwrap();
    let config = parse("[auth]\njwt_secret = \"mine\"").unwrap();
    assert_eq!(config.jwt_secret(&generated).expose(), "mine");
    assert_eq!(
        &Config::default().jwt_secret(&generated),
        generated.jwt_secret()
    );
}

#[test]
fn a_secret_of_the_environment_wins_over_a_configured_one() {
    let environment = |variable: &str, value: &str| {
        Secrets::from_environment(|asked| (asked == variable).then(|| value.into())).unwrap()
    };
    let both = parse("[auth]\njwt_secret = \"mine\"\n[turn]\nshared_secret = \"ours\"").unwrap();
    let jwt = both
        .clone()
        .with_secrets(&environment("UNITED_JWT_SECRET", "new"));
    assert_eq!(jwt.jwt_secret.expose(), "new");
    assert_eq!(jwt.turn.shared_secret.expose(), "ours");
    let turn = both.with_secrets(&environment("UNITED_TURN_SHARED_SECRET", "new"));
    assert_eq!(turn.jwt_secret.expose(), "mine");
    assert_eq!(turn.turn.shared_secret.expose(), "new");
    assert!(turn.has_secrets());
    let one = Config::default().with_secrets(&environment("UNITED_JWT_SECRET", "new"));
    assert!(!one.has_secrets(), "the relay's must be generated");
}
