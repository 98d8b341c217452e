//! PostgreSQL in place of the file of SQLite, and secrets by the environment.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::json;
use sha1::Sha1;
use united_voice_postgres::{Database, ENCODED_PASSWORD, PASSWORD};
use united_voice_scenarios::{
    Client, Codec, Server, ServerBuilder, ServerKind, User, eventually, expect_payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        a_call_on_postgresql;
    once:
        a_restart_keeps_everything,
        bans_and_limits_hold,
        the_token_subcommand_uses_the_database,
        flag_wins_over_environment_and_environment_over_file,
        with_secrets_and_a_database_the_folder_has_the_configuration_alone,
        the_secrets_of_the_environment_win,
        without_the_database_requests_are_503_until_it_is_back,
        a_database_that_does_not_answer_ends_the_start_without_showing_the_url,
        a_wrong_url_is_refused_and_not_shown,
}

const URL: &str = "UNITED_DATABASE_URL";

/// The secrets of the servers here, which must be in no log.
const JWT_SECRET: &str = "jwt value of the tests, 32 bytes or more";
const TURN_SECRET: &str = "turn value of the tests";

fn on(kind: ServerKind, database: &Database) -> ServerBuilder {
    Server::builder(kind).environment(URL, &database.url())
}

/// Ends the server, and looks for what must be in no log. The harness looks for more.
async fn end(mut server: Server) {
    server.terminate();
    assert!(server.exit().await.success());
    let log = server.log();
    for hidden in [PASSWORD, ENCODED_PASSWORD, JWT_SECRET, TURN_SECRET] {
        assert!(!log.contains(hidden), "{hidden} is in the log: {log}");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("the names are UTF-8"))
        .collect();
    names.sort();
    names
}

async fn channel_ids(server: &Server, user: &User) -> Vec<String> {
    let (status, channels) = server.get("/api/channels", Some(user)).await;
    assert_eq!(status, 200, "{channels}");
    let channels = channels.as_array().expect("the channels are an array");
    let ids = channels.iter().map(|channel| channel["id"].as_str());
    ids.map(|id| id.expect("an id is a text").to_owned())
        .collect()
}

async fn a_call_on_postgresql(kind: ServerKind, codec: Codec) {
    let database = Database::new();
    let server = on(kind, &database).start().await;
    let (mut ann, mut bob) = united_voice_scenarios::pair(&server, codec).await;
    let offer = request::offer("general", &ann.user.id, "v=0");
    bob.send(offer).await;
    expect_payload!(ann.event().await, VoiceSdpOffer);
    ann.leave("general").await;
    let reason = VoiceLeaveReason::Left;
    bob.leave_event("general", reason).await;
    assert!(!server.data_dir().join("united.db").exists());
    end(server).await;
}

async fn a_restart_keeps_everything(kind: ServerKind) {
    let database = Database::new();
    let server = on(kind, &database).start().await;
    let ann = server.sign_in("Ann", "login key of Ann, kept").await;
    let den = server.channel(&ann, "Den", Some(1)).await;
    for name in ["b", "a", "Späti 🌙"] {
        server.channel(&ann, name, None).await;
    }
    let before = channel_ids(&server, &ann).await;
    assert_eq!(before[..6], ["general", "lounge", "chat", "den", "b", "a"]);
    server.set_limit(&ann, "general", Some(7)).await;
    assert_eq!(channel_ids(&server, &ann).await, before, "order of making");

    let server = server.restart().await;
    assert_eq!(channel_ids(&server, &ann).await, before);
    let again = server.sign_in("Ann B.", "login key of Ann, kept").await;
    assert_eq!(again.id, ann.id);
    let (_, channels) = server.get("/api/channels", Some(&ann)).await;
    assert_eq!(channels[0]["maxParticipants"], 7);
    assert_eq!(channels[6]["name"], "Späti 🌙");
    let mut ann = Client::connect(&server, &again, Codec::Json).await;
    ann.join(&den).await;
    let mut bob = Client::new(&server, "Bob", Codec::Json).await;
    bob.join_refused(&den, VoiceErrorCode::ChannelFull).await;
    end(server).await;
}

