use futures::{FutureExt as _, future::join_all};
use tokio::task::JoinSet;

use super::*;
use crate::store::tests::{Fixture, on_both};

on_both! {
    everybody_gets_the_answer_to_their_own_question,
    ids_are_compared_as_they_are,
    no_channel_is_none,
    an_id_with_the_character_zero_is_unknown,
    a_failing_database_fails_all_questions_until_it_is_back,
    a_question_that_is_dropped_disturbs_no_other,
}

fn user(id: impl AsRef<str>) -> UserId {
    UserId::new(id).unwrap()
}

fn general() -> ChannelId {
    ChannelId::new("general").unwrap()
}

/// Five times as many questions as fit into a query. Half of the users exist. Half of the questions
/// name a channel.
async fn everybody_gets_the_answer_to_their_own_question(Fixture { store, .. }: Fixture) {
    for id in 0..160 {
        let name = format!("User {id}");
        let put = store.put_user(&user(format!("u-{id}")), Some(&name)).await;
        put.unwrap();
    }
    let mut asking = JoinSet::new();
    for id in 0..320 {
        let (store, user) = (store.clone(), user(format!("u-{id}")));
        asking.spawn(async move {
            if id % 2 == 0 {
                assert_eq!(store.has_user(&user).await.unwrap(), id < 160, "{user}");
            } else {
                let seen = store.admittance(&user, &general()).await.unwrap().unwrap();
                let expected = (id < 160).then(|| (format!("User {id}"), String::new()));
                assert_eq!(seen.user, expected, "{user}");
            }
        });
    }
    asking.join_all().await;
}

async fn ids_are_compared_as_they_are(Fixture { store, .. }: Fixture) {
    let odd = [
        "\"", "'", "\\", "[", "7", "7.0", "07", "null", "true", "%", "é", "e\u{301}", "🎤", "A",
        "a",
    ];
    for (number, id) in odd.iter().enumerate() {
        let without = store.has_user(&user(id)).await.unwrap();
        assert!(!without, "{id} is none of the {number} before");
        store.put_user(&user(id), None).await.unwrap();
    }
    let answers = join_all(odd.map(async |id| {
        let seen = store.admittance(&user(id), &general()).await.unwrap();
        seen.unwrap().user.unwrap().0
    }));
    assert_eq!(answers.await, odd);
}

/// No text of PostgreSQL has it.
async fn an_id_with_the_character_zero_is_unknown(Fixture { store, .. }: Fixture) {
    store.put_user(&user("a"), None).await.unwrap();
    let (odd, even) = (user("a\0"), user("a"));
    let channel = ChannelId::new("general\0").unwrap();
    let (odd, even, no_channel) = tokio::join!(
        store.has_user(&odd),
        store.has_user(&even),
        store.admittance(&even, &channel),
    );
    assert!(!odd.unwrap());
    assert!(even.unwrap(), "a question that went with the others");
    assert_eq!(no_channel.unwrap(), None);
    let limited = store.set_max_participants("general\0", None).await;
    assert_eq!(limited.unwrap(), None);
}

/// A question without a channel is answered without one, whatever ids the channels have.
async fn no_channel_is_none(fixture: Fixture) {
    let store = &fixture.store;
    fixture.execute("INSERT INTO channels (id, name, kind) VALUES ('', '', 'voice'), ('null', 'null', 'voice')",
    )
    .await;
    let answer = store.lookups.ask(&user("u"), None).await.unwrap();
    assert!(!answer.has_user);
    assert_eq!(answer.admittance, None);
}

/// PostgreSQL refuses to store such a value.
#[tokio::test]
async fn a_value_that_cannot_be_read_fails_only_its_own_question() {
    let fixture = Fixture::sqlite().await;
    let store = &fixture.store;
    fixture
        .execute("INSERT INTO users (id, display_name) VALUES ('odd', x'ff'), ('even', 'Even')")
        .await;
    let (odd, even) = (user("odd"), user("even"));
    let (odd, even) = tokio::join!(store.has_user(&odd), store.has_user(&even));
    odd.unwrap_err();
    assert!(even.unwrap());
}

async fn a_failing_database_fails_all_questions_until_it_is_back(fixture: Fixture) {
    let store = &fixture.store;
    fixture.execute("ALTER TABLE bans RENAME TO away").await;
    let users = ["a", "b", "c"].map(user);
    let answers = join_all(users.iter().map(|user| store.has_user(user))).await;
    for answer in answers {
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("bans"), "{error}");
    }
    fixture.execute("ALTER TABLE away RENAME TO bans").await;
    assert!(!store.has_user(&users[0]).await.unwrap());

    store.close().await;
    store.has_user(&users[0]).await.unwrap_err();
}

async fn a_question_that_is_dropped_disturbs_no_other(Fixture { store, .. }: Fixture) {
    let users = ["a", "b"].map(user);
    store.put_user(&users[1], None).await.unwrap();
    // Polled once, so the question is sent, and then dropped.
    assert_eq!(store.has_user(&users[0]).now_or_never().map(drop), None);
    assert!(store.has_user(&users[1]).await.unwrap());
}
