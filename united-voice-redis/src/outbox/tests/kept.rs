//! Messages that are kept until they are acknowledged.

use super::*;

/// Sends as much as may be without an acknowledgement.
fn fill_up(outbox: &mut Box) {
    for _ in 0..16 {
        outbox
            .forward(OTHER, 1, vec![0; 1 << 20], "x")
            .expect("room");
    }
    while outbox.has_work() {
        sent(outbox);
        succeed(outbox);
    }
    assert_eq!(outbox.forward(OTHER, 1, vec![], "y"), Err(Saturated("y")));
}

/// Its node may have registered anew, and each message may have arrived if it was sent before. So their
/// senders learn no more than that.
#[test]
fn a_message_to_an_inbox_that_is_gone_or_full_comes_back() {
    let mut outbox = Box::new();
    say(&mut outbox, OTHER, 1, "a");
    say(&mut outbox, Nid::new(3, 1), 1, "b");
    sent(&mut outbox);
    let (bounced, progress) = outbox.answered(vec![Value::Nil, error("OOM full")]);
    assert!(matches!(progress, Progress::Done), "{progress:?}");
    assert_eq!(bounced, ["a", "b"]);
    assert_eq!(outbox.letters.take_all(), [""; 0]);
}

#[test]
fn messages_that_nobody_acknowledges_are_limited_and_come_back() {
    let mut outbox = Box::new();
    fill_up(&mut outbox);
    for _ in 0..5 {
        assert!(outbox.tick().is_empty());
    }
    assert_eq!(outbox.tick().len(), 16);
    outbox.forward(OTHER, 1, vec![], "y").expect("room again");
}

#[test]
fn room_comes_back_with_acknowledgements_and_at_cut_off() {
    let mut outbox = Box::new();
    let fill = |outbox: &mut Box| {
        while outbox.forward(OTHER, 1, vec![0; 1 << 20], "x").is_ok() {
            sent(outbox);
            succeed(outbox);
        }
        outbox.letters.len()
    };
    assert_eq!(fill(&mut outbox), 16);
    outbox.received(Pack {
        from: OTHER,
        handled: 16,
        messages: vec![],
    });
    assert!(outbox.is_empty());
    assert_eq!(fill(&mut outbox), 16);
    outbox.cut_off();
    assert_eq!(fill(&mut outbox), 16);
}

#[test]
fn what_was_not_acknowledged_is_sent_again_before_anything_new() {
    let mut outbox = Box::new();
    for text in ["a", "b", "c"] {
        say(&mut outbox, OTHER, 1, text);
    }
    sent(&mut outbox);
    succeed(&mut outbox);
    let answer = Pack {
        from: OTHER,
        handled: 1,
        messages: vec![],
    };
    assert!(outbox.received(answer).is_empty());
    say(&mut outbox, OTHER, 1, "d");
    // It has registered anew.
    outbox.route(Nid::new(2, 2));
    outbox.route(OTHER);
    assert_eq!(
        sent(&mut outbox),
        ["00000002.00000002 2:b,3:c", "00000002.00000002 4:d"]
    );
    succeed(&mut outbox);
    assert!(!outbox.has_work());
    outbox.resend();
    assert_eq!(sent(&mut outbox), ["00000002.00000002 2:b,3:c,4:d"]);
}

