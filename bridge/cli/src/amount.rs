//! Amounts of money as people write them.

use alloy::primitives::U256;
use alloy::primitives::utils::{ParseUnits, Unit, format_ether};

/// Reads an amount such as `2.5 ether`, `30 gwei` or `7 wei`. The unit must be named.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn parse(text: &str) -> Result<U256, String> {
    let refuse = || format!("{text:?} is not an amount: write a number and a unit, such as \"2.5 ether\"");
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refuse)?;
    let (number, unit) = (text[..at].trim(), text[at..].trim());
    let unit: Unit = match unit {
        "ether" | "eth" => Unit::ETHER,
        "gwei" => Unit::GWEI,
        "wei" => Unit::WEI,
        _ => return Err(refuse()),
    };
    // The parser below takes signs, underscores, empty and overlong fractions, which are slips here.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (number != whole && fraction.len() > usize::from(unit.get())) {
        return Err(refuse());
    }
    let parsed = ParseUnits::parse_units(number, unit).map_err(|_| refuse())?;
    Ok(parsed.get_absolute())
}

/// So many ether in wei.
pub(crate) fn whole_ether(ether: u64) -> U256 {
    U256::from(ether) * Unit::ETHER.wei()
}

/// An amount in ether, without needless zeros.
pub(crate) fn ether(wei: U256) -> String {
    let text = format_ether(wei);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} ether")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_unit() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(parse("2 ether"), Ok(ether * U256::from(2)));
        assert_eq!(parse(" 2.5eth "), Ok(ether * U256::from(5) / U256::from(2)));
        assert_eq!(parse("1.5 gwei"), Ok(U256::from(1_500_000_000)));
        assert_eq!(parse("7 wei"), Ok(U256::from(7)));
        assert_eq!(parse("0 ether"), Ok(U256::ZERO));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "2",
            "ether",
            "-1 ether",
            "+1 ether",
            "1.5 wei",
            "1 dollar",
            "1e3 ether",
            ".5 ether",
            "1. eth",
        ] {
            assert!(parse(text).is_err(), "{text:?} was read as {:?}", parse(text));
        }
    }

    #[test]
    fn amounts_are_shown_without_needless_zeros() {
        assert_eq!(super::ether(parse("12.5 ether").unwrap()), "12.5 ether");
        assert_eq!(super::ether(parse("40 ether").unwrap()), "40 ether");
        assert_eq!(super::ether(U256::ZERO), "0 ether");
    }
}
