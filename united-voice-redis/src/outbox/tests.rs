mod kept;
mod speaking;

use super::*;
use crate::{Flags, Keys};

type Box = Outbox<&'static str, &'static str>;

const ME: Nid = Nid::new(1, 1);
const OTHER: Nid = Nid::new(2, 1);

fn scripts() -> Scripts {
    Scripts::new(Keys::new("test").expect("plain"))
}

fn me() -> Registration {
    Registration {
        boot: b"boot".into(),
        nid: ME,
    }
}

fn join(session: u64) -> Operation {
    Operation::Join {
        session,
        user: "ann".into(),
        channel: "hall".into(),
        limit: None,
        epoch: 1,
        profile: vec![],
    }
}

fn leave(session: u64) -> Operation {
    Operation::Leave {
        session,
        user: "ann".into(),
        reason: 1,
    }
}

fn state(session: u64, muted: bool) -> Operation {
    Operation::State {
        session,
        user: "ann".into(),
        flags: Flags::own(muted, false),
    }
}

fn word(word: &str) -> Value {
    Value::BulkString(word.into())
}

fn error(code: &str) -> Value {
    redis::parse_redis_value(format!("-{code}\r\n").as_bytes()).expect("an error")
}

/// The batch as text: operations by number, packs by node and messages.
fn sent(outbox: &mut Box) -> Vec<String> {
    outbox.pipeline(&scripts(), &me());
    let of = |sent: &Sent| match sent {
        Sent::Operation { number, operation } => {
            let name = format!("{operation:?}");
            let name = name
                .split([' ', '{'])
                .next()
                .unwrap_or_default()
                .to_string();
            format!("{number} {name}")
        }
        Sent::Pack { node, first, last } => {
            let (to, pack) = outbox.letters.pack(*node, *first..=*last, ME);
            let pack = Pack::decode(&pack).expect("valid");
            let messages: Vec<_> = pack
                .messages
                .iter()
                .map(|(number, message)| format!("{number}:{}", String::from_utf8_lossy(message)))
                .collect();
            format!("{to} {}", messages.join(","))
        }
    };
    outbox.batch.iter().map(of).collect()
}

/// All commands of the batch succeed.
fn succeed(outbox: &mut Box) {
    let answers = outbox.batch.iter().map(|_| word("OK")).collect();
    let (bounced, progress) = outbox.answered(answers);
    assert!(bounced.is_empty() && matches!(progress, Progress::Done));
}

fn say(outbox: &mut Box, to: Nid, sender: u64, text: &'static str) {
    outbox
        .forward(to, sender, text.into(), text)
        .expect("there is room");
}

fn refuse(outbox: &mut Box, text: &'static str) {
    assert_eq!(outbox.handled(OTHER, vec![text.into()]), 0);
}

#[test]
fn messages_are_packed_but_never_ahead_of_their_senders_operations() {
    let mut outbox = Box::new();
    say(&mut outbox, OTHER, 1, "a");
    outbox.propose(leave(2), "two").expect("room");
    say(&mut outbox, OTHER, 1, "b");
    say(&mut outbox, OTHER, 2, "c");
    say(&mut outbox, Nid::new(3, 1), 1, "d");
    say(&mut outbox, OTHER, 1, "e");
    assert_eq!(
        sent(&mut outbox),
        [
            "00000002.00000001 1:a,2:b",
            "1 Leave",
            "00000002.00000001 3:c,5:e",
            "00000003.00000001 4:d",
        ]
    );
    succeed(&mut outbox);
    assert!(!outbox.has_work());
}

#[test]
fn a_pack_has_a_limit() {
    let mut outbox = Box::new();
    for _ in 0..5 {
        outbox
            .forward(OTHER, 1, vec![b'x'; 100 << 10], "big")
            .expect("room");
    }
    outbox.pipeline(&scripts(), &me());
    assert_eq!(outbox.batch.len(), 3);
    succeed(&mut outbox);
    // The same holds if they are sent again.
    outbox.resend();
    outbox.pipeline(&scripts(), &me());
    assert_eq!(outbox.batch.len(), 3);
}

