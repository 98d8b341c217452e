//! The crate's root stays small enough to hold in one's head.

/// The most names that the root may export.
const MOST: usize = 53;

#[test]
fn the_root_exports_few_names() {
    let source = include_str!("../src/lib.rs");
    let exports: Vec<&str> = source
        .split("\npub use ")
        .skip(1)
        .map(|rest| rest.split_once(';').expect("a statement ends").0)
        .collect();
    let names: Vec<&str> = exports
        .iter()
        .flat_map(|export| export.split(['{', '}', ',', ' ', '\n']))
        .map(|path| path.rsplit("::").next().unwrap_or(path))
        .filter(|name| !name.is_empty() && !["as", "self", "united_voice_proto"].contains(name))
        .collect();
    assert!(names.contains(&"VoiceServer") && names.contains(&"Codec") && names.contains(&"proto"));
    assert!(names.contains(&"drive") && names.contains(&"generate_turn_credentials"));
    assert!(names.len() <= MOST, "{} names: {names:?}", names.len());
}
