//! More messages than the server takes at once, and refusals that pass.

use std::collections::VecDeque;

use super::*;

/// How long a message and its refusal take together.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// A server's token bucket, as the contract describes it.
struct Server {
    per_message: Duration,
    burst: u32,
    full_at: Instant,
    excess: Option<(Instant, Instant)>,
    refusals: VecDeque<(Instant, String)>,
    delivered: Vec<Payload>,
    refused: usize,
}

impl Server {
    fn new(messages_per_second: u32, burst: u32, now: Instant) -> Self {
        Self {
            per_message: Duration::from_secs(1) / messages_per_second,
            burst,
            full_at: now,
            excess: None,
            refusals: VecDeque::new(),
            delivered: Vec::new(),
            refused: 0,
        }
    }

    fn take(&mut self, id: String, payload: Payload, now: Instant) {
        let bytes = match &payload {
            Payload::VoiceSdpOffer(offer) => offer.sdp.len() + 100,
            _ => 1,
        };
        let parts = u32::try_from(bytes.div_ceil(16 << 10)).expect("a few");
        let full_at = self.full_at.max(now) + self.per_message * parts;
        if full_at - now <= self.per_message * self.burst {
            self.full_at = full_at;
            return self.delivered.push(payload);
        }
        let second = Duration::from_secs(1);
        let since = match self.excess {
            Some((since, last)) if now - last < second => since,
            _ => now,
        };
        assert!(now - since <= 10 * second, "closed with 1008");
        self.excess = Some((since, now));
        self.refusals.push_back((now + ROUND_TRIP, id));
        self.refused += 1;
    }
}

fn send(party: &mut Party, to: &str, content: Content) -> RelayId {
    let (reply, mut answer) = oneshot::channel();
    let to = Peer::user(to);
    let command = Command::Relay { to, content, reply };
    party.call.command(command, party.now);
    answered(&mut answer).expect("the client is in a channel")
}

fn candidate(party: &mut Party, to: &str, text: &str) -> RelayId {
    send(party, to, Content::Candidate(text.into()))
}

/// Sends all of these to the server as fast as the client does it.
fn deliver(party: &mut Party, server: &mut Server, messages: Vec<(String, Content)>) {
    let mut messages = VecDeque::from(messages);
    let start = party.now;
    loop {
        while party.call.has_room()
            && let Some((to, content)) = messages.pop_front()
        {
            send(party, &to, content);
        }
        while let Some(envelope) = party.call.pop_outgoing(party.now) {
            let payload = envelope.payload.expect("a client sends payloads");
            server.take(envelope.request_id, payload, party.now);
        }
        while let Some((at, id)) = server.refusals.front().cloned()
            && at <= party.now
        {
            server.refusals.pop_front();
            party.hear(&id, error(ErrorCode::RateLimited, "a"));
        }
        let refusal = server.refusals.front().map(|(at, _)| *at);
        let Some(next) = party.call.send_at().into_iter().chain(refusal).min() else {
            break;
        };
        party.now = party.now.max(next);
        assert!(party.now - start < Duration::from_secs(300), "it ends");
    }
}

/// The descriptions and candidates for these many peers: an offer, then 60 candidates.
fn calls(peers: usize) -> Vec<(String, Content)> {
    let mut messages = Vec::new();
    for peer in 0..peers {
        messages.push((peer.to_string(), Content::Offer(format!("offer {peer}"))));
        for number in 0..60 {
            let text = format!("{peer} {number}");
            messages.push((peer.to_string(), Content::Candidate(text)));
        }
    }
    messages
}

fn texts(delivered: &[Payload], peer: usize) -> Vec<String> {
    let mine = |payload: &Payload| match payload {
        Payload::VoiceSdpOffer(it) => {
            (it.target_user_id == peer.to_string()).then(|| it.sdp.clone())
        }
        Payload::VoiceIceCandidate(it) => {
            (it.target_user_id == peer.to_string()).then(|| it.candidate_json.clone())
        }
        other => panic!("{other:?}"),
    };
    delivered.iter().filter_map(mine).collect()
}

#[test]
fn twenty_calls_at_once_stay_within_the_rate_of_the_server() {
    let mut party = Party::seated("a", "s1");
    let mut server = Server::new(100, 200, party.now);
    let start = party.now;
    deliver(&mut party, &mut server, calls(20));
    assert_eq!((server.delivered.len(), server.refused), (20 * 61, 0));
    for peer in 0..20 {
        let mut expected = vec![format!("offer {peer}")];
        expected.extend((0..60).map(|number| format!("{peer} {number}")));
        assert_eq!(texts(&server.delivered, peer), expected);
    }
    assert!(party.now - start < Duration::from_secs(12));
}