#[test]
fn a_batch_that_was_cut_is_sent_again_as_it_was() {
    let mut outbox = Box::new();
    outbox.propose(join(1), "one").expect("room");
    say(&mut outbox, OTHER, 9, "a");
    let first = sent(&mut outbox);
    outbox.propose(leave(1), "two").expect("room");
    let (_, progress) = outbox.answered(vec![word("OK")]);
    assert!(matches!(progress, Progress::Cut(ScriptError::Unexpected)));
    assert_eq!(sent(&mut outbox), first[1..]);
    succeed(&mut outbox);
    assert_eq!(sent(&mut outbox), ["2 Leave"]);
    let (_, progress) = outbox.answered(vec![word("DUP")]);
    assert!(matches!(progress, Progress::Done));
    assert_eq!(outbox.outcome(1), ["one"]);
    assert_eq!(outbox.outcome(2), ["two"]);
    assert!(outbox.outcome(2).is_empty());
}

#[test]
fn a_batch_has_at_most_64_operations() {
    let mut outbox = Box::new();
    for session in 0..100 {
        outbox.propose(leave(session), "x").expect("room");
    }
    assert_eq!(sent(&mut outbox).len(), BATCH_OPERATIONS);
    succeed(&mut outbox);
    assert_eq!(sent(&mut outbox).len(), 36);
}

#[test]
fn an_engine_that_answers_too_late_is_asked_no_more() {
    let mut outbox = Box::new();
    for session in 0..5000 {
        outbox.propose(leave(session), "x").expect("room");
    }
    while outbox.has_work() {
        sent(&mut outbox);
        succeed(&mut outbox);
    }
    assert_eq!(outbox.asked.len(), OUTSTANDING);
    outbox.outcome(1);
    assert!(outbox.has_work());
}

#[test]
fn a_join_without_memory_uses_up_its_number() {
    let mut outbox = Box::new();
    outbox.propose(leave(1), "one").expect("room");
    outbox.propose(join(2), "two").expect("room");
    outbox.propose(leave(3), "three").expect("room");
    sent(&mut outbox);
    let (_, progress) = outbox.answered(vec![word("OK"), error("OOM full"), word("GAP")]);
    assert!(matches!(progress, Progress::Again), "{progress:?}");
    assert_eq!(sent(&mut outbox), ["2 Skip", "3 Leave"]);
    succeed(&mut outbox);
    assert_eq!(outbox.outcome(2), ["two"]);
}

#[test]
fn each_answer_says_how_to_go_on() {
    let after = |answer: Value| {
        let mut outbox = Box::new();
        outbox.propose(leave(1), "one").expect("room");
        sent(&mut outbox);
        let (_, progress) = outbox.answered(vec![answer]);
        (progress, outbox.has_work())
    };
    assert!(matches!(after(word("OK")), (Progress::Done, false)));
    assert!(matches!(after(word("GAP")), (Progress::Gap, true)));
    assert!(matches!(
        after(error("NOSCRIPT none")),
        (Progress::Load, true)
    ));
    let (progress, _) = after(word("FENCED"));
    assert!(matches!(progress, Progress::Ended(ScriptError::Fenced)));
    let (progress, _) = after(word("REBOOT"));
    assert!(matches!(progress, Progress::Ended(ScriptError::Reboot)));
    let (progress, _) = after(error("ERR script failed"));
    assert!(matches!(progress, Progress::Ended(ScriptError::Failed(_))));
    for code in ["READONLY no", "LOADING wait", "MASTERDOWN no", "NOAUTH no"] {
        let (progress, again) = after(error(code));
        assert!(matches!(progress, Progress::Cut(ScriptError::Engine(_))) && again);
    }
}

#[test]
fn the_states_of_a_session_are_merged_and_all_are_answered() {
    let mut outbox = Box::new();
    for _ in 0..16 {
        outbox.propose(state(1, true), "x").expect("room");
    }
    outbox.propose(leave(2), "other").expect("room");
    outbox.propose(state(1, false), "last").expect("room");
    assert_eq!(sent(&mut outbox).len(), 17);
    let Sent::Operation { operation, .. } = &outbox.batch[15] else {
        panic!("an operation");
    };
    assert_eq!(*operation, state(1, false));
    succeed(&mut outbox);
    assert_eq!(outbox.outcome(16), ["x", "last"]);
    // None of them waits any more.
    outbox.propose(state(1, true), "next").expect("room");
    assert_eq!(sent(&mut outbox), ["18 State"]);
}

#[test]
fn merged_states_that_were_told_do_not_pile_up() {
    let mut outbox = Box::forgetting(|asked| *asked == "told");
    for _ in 0..16 {
        outbox.propose(state(1, true), "waits").expect("room");
    }
    for _ in 0..100 {
        outbox.propose(state(1, true), "told").expect("room");
    }
    outbox.propose(state(1, false), "waits").expect("room");
    outbox.propose(state(1, true), "told").expect("room");
    sent(&mut outbox);
    succeed(&mut outbox);
    assert_eq!(outbox.outcome(16), ["waits", "waits", "told"]);
}

