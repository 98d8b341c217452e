//! Messages that are kept until they are acknowledged.

use super::*;

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
    for _ in 0..16 {
        outbox
            .forward(OTHER, 1, vec![0; 1 << 20], "x")
            .expect("room");
    }
    while outbox.has_work() {
        sent(&mut outbox);
        succeed(&mut outbox);
    }
    assert_eq!(outbox.forward(OTHER, 1, vec![], "y"), Err(Saturated("y")));
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
    say(&mut outbox, Nid::new(2, 2), 1, "a");
    sent(&mut outbox);
    succeed(&mut outbox);
    outbox.tick();
    outbox.tick();
    assert!(!outbox.has_work());
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
