//! Changing CBOR (RFC 8949) as somebody would who wants a decoder to fall over.

use super::{Rng, edge};

/// The most items that are looked at.
const MAX_ITEMS: usize = 1024;
/// How often byte strings that hold CBOR are looked into.
const MAX_WRAPS: usize = 3;

/// An item's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    start: usize,
    /// Behind its head.
    body: usize,
    /// Behind all of it.
    end: usize,
    major: u8,
    argument: u64,
}

/// Changes `input` in one place. Parts of `other` may go into it.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    mutate_within(input, other, rng, MAX_WRAPS);
}

fn mutate_within(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng, wraps: usize) {
    let items = items(input);
    let Some(&item) = rng.pick(&items) else {
        input.push(0xa0);
        return;
    };
    // A signed command is a byte string within CBOR, and its operations are byte strings within that: to come
    // through to them, the strings around a change must keep their right lengths.
    let wrapped = item.major == 2 && item.end - item.body > 2;
    if wrapped && wraps > 0 && rng.below(3) > 0 {
        let mut content = input[item.body..item.end].to_vec();
        mutate_within(&mut content, other, rng, wraps - 1);
        let mut string = head(2, content.len() as u64);
        string.extend_from_slice(&content);
        replace(input, (item.start, item.end), &string);
        return;
    }
    match rng.below(12) {
        0 => {
            let major = u8::try_from(rng.below(8)).expect("there are 8");
            replace(input, (item.start, item.body), &head(major, item.argument));
        }
        1 => replace(input, (item.start, item.body), &head(item.major, edge(rng))),
        2 => {
            let argument =
                if rng.below(2) == 0 { item.argument.wrapping_add(1) } else { item.argument.wrapping_sub(1) };
            replace(input, (item.start, item.body), &head(item.major, argument));
        }
        3 => replace(input, (item.start, item.body), &wide_head(item, rng)),
        4 => {
            // An indefinite length, with its break.
            input.insert(item.end, 0xff);
            replace(input, (item.start, item.body), &[item.major << 5 | 31]);
        }
        5 => nest(input, item, rng),
        6 => {
            let copy = input[item.start..item.end].to_vec();
            replace(input, (item.end, item.end), &copy);
        }
        7 => replace(input, (item.start, item.end), &[]),
        8 => swap(input, &items, rng),
        9 => {
            let theirs = self::items(other);
            if let Some(their) = rng.pick(&theirs) {
                replace(input, (item.start, item.end), &other[their.start..their.end]);
            }
        }
        10 => resize(input, item, rng),
        _ => grow(input, item, rng),
    }
}

fn replace(input: &mut Vec<u8>, (start, end): (usize, usize), by: &[u8]) {
    drop(input.splice(start..end, by.iter().copied()));
}

/// The shortest head.
fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, width) = match argument {
        0..24 => return vec![major << 5 | bytes[7]],
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    [&[major << 5 | info], &bytes[8 - width..]].concat()
}

/// A head that is wider than it need be.
fn wide_head(item: Item, rng: &mut Rng) -> Vec<u8> {
    let width: usize = 1 << rng.below(4);
    let info = 24 + u8::try_from(width.ilog2()).expect("a width is small");
    [&[item.major << 5 | info], &item.argument.to_be_bytes()[8 - width..]].concat()
}

/// Puts the item into many others.
fn nest(input: &mut Vec<u8>, item: Item, rng: &mut Rng) {
    const AROUND: [&[u8]; 5] = [&[0x81], &[0xa1, 0x00], &[0xc1], &[0x9f], &[0xd8, 0x18]];
    let around = rng.pick(&AROUND).expect("there are some");
    replace(input, (item.start, item.start), &around.repeat(1 << rng.below(11)));
}

/// Lets two items change places, such as the keys of a map.
fn swap(input: &mut Vec<u8>, items: &[Item], rng: &mut Rng) {
    let (Some(&one), Some(&two)) = (rng.pick(items), rng.pick(items)) else { return };
    let (first, second) = if one.start <= two.start { (one, two) } else { (two, one) };
    if first.end <= second.start {
        let swapped = [
            &input[second.start..second.end],
            &input[first.end..second.start],
            &input[first.start..first.end],
        ];
        let swapped = swapped.concat();
        replace(input, (first.start, second.end), &swapped);
    }
}

/// Gives a string another length and the right head for it; of a number, changes the value.
fn resize(input: &mut Vec<u8>, item: Item, rng: &mut Rng) {
    let mut body = input[item.body..item.end].to_vec();
    match item.major {
        2 | 3 => {
            match rng.below(4) {
                0 => body.truncate(rng.below(body.len() + 1)),
                1 => body.extend(std::iter::repeat_n(b'a', rng.below(300))),
                2 => body.fill(0),
                _ => {
                    let at = rng.below(body.len());
                    if let Some(byte) = body.get_mut(at) {
                        *byte ^= 1 << rng.below(8);
                    }
                }
            }
            let string = [head(item.major, body.len() as u64), body].concat();
            replace(input, (item.start, item.end), &string);
        }
        major => replace(input, (item.start, item.body), &head(major, edge(rng))),
    }
}

