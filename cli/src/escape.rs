//! The one way from outside text to the terminal.
//!
//! File names, subjects, origins and messages of a bundle may hold anything: escape sequences that repaint the screen, line
//! breaks that forge a line of output, marks that reverse the reading order. Printable text in any script passes; the rest
//! is shown as `\u{…}` (attacks O01, O05, I06).

use std::fmt::Write as _;

/// Gives the text with everything that is not plainly printable escaped, and shortened if it is of absurd length.
pub(crate) fn escape(text: &str) -> String {
    let text = &*shorten(text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            escaped.push(character);
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "{}", character.escape_unicode());
        }
    }
    escaped
}

/// Cuts a text that nobody could read to its beginning.
pub(crate) fn shorten(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}

/// Gives JSON text with the same characters escaped the way JSON escapes them; what lies outside its strings is plain.
pub(crate) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_plain(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn is_plain(character: char) -> bool {
    matches!(character, ' ' | '\'' | '"' | '\\')
        || (!is_invisible(character) && character.escape_debug().len() == 1)
}

/// Characters that print nothing and change how others are read: directional marks, joiners, tags, fillers.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{a0}')
}

/// Characters of one text that are shown.
const LONGEST: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::{escape, escape_json};

    #[test]
    fn o01_escapes_what_would_act_on_a_terminal() {
        assert_eq!(escape("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("a\r\n\x07\u{9b}"), "a\\u{d}\\u{a}\\u{7}\\u{9b}");
        assert_eq!(escape("gpj\u{202e}exe"), "gpj\\u{202e}exe");
        assert_eq!(escape("a\u{200b}b\u{e0041}"), "a\\u{200b}b\\u{e0041}");
    }

    #[test]
    fn o02_json_is_escaped_and_means_the_same() {
        let value = serde_json::json!({"name": "a\u{9b}31m\u{202e}\u{e0041}\n\t\"é權"});
        let text = escape_json(&format!("{value:#}\n"));
        assert!(text.contains("\\u009b31m\\u202e\\udb40\\udc41\\n\\t\\\"é權"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn leaves_readable_text_alone() {
        let text = "modèle-權重/weights v1.bin 'x' \"y\" \\";
        assert_eq!(escape(text), text);
    }
}
