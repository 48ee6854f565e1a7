//! Changing text: JSON, TOML, paths.

use super::{Rng, edge};

/// Pieces that parsers trip over.
const PIECES: [&str; 24] = [
    "null",
    "true",
    "-1",
    "1e999",
    "-0.0",
    "1e-400",
    "340282366920938463463374607431768211456",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"0x\"",
    "\u{fffd}",
    "[]",
    "{}",
    "nan",
    "inf",
    "0x",
    "_",
    "\\",
    "\"\"\"",
    "#",
    "\r\n",
    "9999-12-31T23:59:60Z",
];

/// What nests, with what closes it.
const NESTS: [(&str, &str); 4] = [("[", "]"), ("{\"a\":", "}"), ("{a=", "}"), ("[a.", "]\n")];

/// Changes `input` in one place. What it makes need not be UTF-8 if `input` is not.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let tokens = tokens(input);
    let Some(&(start, end)) = rng.pick(&tokens) else {
        input.extend_from_slice(rng.pick(&PIECES).expect("there are pieces").as_bytes());
        return;
    };
    match rng.below(7) {
        0 => replace(input, (start, end), rng.pick(&PIECES).expect("there are pieces").as_bytes()),
        1 => replace(input, (start, end), edge(rng).to_string().as_bytes()),
        2 => replace(input, (start, end), &[]),
        3 => {
            // Twice the same key, or the same token.
            let &(_, last) = rng.pick(&tokens).expect("there is a token");
            let part = input[start..last.max(end)].to_vec();
            replace(input, (end, end), &part);
        }
        4 => {
            let &(from, to) = rng.pick(&tokens).expect("there is a token");
            let part = input[from..to].to_vec();
            replace(input, (start, end), &part);
        }
        5 => {
            let theirs = self::tokens(other);
            if let Some(&(from, to)) = rng.pick(&theirs) {
                replace(input, (start, end), &other[from..to]);
            }
        }
        _ => {
            let (open, close) = rng.pick(&NESTS).expect("there are nests");
            let depth = 1 << rng.below(11);
            let inner = String::from_utf8_lossy(&input[start..end]).into_owned();
            let nested = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            replace(input, (start, end), nested.as_bytes());
        }
    }
}

fn replace(input: &mut Vec<u8>, (start, end): (usize, usize), by: &[u8]) {
    drop(input.splice(start..end, by.iter().copied()));
}

/// Where words, quoted texts and single signs stand.
fn tokens(input: &[u8]) -> Vec<(usize, usize)> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+');
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let rest = &input[at..];
        let len = match rest[0] {
            b'"' => rest[1..].iter().position(|byte| *byte == b'"').map_or(1, |end| end + 2),
            first if is_word(&first) => rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => 1,
        };
        if !input[at].is_ascii_whitespace() {
            tokens.push((at, at + len));
        }
        at += len;
    }
    tokens
}
