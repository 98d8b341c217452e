//! Runs one operation a given number of times under callgrind. The script `benches/instructions`
//! counts the instructions of a short run and of a longer one. The difference is the operation
//! alone, exact to the instruction.
//!
//! `instructions` lists the operations; `instructions NAME TIMES` runs one.

#![allow(clippy::print_stdout)]

use std::{env, hint::black_box, process::ExitCode};

use bytes::Bytes;
use united_voice_benches::{
    BareQueue, Hall, Inbox, Seated, broadcast_floor, candidate_frame, channel, floor_room, in_json,
    offer_frame, relay_floor, state_signal,
};
use united_voice_core::{
    Codec, SharedSecret,
    proto::{self, Incoming},
};

/// One call runs the operation once.
type Operation = Box<dyn FnMut()>;
type Case = (&'static str, fn() -> Operation);

const CASES: &[Case] = &[
    ("relay/candidate/room4/floor", || {
        relay_floor_in(Codec::Protobuf, candidate_frame, 4)
    }),
    ("relay/candidate/room4", || {
        relay_in(PROTOBUF, candidate_frame, 4)
    }),
    ("relay/offer/room4/floor", || {
        relay_floor_in(Codec::Protobuf, offer_frame, 4)
    }),
    ("relay/offer/room4", || relay_in(PROTOBUF, offer_frame, 4)),
    ("relay/candidate/room100", || {
        relay_in(PROTOBUF, candidate_frame, 100)
    }),
    ("relay/json/candidate/room4/floor", || {
        relay_floor_in(Codec::Json, candidate_json, 4)
    }),
    ("relay/json/candidate/room4", || {
        relay_in(JSON, candidate_json, 4)
    }),
    ("relay/json/offer/room4/floor", || {
        relay_floor_in(Codec::Json, offer_json, 4)
    }),
    ("relay/json/offer/room4", || relay_in(JSON, offer_json, 4)),
    ("relay/json-to-protobuf/candidate/room4", || {
        relay_in((Codec::Json, Codec::Protobuf), candidate_json, 4)
    }),
    ("relay/protobuf-to-json/candidate/room4", || {
        relay_in((Codec::Protobuf, Codec::Json), candidate_frame, 4)
    }),
    ("queue/bare", bare_queue),
    ("queue/outbound", || broadcast_floor_in(1)),
    ("broadcast/state/room8/floor", || broadcast_floor_in(8)),
    ("broadcast/state/room8", || state_in(8)),
    ("broadcast/state/room25/floor", || broadcast_floor_in(25)),
    ("broadcast/state/room25", || state_in(25)),
    ("broadcast/state/room100/floor", || broadcast_floor_in(100)),
    ("broadcast/state/room100", || state_in(100)),
    ("broadcast/speaking/room8", || speaking_in(8)),
    ("join+leave/room4", join_leave),
    ("move/rooms-of-4", move_between),
    ("replace/room4", replace),
    ("connect+join+disconnect/room4", disconnect),
    ("participants/room25", participants),
    ("decode/protobuf/candidate", || decode(candidate_frame)),
    ("decode/protobuf/offer", || decode(offer_frame)),
    ("decode-to-relay/candidate", || borrow(candidate_frame)),
    ("decode-to-relay/offer", || borrow(offer_frame)),
    ("encode/protobuf/candidate", encode),
    ("credentials/mint", mint),
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(name), Some(times)) = (arguments.next(), arguments.next()) else {
        for (name, _) in CASES {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|(other, _)| *other == name);
    let (Some((_, prepare)), Ok(times)) = (case, times.parse::<u32>()) else {
        println!("no such operation, or no such number: {name} {times}");
        return ExitCode::FAILURE;
    };
    let mut operation = prepare();
    for _ in 0..times {
        operation();
    }
    ExitCode::SUCCESS
}

type MakeFrame = fn(&str, &str) -> Bytes;

/// The encoding of the sender, and that of the target.
type Codecs = (Codec, Codec);

const PROTOBUF: Codecs = (Codec::Protobuf, Codec::Protobuf);
const JSON: Codecs = (Codec::Json, Codec::Json);

fn candidate_json(channel: &str, target: &str) -> Bytes {
    in_json(&candidate_frame(channel, target))
}

fn offer_json(channel: &str, target: &str) -> Bytes {
    in_json(&offer_frame(channel, target))
}

fn target_of(members: usize) -> usize {
    members / 2
}

fn relay_frame(make_frame: MakeFrame, members: usize) -> Bytes {
    make_frame(&channel(0), &format!("u-0-{}", target_of(members)))
}

fn relay_floor_in(codec: Codec, make_frame: MakeFrame, members: usize) -> Operation {
    let hall = Hall::new(1, members);
    let frame = relay_frame(make_frame, members);
    let (_, session) = hall.seated[0].connection.seat().expect("seated");
    let session = session.to_string();
    let queue = BareQueue::default();
    Box::new(move || {
        relay_floor(codec, black_box(&frame), "u-0-0", &session, &queue);
        queue.take_one();
    })
}

fn relay_in((from, to): Codecs, make_frame: MakeFrame, members: usize) -> Operation {
    let mut hall = Hall::with_codec(to, 1, members);
    let frame = relay_frame(make_frame, members);
    Box::new(move || {
        hall.handle(&hall.seated[0].connection, from, black_box(&frame));
        hall.seated[target_of(members)].inbox.take_one();
    })
}

fn broadcast_floor_in(members: usize) -> Operation {
    let (queues, mut inboxes) = floor_room(members);
    let signal = state_signal(&channel(0), "u-0-0");
    Box::new(move || {
        broadcast_floor(black_box(&signal), &queues);
        inboxes.iter_mut().for_each(Inbox::take_one);
    })
}

fn bare_queue() -> Operation {
    let queue = BareQueue::default();
    let frame = state_signal(&channel(0), "u-0-0").into_protobuf();
    Box::new(move || {
        assert!(black_box(&queue).push(black_box(&frame).clone()));
        queue.take_one();
    })
}

fn state_in(members: usize) -> Operation {
    let mut hall = Hall::new(1, members);
    let (connections, mut inboxes) = hall.take_seated();
    let room = channel(0);
    Box::new(move || {
        let told = connections[0].update_state(black_box(&room), true, false, "");
        told.expect("seated");
        inboxes.iter_mut().for_each(Inbox::take_one);
    })
}

fn speaking_in(members: usize) -> Operation {
    let mut hall = Hall::new(1, members);
    let room = channel(0);
    Box::new(move || {
        let sender = &hall.seated[0].connection;
        sender.speaking(black_box(&room), true, "").expect("seated");
        hall.clear();
    })
}

/// A visitor, and a room with three members that stay.
fn visited(rooms: usize) -> (Hall, Seated) {
    let hall = Hall::new(rooms, 3);
    let visitor = hall.connect("visitor");
    (hall, visitor)
}

fn join_leave() -> Operation {
    let (mut hall, mut visitor) = visited(1);
    let room = channel(0);
    Box::new(move || {
        hall.join(&visitor.connection, black_box(&room));
        visitor.connection.leave_channel(&room, "").expect("seated");
        hall.clear();
        visitor.inbox.clear();
    })
}

fn move_between() -> Operation {
    let (mut hall, mut visitor) = visited(2);
    let rooms = [channel(0), channel(1)];
    let mut turn = 0;
    Box::new(move || {
        turn = 1 - turn;
        hall.join(&visitor.connection, black_box(&rooms[turn]));
        hall.clear();
        visitor.inbox.clear();
    })
}

fn replace() -> Operation {
    let (mut hall, first) = visited(1);
    let second = hall.connect("visitor");
    let mut both = [first, second];
    let room = channel(0);
    let mut turn = 0;
    Box::new(move || {
        turn = 1 - turn;
        hall.join(&both[turn].connection, black_box(&room));
        hall.clear();
        both.iter_mut().for_each(|one| one.inbox.clear());
    })
}

fn disconnect() -> Operation {
    let mut hall = Hall::new(1, 3);
    let room = channel(0);
    Box::new(move || {
        let mut guest = hall.connect("guest");
        hall.join(&guest.connection, black_box(&room));
        guest.inbox.clear();
        drop(guest);
        hall.clear();
    })
}

fn participants() -> Operation {
    let hall = Hall::new(1, 25);
    let (room, _) = hall.seated[0].connection.seat().expect("seated");
    Box::new(move || {
        // Borrows the whole hall, so that the closure owns it and its members stay seated.
        let server = &black_box(&hall).server;
        black_box(server.registry().participants(&room));
    })
}

const MAX_FRAME: usize = 128 << 10;

fn decode(make_frame: MakeFrame) -> Operation {
    let frame = make_frame("general", "user");
    Box::new(move || {
        let decoded = proto::decode(Codec::Protobuf, black_box(&frame), MAX_FRAME);
        black_box(&decoded);
    })
}

fn borrow(make_frame: MakeFrame) -> Operation {
    let frame = make_frame("general", "user");
    Box::new(move || {
        let decoded = Incoming::decode(Codec::Protobuf, black_box(&frame), MAX_FRAME);
        black_box(&decoded);
    })
}

fn encode() -> Operation {
    let frame = candidate_frame("general", "user");
    let envelope = proto::decode(Codec::Protobuf, &frame, MAX_FRAME).expect("an envelope");
    Box::new(move || {
        black_box(proto::encode_protobuf(black_box(&envelope)));
    })
}

fn mint() -> Operation {
    use std::time::{Duration, SystemTime};
    let secret = SharedSecret::new("a shared secret of some length");
    let now = SystemTime::now();
    Box::new(move || {
        black_box(secret.mint(black_box("alice"), Duration::from_secs(3600), now));
    })
}
