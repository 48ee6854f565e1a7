//! What others wrote, such as the words of a proposal, shown on a terminal: nothing in it may move the cursor, set a title,
//! clear a line, or turn the direction of what follows (CWE-150).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal acts on it, or shows something else, or nothing, in its place: control characters (C0, DEL, C1), marks of
/// direction (UAX 9), invisible ones, and separators of lines.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if text.chars().all(|c| keep(c) || !is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if keep(c) || !is_unsafe(c) { safe.push(c) } else { escape(&mut safe, c) }
    }
    Cow::Owned(safe)
}

/// Text of several lines of our own: whatever else it holds that is no letter is spelled out.
pub(crate) fn page(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n', |safe, c| safe.extend(c.escape_default()))
}

/// Words of others within a line: their line ends are spelled out too, so that they cannot pass for ours.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |safe, c| safe.extend(c.escape_default()))
}

/// A JSON document: within its strings, the only place where they can be, such characters are written by their numbers.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c == '\n',
        |safe, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAPS: [&str; 9] = [
        "a\u{1b}[2K\rb",
        "\u{1b}]0;owned\u{7}",
        "\u{9b}31m",
        "\u{202e}gnp.exe",
        "\u{2066}x\u{2069}",
        "a\u{200b}b",
        "\u{7f}",
        "\u{feff}",
        "\u{e0041}",
    ];

    #[test]
    fn nothing_that_a_terminal_acts_on_comes_through() {
        for trap in TRAPS {
            for safe in [page(trap), line(trap), json(trap)] {
                assert!(safe.chars().all(|c| !is_unsafe(c)), "{safe:?}");
            }
        }
        assert_eq!(page("two\nlines"), "two\nlines");
        assert_eq!(line("two\nlines\tof"), r"two\nlines\tof");
        assert_eq!(line("Zahl die Miete: 12 €, 家賃"), "Zahl die Miete: 12 €, 家賃");
    }

    #[test]
    fn a_document_reads_as_before() {
        for trap in TRAPS {
            let document = serde_json::to_string_pretty(&[trap, "\n"]).unwrap();
            assert_eq!(serde_json::from_str::<[String; 2]>(&json(&document)).unwrap(), [trap, "\n"]);
        }
    }
}
