use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::Nid;

fn entry(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT, kind];
    for number in [7_u64, 3, 1000] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(body);
    bytes
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("short");
    [&[tag], &length.to_be_bytes()[..], value].concat()
}

fn member(session: u64, version: u64, user: &str) -> Vec<u8> {
    let length = u8::try_from(user.len()).expect("short");
    [
        &session.to_be_bytes(),
        &version.to_be_bytes(),
        Nid::new(1, 2).to_string().as_bytes(),
        &[0, 3, 0, 0, 0, 5, length],
        user.as_bytes(),
        b"profile\0",
    ]
    .concat()
}

/// An entry of each kind, with every field that the scripts write.
fn samples() -> Vec<Vec<u8>> {
    let eight = 8_u64.to_be_bytes();
    let joined = [
        field(1, b"ro\nom"),
        field(2, &member(11, 900, "u\0")),
        field(3, &[&eight[..], b"old"].concat()),
        field(5, b""),
        field(4, &member(13, 40, "later")),
        field(4, &member(12, 30, "first")),
    ]
    .concat();
    let left = [&eight[..], &[4], b"useroom"].concat();
    vec![
        entry(TICK, &[field(1, &eight), field(2, &eight)].concat()),
        entry(JOINED, &joined),
        entry(
            LEFT,
            &[
                field(1, &[3]),
                field(2, &left),
                field(3, b""),
                field(4, b""),
            ]
            .concat(),
        ),
        entry(
            STATE,
            &[field(1, b"room"), field(2, &[&eight[..], &[0, 1]].concat())].concat(),
        ),
        entry(REFUSED, &[field(1, &[2]), field(2, &eight)].concat()),
        entry(SEATS, &field(1, &joined)),
        entry(REASSERTED, &field(1, &[&eight[..], &[1]].concat())),
    ]
}

#[test]
fn a_joined_entry_has_member_replaced_seats_and_roster_in_joining_order() {
    let entry = Entry::decode(&samples()[1]).expect("valid");
    assert_eq!(
        (entry.number, entry.asked, entry.version),
        (7, Some(3), 1000)
    );
    let Record::Joined(joined) = entry.record else {
        panic!("{:?}", entry.record);
    };
    assert_eq!(joined.channel, "ro\nom");
    assert_eq!(joined.replaces, [(8, "old".to_string())]);
    let member = joined.member;
    assert_eq!((member.session, member.version), (11, 900));
    assert_eq!(
        (&*member.user, &*member.profile),
        ("u\0", &b"profile\0"[..])
    );
    assert_eq!(
        (member.nid, member.limit),
        (Nid::new(1, 2), NonZeroU32::new(5))
    );
    assert!(member.flags.muted() && member.flags.deafened());
    let order: Vec<_> = joined
        .others
        .expect("new here")
        .iter()
        .map(|m| m.session)
        .collect();
    assert_eq!(order, [12, 13]);
}

#[test]
fn unknown_fields_and_kinds_are_skipped_and_another_major_number_is_not() {
    for sample in samples() {
        let longer = [&sample[..], &field(200, b"from the future")].concat();
        assert_eq!(Entry::decode(&longer), Entry::decode(&sample));
        assert!(Entry::decode(&sample).is_ok());
        let mut other = sample;
        other[0] = 2;
        assert_eq!(Entry::decode(&other), Err(EntryError::Format(2)));
    }
    let future = Entry::decode(&entry(77, b"anything")).expect("skipped");
    assert_eq!((future.number, future.record), (7, Record::Unknown(77)));
}

#[test]
fn ids_are_checked() {
    let long = "x".repeat(129);
    for bad in [&b""[..], b"\xff", long.as_bytes()] {
        let body = [field(1, bad), field(2, &[0; 10])].concat();
        assert_eq!(Entry::decode(&entry(STATE, &body)), Err(EntryError::Id));
    }
}

#[test]
fn each_missing_field_is_an_error() {
    for kind in [TICK, JOINED, LEFT, STATE, REFUSED] {
        assert_eq!(
            Entry::decode(&entry(kind, b"")),
            Err(EntryError::Missing(kind))
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(kind in 0_u8..9, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(&entry(kind, &body));
        let _ = Entry::decode(&body);
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_decoding_panic(
        which in 0_usize..7, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = samples().swap_remove(which);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let _ = Entry::decode(&bytes);
        let _ = Entry::decode(&bytes[..cut.index(bytes.len())]);
    }
}
