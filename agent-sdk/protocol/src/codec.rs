//! Deterministic CBOR (RFC 8949 section 4.2) with integer keys.
//!
//! A value has exactly one encoding: [`decode`] refuses bytes that do not re-encode to themselves, which
//! rules out indefinite lengths, non-minimal integers, unsorted or repeated keys, unknown fields and
//! trailing bytes at once. Lists are bounded while they are read, so a hostile length costs nothing.

use minicbor::decode::Error as DecodeError;
use minicbor::{Decode, Decoder, Encode};

/// Why bytes were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// More bytes than the type may have.
    #[error("{len} bytes, at most {max} are allowed")]
    TooLong {
        /// What was given.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not CBOR of the expected shape.
    #[error("malformed: {0}")]
    Malformed(String),
    /// CBOR of the expected shape, but not the one deterministic encoding of its value.
    #[error("not the deterministic encoding of its value")]
    NotCanonical,
}

/// The one encoding of `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory cannot fail")
}

/// Reads a `T` from at most `max` bytes, which must be its one encoding.
pub fn decode<T>(bytes: &[u8], max: usize) -> Result<T, CodecError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > max {
        return Err(CodecError::TooLong { len: bytes.len(), max });
    }
    // No value has such an encoding, and a decoder that skips one keeps 16 bytes for each byte of it.
    if has_indefinite_length(bytes) {
        return Err(CodecError::NotCanonical);
    }
    let value: T = minicbor::decode(bytes).map_err(|error| CodecError::Malformed(error.to_string()))?;
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Whether an item of indefinite length (RFC 8949 section 3.2) stands anywhere in `bytes`. Looks at heads alone and
/// keeps nothing; where the bytes are no CBOR, that is the decoder's to say.
fn has_indefinite_length(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (major, info) = (first >> 5, first & 0x1f);
        let width = match info {
            0..24 => 0,
            24..28 => 1 << (info - 24),
            31 => return true,
            _ => return false,
        };
        let Some((argument, after)) = after.split_at_checked(width) else { return false };
        rest = after;
        if major == 2 || major == 3 {
            let length = argument.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
            let length = if width == 0 { u64::from(info) } else { length };
            let Some(after) = usize::try_from(length).ok().and_then(|length| rest.get(length..)) else {
                return false;
            };
            rest = after;
        }
    }
    false
}

/// Reads a list of at most `MAX` elements; for `#[cbor(decode_with = "…")]`.
pub fn bounded_list<'b, T, Ctx, const MAX: usize>(
    d: &mut Decoder<'b>,
    ctx: &mut Ctx,
) -> Result<Vec<T>, DecodeError>
where
    T: Decode<'b, Ctx>,
{
    let position = d.position();
    let length = d.array()?.ok_or_else(|| DecodeError::message("indefinite list").at(position))?;
    if length > MAX as u64 {
        return Err(DecodeError::message("list is too long").at(position));
    }
    (0..length).map(|_| T::decode(d, ctx)).collect()
}

/// Reads a byte string of at most `MAX` bytes; for `#[cbor(decode_with = "…")]`.
pub fn bounded_bytes<Ctx, const MAX: usize>(
    d: &mut Decoder<'_>,
    _: &mut Ctx,
) -> Result<Vec<u8>, DecodeError> {
    let position = d.position();
    let bytes = d.bytes()?;
    if bytes.len() > MAX {
        return Err(DecodeError::message("byte string is too long").at(position));
    }
    Ok(bytes.to_vec())
}

/// Reads a text of at most `MAX` bytes; for `#[cbor(decode_with = "…")]`.
pub fn bounded_text<Ctx, const MAX: usize>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<String, DecodeError> {
    let position = d.position();
    let text = d.str()?;
    if text.len() > MAX {
        return Err(DecodeError::message("text is too long").at(position));
    }
    Ok(text.to_owned())
}

/// A 256-bit unsigned integer as its 32 big-endian bytes; for `#[cbor(with = "…")]`.
pub mod u256 {
    use alloy_primitives::U256;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the 32 bytes.
    pub fn encode<Ctx, W: Write>(
        value: &U256,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&value.to_be_bytes::<32>())?.ok()
    }

    /// Reads the 32 bytes.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<U256, DecodeError> {
        let bytes: [u8; 32] =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("a 256-bit integer has 32 bytes"))?;
        Ok(U256::from_be_bytes(bytes))
    }
}