#[test]
fn large_descriptions_count_by_their_size() {
    let mut party = Party::seated("a", "s1");
    let mut server = Server::new(100, 200, party.now);
    let large = |peer: usize| (peer.to_string(), Content::Offer("x".repeat(60 << 10)));
    deliver(&mut party, &mut server, (0..150).map(large).collect());
    assert_eq!((server.delivered.len(), server.refused), (150, 0));
}

#[test]
fn a_server_that_takes_less_gets_all_and_does_not_close() {
    let mut party = Party::seated("a", "s1");
    let mut server = Server::new(20, 40, party.now);
    deliver(&mut party, &mut server, calls(8));
    assert!(
        server.refused > 0,
        "the server takes less than the client sends"
    );
    assert_eq!(server.delivered.len(), 8 * 61);
    for peer in 0..8 {
        let mut sent = texts(&server.delivered, peer);
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), 61, "each once");
    }
    assert!(party.call.pop_event().is_none(), "no refusal is told");
}

/// Sends candidates to Bob until they have to wait.
fn until_they_wait(party: &mut Party) {
    for _ in 0..1000 {
        candidate(party, "bob", "waits");
        if party.call.pop_outgoing(party.now).is_none() {
            return;
        }
    }
    panic!("nothing ever waits");
}

#[test]
fn descriptions_go_before_the_candidates_of_others_and_after_their_own() {
    let mut party = Party::seated("a", "s1");
    until_they_wait(&mut party);
    candidate(&mut party, "carol", "before");
    send(&mut party, "carol", Content::Offer("offer".into()));
    candidate(&mut party, "carol", "after");
    party.now += Duration::from_secs(60);
    let mut order = Vec::new();
    while let Some(envelope) = party.call.pop_outgoing(party.now) {
        match envelope.payload.expect("a client sends payloads") {
            Payload::VoiceIceCandidate(candidate) => order.push(candidate.candidate_json),
            Payload::VoiceSdpOffer(offer) => order.push(offer.sdp),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(order, ["before", "offer", "waits", "after"]);
}

#[test]
fn requests_go_before_descriptions() {
    let mut party = Party::seated("a", "s1");
    until_they_wait(&mut party);
    send(&mut party, "carol", Content::Offer("offer".into()));
    let _told = party.mute();
    party.now += Duration::from_secs(60);
    assert!(matches!(party.sent().1, Payload::VoiceStateUpdate(_)));
    assert!(matches!(party.sent().1, Payload::VoiceSdpOffer(_)));
}

#[test]
fn a_relay_that_is_refused_for_the_moment_is_sent_again() {
    let mut party = Party::seated("a", "s1");
    let id = party.offer().expect("the client is in a channel");
    for _ in 0..7 {
        let (request_id, payload) = party.sent();
        assert_eq!(request_id, id.0.to_string());
        assert!(matches!(payload, Payload::VoiceSdpOffer(offer) if offer.sdp == "sdp"));
        party.hear(&request_id, error(ErrorCode::RateLimited, "a"));
        party.nothing_happened();
        let at = party.call.send_at().expect("it is sent again");
        assert!(at - party.now > Duration::from_secs(1));
        party.now = at;
    }
    // Not for ever: then the application is told.
    let (request_id, _) = party.sent();
    party.hear(&request_id, error(ErrorCode::RateLimited, "a"));
    let event = party.event();
    assert!(
        matches!(event, Event::Refused { relay, .. } if relay == Some(id)),
        "{event:?}"
    );
    party.now += Duration::from_secs(60);
    party.nothing_happened();
}

#[test]
fn a_leave_waits_for_nothing_and_takes_what_waits_with_it() {
    let mut party = Party::seated("a", "s1");
    until_they_wait(&mut party);
    let mut answer = party.leave();
    let (id, payload) = party.sent();
    assert!(matches!(payload, Payload::VoiceLeaveRequest(_)));
    party.hear(&id, leave_event("a", "me", "s1", LeaveReason::Left));
    assert_eq!(answered(&mut answer), Ok(()));
    assert!(matches!(party.event(), Event::Exited { .. }));
    party.now += Duration::from_secs(60);
    party.nothing_happened();
}

#[test]
fn a_leave_does_not_overtake_the_join_that_it_takes_back() {
    let mut party = Party::seated("a", "s1");
    until_they_wait(&mut party);
    let _joined = party.join("b");
    let _left = party.leave();
    party.nothing_happened();
    party.now += Duration::from_secs(60);
    assert!(matches!(party.sent().1, Payload::VoiceJoinRequest(_)));
    assert!(matches!(party.sent().1, Payload::VoiceLeaveRequest(_)));
}

#[test]
fn a_refused_leave_is_asked_again() {
    for code in [
        ErrorCode::RateLimited,
        ErrorCode::Unavailable,
        ErrorCode::Internal,
    ] {
        let mut party = Party::seated("a", "s1");
        let mut answer = party.leave();
        let (id, _) = party.sent();
        party.hear(&id, error(code, "a"));
        party.nothing_happened();
        assert!(answer.try_recv().is_err(), "not answered yet");
        party.now = party.call.send_at().expect("it is asked again");
        let (id, payload) = party.sent();
        assert!(matches!(payload, Payload::VoiceLeaveRequest(it) if it.channel_id == "a"));
        party.hear(&id, leave_event("a", "me", "s1", LeaveReason::Left));
        assert_eq!(answered(&mut answer), Ok(()));
        party.reconnect();
        assert!(matches!(party.event(), Event::Exited { .. }));
        party.nothing_happened();
    }
}

#[test]
fn a_leave_that_comes_to_nothing_ends_the_connection() {
    // Refused again and again, refused for good, and not answered.
    let refusals = [
        Some(ErrorCode::Unavailable),
        Some(ErrorCode::Forbidden),
        None,
    ];
    for refusal in refusals {
        let mut party = Party::seated("a", "s1");
        let start = party.now;
        let mut answer = party.leave();
        while !party.call.is_unresponsive() {
            while let Some(envelope) = party.call.pop_outgoing(party.now) {
                if let Some(code) = refusal {
                    party.hear(&envelope.request_id, error(code, "a"));
                }
            }
            let next = [party.call.deadline(), party.call.send_at()];
            party.now = next.into_iter().flatten().min().unwrap_or(party.now);
            party.call.tick(party.now);
            assert!(party.now - start <= TIMEOUT, "{refusal:?}");
        }
        assert_eq!(answered(&mut answer), Ok(()), "{refusal:?}");
        party.reconnect();
        let event = party.event();
        assert!(
            matches!(
                event,
                Event::Exited {
                    reason: ExitReason::Left,
                    ..
                }
            ),
            "{event:?}"
        );
        party.nothing_happened();
    }
}

#[test]
fn a_leave_of_a_seat_that_is_gone_is_done() {
    let mut party = Party::seated("a", "s1");
    let mut answer = party.leave();
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::NotInChannel, "a"));
    assert_eq!(answered(&mut answer), Ok(()));
    assert!(matches!(party.event(), Event::Exited { .. }));
    assert!(!party.call.is_unresponsive());
}

