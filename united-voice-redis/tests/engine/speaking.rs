//! More words about speaking than nodes pass on one by one.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use united_voice_core::test_util::ClusterDirectory;
use united_voice_redis_server::Engine;

use crate::{
    nodes::Nodes,
    town::{Client, PATIENCE, agree},
};

/// Four times what leaves right away in a second.
const WORDS: usize = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_very_many_words_the_last_arrives_and_before_what_is_said_next() {
    let nodes = Nodes::start(Engine::shared(), 2, ClusterDirectory::default()).await;
    let mut clients = Vec::new();
    for (node, name) in [(0, "ann"), (1, "ben"), (0, "cat")] {
        clients.push(Client::joined(&nodes, node, name).await);
    }
    agree(&nodes, &mut clients).await;
    let [ann, ben, cat] = &mut clients[..] else {
        unreachable!("three have joined");
    };
    ben.told.clear();
    for word in 1..=WORDS {
        ann.speak(word % 2 == 1).await;
    }
    ann.offer("ben").await;
    // Cat says nothing after this that would take the word along.
    cat.speak(true).await;
    let deadline = Instant::now() + PATIENCE;
    let last = ["offer of ann".to_owned(), "speaking cat true".to_owned()];
    while !last.iter().all(|it| ben.told.contains(it)) {
        let told = ben.told.len();
        assert!(Instant::now() < deadline, "told {told} things of {last:?}");
        sleep(Duration::from_millis(10)).await;
        ben.look();
    }
    let told: Vec<_> = ben.told.iter().filter(|it| it.contains("ann")).collect();
    let words = told.len() - 1;
    assert!(words < WORDS, "each of {words} words went by itself");
    assert_eq!(told[words..], ["offer of ann"]);
    assert_eq!(told[words - 1], "speaking ann false", "the last word");
}
