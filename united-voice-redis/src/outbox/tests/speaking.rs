//! Words about speaking: at once if there are few, in company if there are many.

use super::{
    super::speaking::{AT_ONCE, WAITING},
    *,
};

const THIRD: Nid = Nid::new(3, 1);

fn speak(outbox: &mut Box, to: Nid, sender: u64, text: &'static str) -> bool {
    let waits = outbox.speaking(to, sender, text.into(), text);
    waits.expect("there is room")
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
    assert!(!outbox.holds_speaking());
    for (sender, text) in [(1, "a"), (2, "b"), (3, "c")] {
        assert!(speak(&mut outbox, OTHER, sender, text));
        assert!(speak(&mut outbox, THIRD, sender, text));
    }
    assert!(outbox.holds_speaking() && !outbox.has_work());
    assert!(sent(&mut outbox).is_empty());
    outbox.let_all_out();
    assert!(!outbox.holds_speaking());
    let mut packs = sent(&mut outbox);
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
    outbox.let_all_out();
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
    assert!(outbox.holds_speaking(), "the third has said nothing else");
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
    assert!(!outbox.holds_speaking() && outbox.is_empty());
    assert!(speak(&mut outbox, OTHER, 0, "on"));
}
