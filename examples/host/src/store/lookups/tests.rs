use futures::{FutureExt as _, future::join_all};
use tokio::task::JoinSet;

use crate::Store;

use super::*;

async fn fresh() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("united.db")).await.unwrap();
    (dir, store)
}

fn user(id: impl AsRef<str>) -> UserId {
    UserId::new(id).unwrap()
}

fn general() -> ChannelId {
    ChannelId::new("general").unwrap()
}

async fn execute(store: &Store, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&store.pool).await.unwrap();
}

/// Five times as many questions as fit into a query. Half of the users exist. Half of the questions
/// name a channel.
#[tokio::test]
async fn everybody_gets_the_answer_to_their_own_question() {
    let (_dir, store) = fresh().await;
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

#[tokio::test]
async fn ids_are_compared_as_they_are() {
    let (_dir, store) = fresh().await;
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

/// A question without a channel is answered without one, whatever ids the channels have.
#[tokio::test]
async fn no_channel_is_none() {
    let (_dir, store) = fresh().await;
    execute(
        &store,
        "INSERT INTO channels (id, name, kind) VALUES ('', '', 'voice'), ('null', 'null', 'voice')",
    )
    .await;
    let answer = store.lookups.ask(&user("u"), None).await.unwrap();
    assert!(!answer.has_user);
    assert_eq!(answer.admittance, None);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_fails_only_its_own_question() {
    let (_dir, store) = fresh().await;
    execute(
        &store,
        "INSERT INTO users (id, display_name) VALUES ('odd', x'ff'), ('even', 'Even')",
    )
    .await;
    let (odd, even) = (user("odd"), user("even"));
    let (odd, even) = tokio::join!(store.has_user(&odd), store.has_user(&even));
    odd.unwrap_err();
    assert!(even.unwrap());
}

#[tokio::test]
async fn a_failing_database_fails_all_questions_until_it_is_back() {
    let (_dir, store) = fresh().await;
    execute(&store, "ALTER TABLE bans RENAME TO away").await;
    let users = ["a", "b", "c"].map(user);
    let answers = join_all(users.iter().map(|user| store.has_user(user))).await;
    for answer in answers {
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("bans"), "{error}");
    }
    execute(&store, "ALTER TABLE away RENAME TO bans").await;
    assert!(!store.has_user(&users[0]).await.unwrap());

    store.close().await;
    store.has_user(&users[0]).await.unwrap_err();
}

#[tokio::test]
async fn a_question_that_is_dropped_disturbs_no_other() {
    let (_dir, store) = fresh().await;
    let users = ["a", "b"].map(user);
    store.put_user(&users[1], None).await.unwrap();
    // Polled once, so the question is sent, and then dropped.
    assert_eq!(store.has_user(&users[0]).now_or_never().map(drop), None);
    assert!(store.has_user(&users[1]).await.unwrap());
}
