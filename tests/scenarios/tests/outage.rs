//! The server is killed under calls of Rust clients, and started again. Everybody is back in the
//! call soon after the server is, and everybody's roster is right.

use std::time::{Duration, Instant};

use futures::{FutureExt as _, future::join_all};
use serde_json::{Value, json};
use tokio::time::sleep;
use united_voice_client::{ClientBuilder, Disconnect, Event, Participant, TokenError};
use united_voice_scenarios::{Codec, Server, ServerKind, User, eventually, soon};

use crate::bot::{Bot, builder};

scenarios! {
    each codec:;
    once:
        everybody_is_back_after_a_second,
        everybody_is_back_after_six_seconds,
}

const CALLS: usize = 6;
const SEATS: usize = 5;

/// In the first half minute, no client waits longer between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How long after the server everybody must be back. That is the longest pause, and a second to
/// connect and to join, and as much again for a machine with other work.
const BACK: Duration = Duration::from_secs(10);

/// A channel with bots in it.
struct Call {
    channel: String,
    bots: Vec<Bot>,
}

async fn everybody_is_back_after_a_second(kind: ServerKind) {
    everybody_is_back_after(kind, Duration::from_secs(1)).await;
}

async fn everybody_is_back_after_six_seconds(kind: ServerKind) {
    everybody_is_back_after(kind, Duration::from_secs(6)).await;
}

async fn everybody_is_back_after(kind: ServerKind, outage: Duration) {
    let server = Server::start(kind).await;
    let mut calls = Vec::with_capacity(CALLS);
    for number in 0..CALLS {
        calls.push(begin(&server, number).await);
    }
    let down = server.kill();
    sleep(outage).await;
    let server = down.start().await;
    let listening = Instant::now();
    let returning = calls.iter_mut().flat_map(|Call { channel, bots }| {
        let channel = channel.as_str();
        bots.iter_mut().map(move |bot| back_in(bot, channel))
    });
    for at in join_all(returning).await {
        let took = at.saturating_duration_since(listening);
        assert!(took <= BACK, "back {took:?} after the server");
    }
    for call in &mut calls {
        all_agree(&server, call).await;
    }
}

/// Half of the bots keep one token, and the other half sign in before each attempt to connect. In
/// each half, some speak protobuf and some JSON. The first bot of a call is muted.
async fn begin(server: &Server, number: usize) -> Call {
    let mut channel = String::new();
    let mut bots = Vec::with_capacity(SEATS);
    for seat in 0..SEATS {
        let codec = [Codec::Protobuf, Codec::Json][seat % 2];
        let name = format!("Caller {number}-{seat}");
        let login_key = format!("login key {number}-{seat} of a caller");
        let user = server.sign_in(&name, &login_key).await;
        let builder = builder(server.address_for(&user), codec);
        let builder = if (number + seat / 2) % 2 == 1 {
            signing_in(builder, server, &user, &login_key)
        } else {
            builder.token(&user.token)
        };
        let mut bot = Bot::over(&user, builder).await;
        if seat == 0 {
            channel = server.channel(&user, &format!("call {number}"), None).await;
        }
        bot.join(&channel).await;
        if seat == 0 {
            let muting = soon("muting", bot.client.set_state(true, false));
            muting.await.expect("told");
        }
        bots.push(bot);
    }
    Call { channel, bots }
}

/// The client of an application that keeps no token: it signs in whenever the client connects.
fn signing_in(
    builder: ClientBuilder,
    server: &Server,
    user: &User,
    login_key: &str,
) -> ClientBuilder {
    let url = server.url("/api/dev/login");
    let body = json!({ "displayName": user.name, "pubkey": user.pubkey, "loginKey": login_key });
    builder.token_with(move |_| token(url.clone(), body.clone()))
}

async fn token(url: String, body: Value) -> Result<String, TokenError> {
    let http = reqwest::Client::builder().no_proxy().build();
    let request = http.expect("a client without TLS needs nothing").post(url);
    let answer = async {
        let answer = request.json(&body).send().await?;
        answer.error_for_status()?.json::<Value>().await
    };
    let answer = answer.await.map_err(TokenError::unavailable)?;
    let token = answer["token"].as_str().expect("a sign-in has a token");
    Ok(token.to_owned())
}

/// Reads until the bot is in its channel again, and returns when that was.
async fn back_in(bot: &mut Bot, channel: &str) -> Instant {
    let cause = loop {
        if let Event::Disconnected(cause) = bot.next().await {
            break cause;
        }
    };
    assert_eq!(cause, Disconnect::Lost);
    loop {
        match bot.next().await {
            Event::Reconnecting { attempt, after, .. } => {
                assert!(after <= LONGEST_PAUSE, "{after:?} before attempt {attempt}");
            }
            Event::Reconnected => {}
            Event::Entered { snapshot, rejoined } => {
                assert!(rejoined && snapshot.channel_id == channel);
                return Instant::now();
            }
            event => panic!("{event:?}"),
        }
    }
}

/// Waits until the roster of each bot is the server's list without the bot itself. Each bot has
/// told its state again.
async fn all_agree(server: &Server, Call { channel, bots }: &mut Call) {
    eventually("rosters that equal the server's", async || {
        for bot in bots.iter_mut() {
            while let Some(Some(event)) = bot.events.next().now_or_never() {
                bot.roster.apply(&event);
            }
        }
        let seated = server.participants(&bots[0].user, channel).await;
        let muted: Vec<&String> = (seated.iter().filter(|one| one.muted))
            .map(|one| &one.user_id)
            .collect();
        let agrees = |bot: &Bot| {
            let others = seated.iter().filter(|one| one.user_id != bot.user.id);
            bot.roster.participants() == others.cloned().collect::<Vec<Participant>>()
        };
        let all = seated.len() == SEATS && muted == [&bots[0].user.id];
        (all && bots.iter().all(agrees)).then_some(())
    })
    .await;
}