#[test]
fn a_state_that_is_refused_for_the_rate_is_told_again() {
    let mut party = Party::seated("a", "s1");
    let mut answer = party.mute();
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::RateLimited, "a"));
    party.nothing_happened();
    party.now = party.call.send_at().expect("it is told again");
    let (id, update) = party.sent();
    assert!(matches!(&update, Payload::VoiceStateUpdate(update) if update.muted));
    party.hear(&id, update);
    assert_eq!(answered(&mut answer), Ok(()));
    party.nothing_happened();
}

#[test]
fn a_state_that_nobody_waits_for_is_told_until_the_server_takes_it() {
    let mut party = Party::seated("a", "s1");
    let _told = party.mute();
    party.reconnect();
    party.let_in("s2");
    party.event();
    let start = party.now;
    while party.now - start < 3 * TIMEOUT {
        let (id, update) = party.sent();
        assert!(matches!(&update, Payload::VoiceStateUpdate(update) if update.muted));
        party.hear(&id, error(ErrorCode::RateLimited, "a"));
        party.now = party.call.send_at().expect("it is told again");
        party.call.tick(party.now);
    }
}

#[test]
fn a_leave_is_not_asked_again_after_a_later_join() {
    let mut party = Party::seated("a", "s1");
    let mut left = party.leave();
    let _joined = party.join("b");
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::RateLimited, "a"));
    assert!(matches!(answered(&mut left), Err(RequestError::Refused(_))));
    party.now += Duration::from_secs(60);
    party.let_in("s2");
    party.event();
    party.nothing_happened();
}

#[test]
fn a_join_that_is_refused_for_the_rate_is_asked_again() {
    let mut party = Party::seated("a", "s1");
    let (mut first, mut last) = (party.join("b"), party.join("c"));
    let ((first_id, _), (last_id, _)) = (party.sent(), party.sent());
    party.hear(&first_id, error(ErrorCode::RateLimited, "b"));
    party.hear(&last_id, error(ErrorCode::RateLimited, "c"));
    // The last join counts.
    assert!(matches!(answered(&mut first), Err(JoinError::Refused(_))));
    assert!(last.try_recv().is_err(), "not answered yet");
    party.nothing_happened();
    party.now = party.call.send_at().expect("it is asked again");
    party.let_in("s2");
    assert_eq!(answered(&mut last).expect("joined").channel_id, "c");
}

#[test]
fn a_new_connection_begins_with_a_full_burst_and_an_empty_queue() {
    let mut party = Party::seated("a", "s1");
    until_they_wait(&mut party);
    party.reconnect();
    party.let_in("s2");
    party.event();
    party.nothing_happened();
    candidate(&mut party, "bob", "new");
    party.sent();
}