/// A 128-bit unsigned integer as its 16 big-endian bytes; for `#[cbor(with = "…")]`.
pub mod u128 {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the 16 bytes.
    pub fn encode<Ctx, W: Write>(
        value: &::core::primitive::u128,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&value.to_be_bytes())?.ok()
    }

    /// Reads the 16 bytes.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<::core::primitive::u128, DecodeError> {
        let bytes: [u8; 16] =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("a 128-bit integer has 16 bytes"))?;
        Ok(::core::primitive::u128::from_be_bytes(bytes))
    }
}

/// A hash as its 32 bytes; for `#[cbor(with = "…")]`.
pub mod hash {
    use alloy_primitives::B256;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the 32 bytes.
    pub fn encode<Ctx, W: Write>(
        value: &B256,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.as_slice())?.ok()
    }

    /// Reads the 32 bytes.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<B256, DecodeError> {
        let bytes: [u8; 32] =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("a hash has 32 bytes"))?;
        Ok(B256::from(bytes))
    }
}

/// A function's selector as its four bytes; for `#[cbor(with = "…")]`.
pub mod selector {
    use alloy_primitives::Selector;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// Writes the four bytes.
    pub fn encode<Ctx, W: Write>(
        value: &Selector,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.as_slice())?.ok()
    }

    /// Reads the four bytes.
    pub fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<Selector, DecodeError> {
        let bytes: [u8; 4] =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("a selector has four bytes"))?;
        Ok(Selector::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Sample {
        #[n(0)]
        number: u64,
        #[cbor(n(1), decode_with = "bounded_list::<u8, Ctx, 3>")]
        list: Vec<u8>,
    }

    fn sample() -> Sample {
        Sample { number: 5, list: vec![1, 2, 3] }
    }

    #[test]
    fn a_value_survives_the_round_trip() {
        assert_eq!(decode(&encode(&sample()), 64), Ok(sample()));
    }

    #[test]
    fn every_other_encoding_of_the_same_value_is_refused() {
        let others: [&[u8]; 5] = [
            &[0xa2, 0x00, 0x18, 0x05, 0x01, 0x83, 1, 2, 3], // non-minimal integer
            &[0xa2, 0x01, 0x83, 1, 2, 3, 0x00, 0x05],       // unsorted keys
            &[0xbf, 0x00, 0x05, 0x01, 0x83, 1, 2, 3, 0xff], // indefinite map
            &[0xa2, 0x00, 0x05, 0x01, 0x83, 1, 2, 3, 0x00], // trailing byte
            &[0xa3, 0x00, 0x05, 0x01, 0x83, 1, 2, 3, 0x02, 0x00], // unknown field
        ];
        for bytes in others {
            assert!(decode::<Sample>(bytes, 64).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn indefinite_lengths_are_found_wherever_they_stand_and_nowhere_else() {
        let with: [&[u8]; 4] =
            [&[0x9f, 0xff], &[0xa1, 0x18, 0x63, 0x82, 0x00, 0xbf], &[0x42, 0x9f, 0x9f, 0x5f], &[0xff]];
        for bytes in with {
            assert!(has_indefinite_length(bytes), "{bytes:02x?}");
        }
        let without: [&[u8]; 6] = [
            &[],
            &[0x42, 0x9f, 0xff],
            &[0x19, 0x9f, 0xff],
            &[0x58, 0x01, 0x9f],
            &[0x58, 0x09, 0x9f],
            &[0x1c, 0x9f],
        ];
        for bytes in without {
            assert!(!has_indefinite_length(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn bounds_hold_before_anything_is_allocated() {
        let huge_list = [0xa2, 0x00, 0x05, 0x01, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(decode::<Sample>(&huge_list, 64), Err(CodecError::Malformed(_))));
        assert_eq!(decode::<Sample>(&[0; 65], 64), Err(CodecError::TooLong { len: 65, max: 64 }));
    }
}
