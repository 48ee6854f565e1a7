//! Whole numbers in JSON as strings of decimal digits, for `#[serde(with = "crate::decimal")]`.
//!
//! A number of JSON is a double to most who read it, JavaScript and jq among them: above 2^53 it loses its last digits,
//! silently (RFC 8259 section 6). So whatever may pass that is a string: salts, nonces, weights, amounts, gas, and
//! what an agent signs at will, such as a command's expiry. What cannot in any group's life stays a number: sizes, indexes,
//! sequences, epochs, times that a clock told.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// The pattern of such a string.
pub const PATTERN: &str = "^(0|[1-9][0-9]*)$";

/// The digits of 2^256 - 1, the most that any of them has.
const MAX_DIGITS: usize = 78;

/// Writes `value`, whose [`Display`] is decimal.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads what [`serialize`] writes: a string of digits without sign, blank or leading zero.
///
/// # Errors
/// For anything else, and where it is above what `T` holds.
pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Digits(PhantomData))
}

/// The same for an `Option` that is only written: `#[serde(serialize_with = "crate::decimal::option::serialize")]`.
pub mod option {
    use std::fmt::Display;

    use serde::Serializer;

    /// Writes `value`, or `null` for none.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }
}

struct Digits<T>(PhantomData<T>);

impl<T: FromStr> Visitor<'_> for Digits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number as a string of decimal digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_shortest = text == "0" || !text.starts_with('0');
        if !are_digits || !is_shortest || text.len() > MAX_DIGITS {
            return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self));
        }
        text.parse().map_err(|_| E::custom(format_args!("{text} is too large")))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Numbers {
        #[serde(with = "crate::decimal")]
        salt: u64,
        #[serde(with = "crate::decimal")]
        limit: u128,
        #[serde(with = "crate::decimal")]
        value: U256,
    }

    #[test]
    fn the_largest_keep_their_digits() {
        let numbers = Numbers { salt: u64::MAX, limit: u128::MAX, value: U256::MAX };
        let json = serde_json::to_string(&numbers).unwrap();
        assert!(json.starts_with(
            r#"{"salt":"18446744073709551615","limit":"340282366920938463463374607431768211455","value":"1157"#
        ));
        assert_eq!(serde_json::from_str::<Numbers>(&json).unwrap(), numbers);
    }

    #[test]
    fn nothing_but_the_shortest_digits_is_read() {
        let read = |salt: &str| {
            serde_json::from_str::<Numbers>(&format!(r#"{{"salt":{salt},"limit":"0","value":"0"}}"#))
        };
        assert_eq!(read(r#""7""#).unwrap().salt, 7);
        let nines = format!(r#""{}""#, "9".repeat(79));
        for salt in [
            "7",
            "7.0",
            r#""""#,
            r#""07""#,
            r#""+7""#,
            r#"" 7""#,
            r#""0x7""#,
            r#""18446744073709551616""#,
            &nines,
        ] {
            assert!(read(salt).is_err(), "{salt}");
        }
    }
}