async fn bans_and_limits_hold(kind: ServerKind) {
    let database = Database::new();
    let server = on(kind, &database).start().await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    server.set_limit(&ann.user, "general", Some(1)).await;
    ann.join("general").await;
    bob.join_refused("general", VoiceErrorCode::ChannelFull)
        .await;
    server.set_limit(&ann.user, "general", None).await;
    let id = bob.user.id.clone();
    database.execute(&format!(
        "INSERT INTO bans (user_id, channel_id) VALUES ('{id}', 'general')"
    ));
    bob.join_refused("general", VoiceErrorCode::Forbidden).await;
    let path = "/api/voice/general/participants";
    assert_eq!(server.get(path, Some(&bob.user)).await.0, 403);
    database.execute(&format!("DELETE FROM bans WHERE user_id = '{id}'"));
    bob.join("general").await;
    ann.joined_event("general").await;

    // What the other database could hold.
    for (limit, status) in [(2_147_483_647_u32, 200), (2_147_483_648, 400)] {
        let body = Some(json!({ "maxParticipants": limit }));
        let path = "/api/channels/general";
        let answer = server
            .http(Method::PATCH, path, Some(&ann.user), body)
            .await;
        assert_eq!(answer.0, status, "{limit}: {}", answer.1);
    }
    let nowhere = "/api/voice/general%00/participants";
    assert_eq!(server.get(nowhere, Some(&ann.user)).await.0, 404);
    let unknown = VoiceErrorCode::ChannelNotFound;
    ann.join_refused("general\0", unknown).await;
    let body = json!({ "displayName": "A", "pubkey": "a\0b" });
    let login = server.http(Method::POST, "/api/dev/login", None, Some(body));
    assert_eq!(login.await.0, 400);
    end(server).await;
}

async fn the_token_subcommand_uses_the_database(kind: ServerKind) {
    let database = Database::new();
    let server = on(kind, &database).start().await;
    let output = on(kind, &database)
        .flag("--data-dir")
        .flag(server.data_dir().to_str().expect("the path is UTF-8"))
        .flag("token")
        .flag("--user=ann@example.org")
        .run_to_end()
        .await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let user = User {
        id: "ann@example.org".to_owned(),
        name: "ann@example.org".to_owned(),
        pubkey: String::new(),
        token,
    };
    let mut ann = Client::connect(&server, &user, Codec::Json).await;
    ann.join("general").await;
    let count = "SELECT count(*) FROM users WHERE id = 'ann@example.org'";
    assert_eq!(database.execute(count), "1");
    end(server).await;
}

fn file_with(url: &str) -> String {
    format!("[database]\nurl = \"{url}\"\n")
}

async fn flag_wins_over_environment_and_environment_over_file(kind: ServerKind) {
    let [flag, environment, file] = [Database::new(), Database::new(), Database::new()];
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'bans'";
    let used = || [&flag, &environment, &file].map(|database| database.execute(tables));
    let config = file_with(&file.url());
    end(Server::builder(kind).config(&config).start().await).await;
    assert_eq!(used(), ["0", "0", "1"]);
    end(on(kind, &environment).config(&config).start().await).await;
    assert_eq!(used(), ["0", "1", "1"]);
    let with_flag = on(kind, &environment).config(&config);
    let with_flag = with_flag.flag("--database-url").flag(flag.url());
    end(with_flag.start().await).await;
    assert_eq!(used(), ["1", "1", "1"]);
    // An empty variable is none.
    let empty = Server::builder(kind).environment(URL, "");
    let server = empty.start().await;
    assert!(server.data_dir().join("united.db").exists());
}

async fn with_secrets_and_a_database_the_folder_has_the_configuration_alone(kind: ServerKind) {
    let database = Database::new();
    let start = || {
        on(kind, &database)
            .environment("UNITED_JWT_SECRET", JWT_SECRET)
            .environment("UNITED_TURN_SHARED_SECRET", TURN_SECRET)
            .start()
    };
    let (first, second) = (start().await, start().await);
    let user = first.user("Ann").await;
    // Both have one secret and one database, and no file in common.
    assert_eq!(second.get("/api/channels", Some(&user)).await.0, 200);
    for server in [first, second] {
        assert_eq!(files(server.data_dir()), ["united.toml"]);
        end(server).await;
    }
}

async fn the_secrets_of_the_environment_win(kind: ServerKind) {
    let config = |jwt: &str, turn: &str| {
        format!(
            "[auth]\njwt_secret = \"{jwt}\"\n[turn]\nenabled = true\nhost = \"turn.example\"\n\
             shared_secret = \"{turn}\"\n"
        )
    };
    let database = Database::new();
    let by_file = on(kind, &database).config(&config(JWT_SECRET, TURN_SECRET));
    let by_file = by_file.start().await;
    let other = "a value that must not win, of 32 bytes or more";
    let by_environment = on(kind, &database)
        .config(&config(other, other))
        .environment("UNITED_JWT_SECRET", JWT_SECRET)
        .environment("UNITED_TURN_SHARED_SECRET", TURN_SECRET)
        .start()
        .await;
    let user = by_environment.user("Ann").await;
    assert_eq!(by_file.get("/api/channels", Some(&user)).await.0, 200);
    let mut ann = Client::connect(&by_environment, &user, Codec::Json).await;
    let servers = ann.join("general").await.ice_servers;
    let turn = servers.iter().find(|server| !server.username.is_empty());
    let turn = turn.expect("the relay is enabled");
    let mut mac = Hmac::<Sha1>::new_from_slice(TURN_SECRET.as_bytes()).expect("HMAC takes any key");
    mac.update(turn.username.as_bytes());
    let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(turn.credential, expected);
    end(by_file).await;
    end(by_environment).await;
}

