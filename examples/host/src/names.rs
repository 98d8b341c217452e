//! What may be a name that people see: of a user, or of a channel.
//!
//! Names are shown beside those of others, in lists and in sentences. So a name must show
//! something, and must not change how the text around it is shown. Joiners and direction marks
//! (U+200C to U+200F) are parts of names in many languages and of emoji, and are allowed between
//! visible characters.

use united_voice_core::UserId;

/// The longest name that a client may choose, in characters.
pub(crate) const MAX_NAME: usize = 64;

/// The longest name that an administrator may choose. An id has at most as many bytes.
pub(crate) const MAX_ADMINISTERED_NAME: usize = 128;

/// The name of a user whose id shows nothing.
const UNNAMED: &str = "user";

/// Characters that show nothing, besides white space. These are the ones that Unicode calls
/// `Default_Ignorable_Code_Point`, and three more that are blank in spite of their category.
const INVISIBLE: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    // Braille pattern blank.
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    // Specials and annotation marks.
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    // Musical symbol null notehead.
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{10fffe}', '\u{10ffff}'),
];

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("a name has 1 to {0} characters")]
    Length(usize),
    #[error("a name has no control characters, and this one has U+{:04X}", *.0 as u32)]
    Control(char),
    #[error("a name has at least one visible character")]
    Invisible,
}

/// The name without the space around it, if it has at most `most` characters.
pub(crate) fn checked(text: &str, most: usize) -> Result<&str, NameError> {
    let name = text.trim();
    if name.is_empty() || name.chars().nth(most).is_some() {
        return Err(NameError::Length(most));
    }
    match name.chars().find(|char| is_control(*char)) {
        Some(control) => Err(NameError::Control(control)),
        None if name.chars().any(is_visible) => Ok(name),
        None => Err(NameError::Invisible),
    }
}

/// The name of a user about whom only the id is known: the characters of the id that a name may
/// have.
pub(crate) fn of_id(id: &UserId) -> String {
    let allowed: String = id
        .as_str()
        .chars()
        .filter(|char| !is_control(*char))
        .collect();
    let name = checked(&allowed, MAX_ADMINISTERED_NAME);
    name.unwrap_or(UNNAMED).to_owned()
}

/// Whether the character controls how other text is shown: line breaks, and what sets the direction
/// of the text after it. U+202E lets `nimda` be read as `admin`.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

fn is_visible(char: char) -> bool {
    let mut invisible = INVISIBLE.iter();
    !char.is_whitespace() && !invisible.any(|(first, last)| (*first..=*last).contains(&char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_languages_are_taken() {
        for name in [
            "Ada",
            "Zoë",
            "o'Brien \"x\" <b>",
            "音声",
            "עברית",
            // Persian, with a zero-width non-joiner.
            "می\u{200c}خواهم",
            // A right-to-left mark between two words.
            "א\u{200f}!",
            // A family and a flag: emoji held together by joiners and tags.
            "👩\u{200d}👩\u{200d}👧",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "❤\u{fe0f}",
            "क्\u{200d}ष",
            // Unassigned today: an emoji of a later Unicode.
            "\u{1faff}",
            "\u{e000}",
        ] {
            assert_eq!(checked(name, MAX_NAME), Ok(name));
        }
        assert_eq!(checked("\u{a0} Ada\t\n", MAX_NAME), Ok("Ada"));
    }

    #[test]
    fn a_name_shows_something() {
        for name in [
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{2800}",
            "\u{3164}",
            "\u{ad} \u{feff}",
            "\u{fe0f}",
            "\u{e0020}",
        ] {
            assert_eq!(
                checked(name, MAX_NAME),
                Err(NameError::Invisible),
                "{name:?}"
            );
        }
        for name in ["", " ", "\u{3000}\u{2003}"] {
            assert_eq!(
                checked(name, MAX_NAME),
                Err(NameError::Length(64)),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_name_controls_nothing() {
        for control in [
            '\0', '\n', '\r', '\t', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}',
            '\u{202e}', '\u{2066}', '\u{2069}', '\u{206a}', '\u{fff9}',
        ] {
            let name = format!("a{control}b");
            assert_eq!(checked(&name, MAX_NAME), Err(NameError::Control(control)));
        }
        assert_eq!(
            NameError::Control('\u{202e}').to_string(),
            "a name has no control characters, and this one has U+202E"
        );
    }

    #[test]
    fn a_name_has_a_length_in_characters() {
        assert!(checked(&"🎧".repeat(64), MAX_NAME).is_ok());
        assert!(checked(&"n".repeat(65), MAX_NAME).is_err());
        assert!(checked(&"n".repeat(128), MAX_ADMINISTERED_NAME).is_ok());
    }

    #[test]
    fn every_id_gives_a_name() {
        for (id, expected) in [
            ("ada@example.org", "ada@example.org"),
            ("line\r\nfeed", "linefeed"),
            ("\u{1}\u{202e}", UNNAMED),
            ("\u{200b}", UNNAMED),
            (" ", UNNAMED),
        ] {
            assert_eq!(of_id(&UserId::new(id).unwrap()), expected, "{id:?}");
        }
    }
}
