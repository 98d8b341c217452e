//! Words about speaking: at once if there are few, in company if there are many.

use super::{
    super::{
        letters::KEPT_BYTES,
        queue::ITEMS,
        speaking::{AT_ONCE, WAIT, WAITING},
    },
    *,
};

const THIRD: Nid = Nid::new(3, 1);

/// Returns whether the word waits.
fn speak(outbox: &mut Box, to: Nid, sender: u64, text: &'static str) -> bool {
    let before = outbox.queue.len();
    let said = outbox.speaking(to, sender, text.into(), text);
    said.expect("there is room");
    outbox.queue.len() == before
}

/// The words that wait have done so for long enough.
fn pass_time(outbox: &mut Box) {
    let since = outbox.speaking.since.as_mut().expect("one waits");
    *since -= WAIT;
}

/// An outbox in which the next word waits for others.
fn busy() -> Box {
    let mut outbox = Box::new();
    for _ in 0..AT_ONCE {
        assert!(!speak(&mut outbox, OTHER, 1000, "on"));
    }
    let packs = sent(&mut outbox);
    assert_eq!(packs.len(), 1, "what goes to one node is packed");
    assert_eq!(packs[0].matches(":on").count(), AT_ONCE);
    succeed(&mut outbox);
    outbox
}

#[test]
fn beyond_500_a_second_words_wait_for_others() {
    let mut outbox = busy();
    assert_eq!(outbox.speaking_due(), None);
    for (sender, text) in [(1, "a"), (2, "b"), (3, "c")] {
        assert!(speak(&mut outbox, OTHER, sender, text));
        assert!(speak(&mut outbox, THIRD, sender, text));
    }
    assert!(outbox.speaking_due().is_some() && !outbox.has_work());
    assert!(sent(&mut outbox).is_empty());
    pass_time(&mut outbox);
    let mut packs = sent(&mut outbox);
    assert_eq!(outbox.speaking_due(), None);
    packs.sort_unstable();
    assert_eq!(packs.len(), 2, "one entry for each node: {packs:?}");
    for (pack, node) in packs.iter().zip([OTHER, THIRD]) {
        assert!(pack.starts_with(&node.to_string()), "{pack}");
        // Sessions have no order among each other.
        let mut words: Vec<_> = pack.split(':').skip(1).map(|it| &it[..1]).collect();
        words.sort_unstable();
        assert_eq!(words, ["a", "b", "c"], "{pack}");
    }
}

#[test]
fn only_the_last_word_of_a_session_stays() {
    let mut outbox = busy();
    for text in ["on", "off", "on", "last"] {
        assert!(speak(&mut outbox, OTHER, 1, text));
    }
    pass_time(&mut outbox);
    assert_eq!(sent(&mut outbox), ["00000002.00000001 501:last"]);
}

#[test]
fn a_word_that_waits_goes_before_what_its_session_says_next() {
    let mut outbox = busy();
    speak(&mut outbox, OTHER, 1, "one");
    speak(&mut outbox, OTHER, 2, "two");
    speak(&mut outbox, OTHER, 3, "three");
    say(&mut outbox, OTHER, 1, "offer");
    outbox.propose(leave(2), "leaves").expect("room");
    assert_eq!(
        sent(&mut outbox),
        ["00000002.00000001 501:one,502:offer,503:two", "1 Leave"]
    );
    assert!(
        outbox.speaking_due().is_some(),
        "the third has said nothing else"
    );
}

#[test]
fn the_next_second_lets_new_sessions_through_and_nobody_overtakes_itself() {
    let mut outbox = busy();
    speak(&mut outbox, OTHER, 1, "on");
    outbox.tick();
    assert!(
        speak(&mut outbox, OTHER, 1, "off"),
        "its earlier word waits"
    );
    assert!(speak(&mut outbox, THIRD, 1, "off"));
    assert!(!speak(&mut outbox, OTHER, 2, "on"));
    assert_eq!(sent(&mut outbox), ["00000002.00000001 501:on"]);
}

#[test]
fn words_that_wait_have_a_limit_and_are_dropped_at_cut_off() {
    let mut outbox = busy();
    for sender in 0..WAITING as u64 {
        assert!(speak(&mut outbox, OTHER, sender, "on"));
    }
    let beyond = outbox.speaking(OTHER, WAITING as u64, vec![], "beyond");
    assert_eq!(beyond, Err(Saturated("beyond")));
    let elsewhere = outbox.speaking(THIRD, 0, vec![], "elsewhere");
    assert_eq!(elsewhere, Err(Saturated("elsewhere")));
    assert!(speak(&mut outbox, OTHER, 0, "off"), "it takes a place over");
    // The 500 were sent and nobody has acknowledged them.
    let (_, messages) = outbox.cut_off();
    assert_eq!(messages.len(), AT_ONCE + WAITING);
    assert!(outbox.speaking_due().is_none() && outbox.is_empty());
    assert!(speak(&mut outbox, OTHER, 0, "on"));
}

/// The writer does not come to rest between two batches.
#[test]
fn words_that_are_due_go_into_the_next_batch_of_a_busy_node() {
    let mut outbox = busy();
    speak(&mut outbox, OTHER, 1, "on");
    say(&mut outbox, THIRD, 2, "a");
    assert_eq!(sent(&mut outbox), ["00000003.00000001 501:a"]);
    say(&mut outbox, THIRD, 2, "b");
    pass_time(&mut outbox);
    succeed(&mut outbox);
    let packs = ["00000003.00000001 502:b", "00000002.00000001 503:on"];
    assert_eq!(sent(&mut outbox), packs);
}

#[test]
fn in_a_full_queue_the_last_word_of_each_session_waits() {
    let mut outbox = Box::new();
    for _ in 0..ITEMS {
        say(&mut outbox, OTHER, 1000, "a");
    }
    assert!(speak(&mut outbox, OTHER, 1, "on"));
    assert!(speak(&mut outbox, OTHER, 1, "off"));
    let refused = outbox.forward(OTHER, 1, vec![], "offer");
    assert_eq!(refused, Err(Saturated("offer")));
    pass_time(&mut outbox);
    sent(&mut outbox);
    let due = outbox.speaking_due().expect("it still waits");
    assert!(due > Instant::now(), "nobody asks again at once");
    pass_time(&mut outbox);
    let mut all = Vec::new();
    while outbox.has_work() || outbox.speaking_due().is_some() {
        succeed(&mut outbox);
        all.extend(sent(&mut outbox));
    }
    assert_eq!(all.concat().matches(":off").count(), 1);
    assert!(!all.concat().contains(":on"));
}

#[test]
fn if_nobody_acknowledges_words_wait() {
    let mut outbox = Box::new();
    let large = vec![0; KEPT_BYTES];
    outbox.forward(OTHER, 1, large, "large").expect("room");
    sent(&mut outbox);
    succeed(&mut outbox);
    assert!(speak(&mut outbox, THIRD, 1, "on"));
    assert!(speak(&mut outbox, THIRD, 1, "off"));
    pass_time(&mut outbox);
    assert!(sent(&mut outbox).is_empty());
    outbox.cut_off();
    assert!(!speak(&mut outbox, THIRD, 1, "on"), "there is room again");
}