async fn without_the_database_requests_are_503_until_it_is_back(kind: ServerKind) {
    let database = Database::new();
    let server = on(kind, &database).start().await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let user = ann.user.clone();
    database.shut();
    let begun = Instant::now();
    assert_eq!(server.get("/api/channels", Some(&user)).await.0, 503);
    let body = Some(json!({ "maxParticipants": 3 }));
    let path = "/api/channels/general";
    let changed = server.http(Method::PATCH, path, Some(&user), body);
    assert_eq!(changed.await.0, 503);
    let join = request::join("general");
    ann.refused_as(join, VoiceErrorCode::Unavailable, "general")
        .await;
    // Each takes 5 s at most, and a busy machine adds some.
    assert!(begun.elapsed() < Duration::from_secs(40));
    assert_eq!(server.get("/healthz", None).await.0, 200, "it lives");
    assert_eq!(server.get("/readyz", None).await.0, 200);
    database.open();
    eventually("the channels are listed again", async || {
        let answer = server.get("/api/channels", Some(&user)).await;
        (answer.0 == 200).then_some(answer.1)
    })
    .await;
    ann.join("general").await;
    let log = server.log();
    let loud = log.lines().filter(|line| line.contains("WARN"));
    let loud: Vec<_> = loud.collect();
    assert_eq!(loud.len(), 1, "{loud:?}");
    assert!(
        loud[0].contains("the database failed a request"),
        "{loud:?}"
    );
    end(server).await;
}

/// Runs a server that must not start. Returns the one line that it writes.
async fn refusal(builder: ServerBuilder, code: i32) -> String {
    let data_dir = builder.data_dir().to_str().expect("the path is UTF-8");
    let data_dir = data_dir.to_owned();
    let builder = builder
        .environment("UNITED_BIND", "127.0.0.1:0")
        .flag("--data-dir")
        .flag(data_dir);
    let output = builder.run_to_end().await;
    let said = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "it never listened");
    assert!(
        !said.contains(PASSWORD) && !said.contains(ENCODED_PASSWORD),
        "{said}"
    );
    let mut lines = said.lines().filter(|line| line.starts_with("error: "));
    let line = lines.next().expect("an error is written").to_owned();
    assert_eq!(lines.next(), None, "{said}");
    line
}

async fn a_database_that_does_not_answer_ends_the_start_without_showing_the_url(kind: ServerKind) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = silent.local_addr().expect("it is bound").port();
    let url = format!("postgres://united:{ENCODED_PASSWORD}@127.0.0.1:{port}/united");
    let begun = Instant::now();
    let database = Database::new();
    let wrong = database.url().replace(ENCODED_PASSWORD, "wrong");
    let (silence, wrong) = tokio::join!(
        refusal(Server::builder(kind).environment(URL, &url), 1),
        refusal(Server::builder(kind).environment(URL, &wrong), 1),
    );
    assert_eq!(
        silence,
        "error: cannot open the PostgreSQL database: no answer within 10 s"
    );
    assert_eq!(
        wrong,
        "error: cannot open the PostgreSQL database: cannot connect: password authentication \
         failed for user \"united\""
    );
    assert!(
        begun.elapsed() >= Duration::from_secs(9),
        "it waits for a database that starts"
    );
}

async fn a_wrong_url_is_refused_and_not_shown(kind: ServerKind) {
    let url = format!("mysql://united:{ENCODED_PASSWORD}@h/d");
    let expected = "must be a URL such as postgres://user:password@host:5432/database";
    let by_variable = refusal(Server::builder(kind).environment(URL, &url), 2).await;
    let begin = format!("error: {URL}: {expected}");
    assert!(by_variable.starts_with(&begin), "{by_variable}");
    let flag = Server::builder(kind).flag("--database-url").flag(&url);
    let by_flag = refusal(flag, 2).await;
    let begin = format!("error: --database-url: {expected}");
    assert!(by_flag.starts_with(&begin), "{by_flag}");
    let by_file = refusal(Server::builder(kind).config(&file_with(&url)), 1).await;
    let middle = format!("united.toml: [database] url: {expected}");
    assert!(by_file.contains(&middle), "{by_file}");
    let long = "x".repeat(4097);
    let secret = Server::builder(kind).environment("UNITED_JWT_SECRET", &long);
    let secret = refusal(secret, 2).await;
    let begin = "error: UNITED_JWT_SECRET: must be a text of at most 4096 bytes";
    assert!(secret.starts_with(begin), "{secret}");
    // The help shows the values of variables.
    let url = format!("postgres://united:{ENCODED_PASSWORD}@h/d");
    let help = Server::builder(kind).environment(URL, &url).flag("--help");
    let help = help.run_to_end().await;
    let help = String::from_utf8(help.stdout).expect("the help is text");
    assert!(
        help.contains("--database-url") && !help.contains(ENCODED_PASSWORD),
        "{help}"
    );
}