/// Gives a list or a map one element more, or one less, with the right count.
fn grow(input: &mut Vec<u8>, item: Item, rng: &mut Rng) {
    let each = if item.major == 5 { 2 } else { 1 };
    if !matches!(item.major, 4 | 5) || item.argument == 0 {
        return;
    }
    let mut ends = vec![item.body];
    while let Some(end) =
        end_of(input, *ends.last().expect("there is a first")).filter(|end| *end <= item.end)
    {
        ends.push(end);
    }
    let elements = (ends.len() - 1) / each;
    if elements == 0 {
        return;
    }
    let at = rng.below(elements) * each;
    let (start, end) = (ends[at], ends[at + each]);
    if rng.below(3) == 0 {
        replace(input, (start, end), &[]);
        replace(input, (item.start, item.body), &head(item.major, item.argument - 1));
    } else {
        let copies = 1 << rng.below(9);
        let element = input[start..end].repeat(copies);
        replace(input, (start, start), &element);
        let count = item.argument.saturating_add(copies as u64);
        replace(input, (item.start, item.body), &head(item.major, count));
    }
}

/// Every item, outer ones before those within. Stops where no item begins; what is not whole ends with the input.
fn items(input: &[u8]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    // Lists, maps and tags that miss so many items.
    let mut open: Vec<(usize, u64)> = Vec::new();
    let mut at = 0;
    while items.len() < MAX_ITEMS
        && let Some((major, argument, body)) = read_head(input, at)
    {
        let length = if matches!(major, 2 | 3) { usize::try_from(argument).unwrap_or(usize::MAX) } else { 0 };
        let end = body.saturating_add(length).min(input.len());
        let missing = match major {
            4 => argument,
            5 => argument.saturating_mul(2),
            6 => 1,
            _ => 0,
        };
        if missing > 0 {
            open.push((items.len(), missing));
        }
        items.push(Item { start: at, body, end, major, argument });
        at = end;
        while missing == 0
            && let Some((outer, missing)) = open.last_mut()
        {
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            items[*outer].end = at;
            open.pop();
        }
    }
    open.iter().for_each(|(outer, _)| items[*outer].end = input.len());
    items
}

/// Major type, argument and the place behind the head at `at`.
fn read_head(input: &[u8], at: usize) -> Option<(u8, u64, usize)> {
    let first = *input.get(at)?;
    let (major, info) = (first >> 5, first & 31);
    let width = match info {
        0..24 => return Some((major, u64::from(info), at + 1)),
        24..28 => 1 << (info - 24),
        31 => return Some((major, 0, at + 1)),
        _ => return None,
    };
    let bytes = input.get(at + 1..at + 1 + width)?;
    let argument = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((major, argument, at + 1 + width))
}

/// The place behind the item at `at`, if all of it is there.
fn end_of(input: &[u8], mut at: usize) -> Option<usize> {
    let mut missing: u64 = 1;
    while missing > 0 {
        let (major, argument, body) = read_head(input, at)?;
        at = body;
        missing -= 1;
        match major {
            2 | 3 => {
                at = at.checked_add(usize::try_from(argument).ok()?).filter(|end| *end <= input.len())?
            }
            4 => missing = missing.checked_add(argument)?,
            5 => missing = missing.checked_add(argument.checked_mul(2)?)?,
            6 => missing += 1,
            _ => {}
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_with_their_ends() {
        // {0: h'0102', 1: [5, 6]}
        let input = [0xa2, 0x00, 0x42, 1, 2, 0x01, 0x82, 5, 6];
        let places: Vec<_> = items(&input).iter().map(|item| (item.start, item.end)).collect();
        assert_eq!(places, [(0, 9), (1, 2), (2, 5), (5, 6), (6, 9), (7, 8), (8, 9)]);
        assert_eq!(end_of(&[0x82, 1], 0), None);
        assert_eq!(end_of(&[0x5b, 255, 255, 255, 255, 255, 255, 255, 255], 0), None);
    }

    #[test]
    fn a_change_within_a_string_keeps_the_lengths_around_it_right() {
        // h'a100820102' as a string in a list.
        let input = [0x81, 0x45, 0xa1, 0x00, 0x82, 1, 2];
        let mut whole = 0;
        for seed in 0..500 {
            let mut changed = input.to_vec();
            mutate(&mut changed, &[], &mut Rng::new(seed));
            let inner = changed.len() > 2 && changed[0] == 0x81 && changed[2..] != input[2..];
            whole += usize::from(inner && end_of(&changed, 0) == Some(changed.len()));
        }
        assert!(whole > 50, "{whole} of 500 reach the inside and are whole");
    }
}