#[test]
fn if_too_much_waits_joins_and_messages_are_refused_and_leaves_are_not() {
    let mut outbox = Box::new();
    let mut taken = 0;
    while outbox.propose(join(taken), "x").is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 64 << 10);
    assert_eq!(outbox.propose(join(1), "x"), Err(Saturated("x")));
    assert_eq!(outbox.forward(OTHER, 1, vec![], "x"), Err(Saturated("x")));
    assert_eq!(outbox.propose(leave(1), "x"), Ok(()));
    assert_eq!(outbox.propose(state(1, true), "x"), Ok(()));

    let withdrawn = outbox.withdraw(|operation, _| matches!(operation, Operation::Join { .. }));
    assert_eq!(withdrawn.len(), 64 << 10);
    // The bytes are counted too.
    let mut bytes = 0;
    while outbox.forward(OTHER, 1, vec![0; 1 << 20], "x").is_ok() {
        bytes += 1;
    }
    assert_eq!(bytes, 64);
}

/// The end of a node waits for its leaves. It must not wait until others say that they have read.
#[test]
fn outcomes_are_awaited_and_acknowledgements_are_not() {
    let mut outbox = Box::new();
    assert!(!outbox.awaits_outcomes());
    outbox.forward(OTHER, 1, vec![], "x").expect("room");
    assert!(outbox.awaits_outcomes(), "it was not sent");
    sent(&mut outbox);
    succeed(&mut outbox);
    assert!(!outbox.is_empty() && !outbox.awaits_outcomes());
    outbox.propose(leave(1), "y").expect("taken");
    sent(&mut outbox);
    succeed(&mut outbox);
    assert!(outbox.awaits_outcomes(), "it has no outcome");
    outbox.outcome(1);
    assert!(!outbox.awaits_outcomes());
}

#[test]
fn at_cut_off_joins_that_wait_and_all_messages_come_back() {
    let mut outbox = Box::new();
    outbox.propose(join(1), "in doubt").expect("room");
    say(&mut outbox, OTHER, 9, "sent");
    sent(&mut outbox);
    outbox.propose(join(2), "waits").expect("room");
    outbox.propose(leave(3), "leave").expect("room");
    say(&mut outbox, OTHER, 9, "waits too");
    let (joins, messages) = outbox.cut_off();
    assert_eq!(
        (joins, messages),
        (vec!["waits"], vec!["sent", "waits too"])
    );
    assert_eq!(sent(&mut outbox), ["1 Join"]);
    succeed(&mut outbox);
    assert_eq!(sent(&mut outbox), ["2 Leave"]);
}

#[test]
fn a_new_registration_begins_with_one_and_gives_up_what_is_in_doubt() {
    let mut outbox = Box::new();
    outbox.propose(join(1), "done").expect("room");
    sent(&mut outbox);
    succeed(&mut outbox);
    outbox.propose(leave(2), "in doubt").expect("room");
    say(&mut outbox, OTHER, 9, "a");
    sent(&mut outbox);
    outbox.propose(leave(3), "waits").expect("room");
    assert_eq!(outbox.restart(), ["done", "in doubt"]);
    // What is put back goes before what waits.
    outbox.propose_first(vec![(join(4), "first"), (join(5), "second")]);
    let again = "00000002.00000001 1:a";
    assert_eq!(sent(&mut outbox), [again, "1 Join", "2 Join", "3 Leave"]);
    succeed(&mut outbox);
    let asked = [1, 2, 3].map(|number| outbox.outcome(number));
    assert_eq!(asked, [["first"], ["second"], ["waits"]]);
}

#[test]
fn an_operation_has_run_when_the_engine_says_so() {
    let mut outbox = Box::new();
    assert_eq!(outbox.ran(), 0);
    outbox.propose(join(1), "a").expect("room");
    outbox.propose(state(1, true), "b").expect("room");
    assert_eq!(outbox.ran(), 0);
    outbox.pipeline(&scripts(), &me());
    assert_eq!(outbox.ran(), 0, "both are in doubt");
    outbox.answered(vec![word("OK")]);
    assert_eq!(outbox.ran(), 1);
    outbox.pipeline(&scripts(), &me());
    outbox.answered(vec![word("DUP")]);
    assert_eq!(outbox.ran(), 2);
    outbox.restart();
    assert_eq!(outbox.ran(), 0, "the numbers begin anew");
}