#[test]
fn a_message_that_comes_twice_is_dropped_and_each_is_acknowledged() {
    let mut outbox = Box::new();
    let pack = |from, numbers: &[u64]| Pack {
        from,
        handled: 0,
        messages: numbers
            .iter()
            .map(|number| (*number, vec![*number as u8]))
            .collect(),
    };
    assert_eq!(outbox.received(pack(OTHER, &[3, 7])), [[3], [7]]);
    // After a new registration the numbers go on.
    assert_eq!(outbox.received(pack(Nid::new(2, 2), &[3, 7, 8])), [[8]]);
    outbox.handled(OTHER, vec![]);
    assert!(!outbox.has_work());
    outbox.tick();
    outbox.tick();
    assert!(outbox.has_work());
    outbox.pipeline(&scripts(), &me());
    let (to, bytes) = outbox.letters.pack(2, 0..=0, ME);
    let acknowledgement = Pack::decode(&bytes).expect("valid");
    assert_eq!((to, acknowledgement.handled), (Nid::new(2, 2), 8));
    assert!(acknowledgement.messages.is_empty());
    succeed(&mut outbox);
    assert!(!outbox.has_work(), "it is said once");
    // A pack that goes out anyway says it too.
    outbox.received(pack(Nid::new(2, 2), &[9]));
    outbox.handled(Nid::new(2, 2), vec![]);
    say(&mut outbox, Nid::new(2, 2), 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    outbox.tick();
    outbox.tick();
    assert!(!outbox.has_work());
}

/// Its node says that it has handled the message that it refuses, so without the refusal the sender
/// would hear nothing.
#[test]
fn a_refusal_is_not_lost_if_its_node_is_cut_off() {
    let mut outbox = Box::new();
    refuse(&mut outbox, "sent");
    say(&mut outbox, OTHER, 1, "a");
    let packs = ["00000002.00000001 1:sent", "00000002.00000001 2:a"];
    assert_eq!(sent(&mut outbox), packs);
    succeed(&mut outbox);
    say(&mut outbox, OTHER, 1, "b");
    refuse(&mut outbox, "waits");
    assert_eq!(outbox.cut_off().1, ["a", "b"]);
    assert_eq!(sent(&mut outbox), ["00000002.00000001 1:sent,3:waits"]);
    succeed(&mut outbox);
    assert!(!outbox.has_work());
    outbox.received(Pack {
        from: OTHER,
        handled: 3,
        messages: vec![],
    });
    assert!(outbox.is_empty());
}

#[test]
fn a_message_is_acknowledged_with_its_refusal_and_not_before() {
    let mut outbox = Box::new();
    let relay = Pack {
        from: OTHER,
        handled: 0,
        messages: vec![(7, b"offer".to_vec())],
    };
    assert_eq!(outbox.received(relay).len(), 1);
    say(&mut outbox, OTHER, 1, "a");
    assert_eq!(sent(&mut outbox), ["00000002.00000001 1:a"]);
    let handled = |outbox: &Box| {
        let (_, bytes) = outbox.letters.pack(2, 0..=u64::MAX, ME);
        Pack::decode(&bytes).expect("valid").handled
    };
    assert_eq!(handled(&outbox), 0);
    refuse(&mut outbox, "no");
    // The batch with `a` is in doubt.
    outbox.answered(vec![]);
    assert_eq!(sent(&mut outbox), ["00000002.00000001 1:a,2:no"]);
    assert_eq!(handled(&outbox), 7);
    succeed(&mut outbox);
    assert!(!outbox.has_work());
}

#[test]
fn a_refusal_is_taken_if_messages_are_not() {
    let mut outbox = Box::new();
    fill_up(&mut outbox);
    refuse(&mut outbox, "no");
    assert_eq!(sent(&mut outbox), ["00000002.00000001 17:no"]);
    succeed(&mut outbox);
    // Refusals have a limit, too.
    assert_eq!(outbox.handled(OTHER, vec![vec![0; 1 << 20]; 18]), 2);
}

/// Its sender's node has registered anew, and this one does not know yet.
#[test]
fn a_refusal_to_an_inbox_that_is_gone_goes_to_the_new_one() {
    let mut outbox = Box::new();
    refuse(&mut outbox, "no");
    say(&mut outbox, OTHER, 1, "a");
    sent(&mut outbox);
    let (bounced, progress) = outbox.answered(vec![Value::Nil, Value::Nil]);
    assert!(matches!(progress, Progress::Done), "{progress:?}");
    assert_eq!(bounced, ["a"]);
    assert!(!outbox.has_work(), "it would be in vain");
    outbox.route(Nid::new(2, 2));
    assert_eq!(sent(&mut outbox), ["00000002.00000002 1:no"]);
}

#[test]
fn a_refusal_that_a_full_engine_did_not_take_is_sent_again_and_nothing_else() {
    let mut outbox = Box::new();
    let full = |outbox: &mut Box| {
        let (bounced, progress) = outbox.answered(vec![error("OOM full")]);
        assert!(matches!(progress, Progress::Done), "{progress:?}");
        assert!(bounced.is_empty());
    };
    say(&mut outbox, OTHER, 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    refuse(&mut outbox, "no");
    sent(&mut outbox);
    full(&mut outbox);
    assert!(!outbox.has_work(), "it waits for the next tick");
    // The other node drops what comes after a higher number.
    say(&mut outbox, OTHER, 1, "b");
    assert_eq!(sent(&mut outbox), ["00000002.00000001 3:b"]);
    succeed(&mut outbox);
    for number in [4, 5] {
        outbox.tick();
        assert_eq!(
            sent(&mut outbox),
            [format!("00000002.00000001 {number}:no")]
        );
        full(&mut outbox);
    }
    assert_eq!(outbox.len(), 3);
    outbox.tick();
    outbox.pipeline(&scripts(), &me());
    succeed(&mut outbox);
    for _ in 0..2 {
        assert!(outbox.tick().is_empty());
    }
    assert_eq!(outbox.tick(), ["a", "b"]);
    assert_eq!(outbox.len(), 1, "it is younger");
    outbox.tick();
    outbox.tick();
    assert!(outbox.is_empty());
    assert_eq!(outbox.letters.bytes(), 0);
}

#[test]
fn a_refusal_that_is_never_taken_is_forgotten() {
    let mut outbox = Box::new();
    refuse(&mut outbox, "no");
    for _ in 0..8 {
        sent(&mut outbox);
        outbox.answered(vec![error("OOM full")]);
        assert!(outbox.tick().is_empty());
    }
    assert!(outbox.is_empty() && !outbox.has_work());
    assert_eq!(outbox.letters.bytes(), 0);
}

/// What was sent before the batch in doubt has arrived, and a copy might come back from a full engine.
#[test]
fn a_refusal_sends_nothing_again_but_the_batch_in_doubt() {
    let mut outbox = Box::new();
    say(&mut outbox, OTHER, 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    say(&mut outbox, OTHER, 1, "b");
    outbox.propose(leave(2), "two").expect("room");
    sent(&mut outbox);
    refuse(&mut outbox, "no");
    outbox.answered(vec![]);
    assert_eq!(sent(&mut outbox), ["00000002.00000001 2:b,3:no", "1 Leave"]);
}

#[test]
fn a_copy_is_acknowledged_again() {
    let mut outbox = Box::new();
    let copy = || Pack {
        from: OTHER,
        handled: 0,
        messages: vec![(7, b"offer".to_vec())],
    };
    for expected in [1, 0] {
        assert_eq!(outbox.received(copy()).len(), expected);
        outbox.handled(OTHER, vec![]);
        for answer in [error("OOM full"), word("OK")] {
            assert!(!outbox.has_work());
            outbox.tick();
            outbox.tick();
            assert!(outbox.has_work());
            sent(&mut outbox);
            outbox.answered(vec![answer]);
        }
        outbox.tick();
        outbox.tick();
        assert!(!outbox.has_work());
    }
}

/// A sender waits for five to six seconds. A refusal that comes later is of no use.
#[test]
fn a_refusal_is_kept_for_longer_than_its_message() {
    let mut outbox = Box::new();
    refuse(&mut outbox, "no");
    say(&mut outbox, OTHER, 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    for _ in 0..5 {
        assert!(outbox.tick().is_empty());
    }
    assert_eq!(outbox.tick(), ["a"]);
    outbox.tick();
    outbox.route(Nid::new(2, 2));
    assert_eq!(sent(&mut outbox), ["00000002.00000002 1:no"]);
    succeed(&mut outbox);
    assert!(outbox.tick().is_empty());
    assert!(outbox.is_empty());
}

#[test]
fn a_silent_node_is_forgotten() {
    let mut outbox = Box::new();
    outbox.route(OTHER);
    for _ in 0..700 {
        outbox.tick();
    }
    assert_eq!(
        format!("{:?}", outbox.letters),
        format!("{:?}", Letters::<&str>::default())
    );
}

#[test]
fn what_is_sent_again_goes_before_what_is_in_doubt() {
    let mut outbox = Box::new();
    say(&mut outbox, OTHER, 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    say(&mut outbox, OTHER, 1, "b");
    outbox.propose(leave(2), "two").expect("room");
    assert_eq!(sent(&mut outbox), ["00000002.00000001 2:b", "1 Leave"]);
    outbox.answered(vec![]);
    // The other node has a new inbox. It would drop `a` as old if it came after `b`.
    outbox.route(Nid::new(2, 2));
    assert_eq!(sent(&mut outbox), ["00000002.00000002 1:a,2:b", "1 Leave"]);
    succeed(&mut outbox);
    assert!(!outbox.has_work());
}
