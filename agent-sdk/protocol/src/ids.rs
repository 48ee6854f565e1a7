//! Newtypes for identifiers and counts, so that a view is never taken for a sequence.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// A text that does not name an identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseIdError {
    /// It has another form.
    #[error("{value:?} is not {what}: expected 0x and {digits} hex digits")]
    Form {
        /// What was expected.
        what: &'static str,
        /// What was given.
        value: String,
        /// How many hex digits the identifier has.
        digits: usize,
    },
    /// An address in capital and small letters that are not those of its checksum (ERC-55).
    #[error(
        "{value} has the wrong checksum (ERC-55): a letter or digit of it is likely wrong. Compare it with where it is from"
    )]
    Checksum {
        /// What was given.
        value: String,
    },
}

impl ParseIdError {
    fn form(what: &'static str, value: &str, digits: usize) -> Self {
        Self::Form { what, value: value.chars().take(80).collect(), digits }
    }
}

/// Reads an address as people write it: all letters small, all of them capital, or as its checksum has them
/// ([ERC-55](https://eips.ethereum.org/EIPS/eip-55)). In other mixtures something was mistyped or tampered with.
///
/// # Errors
/// For another form, and for a checksum that does not fit.
pub fn parse_address(text: &str) -> Result<Address, ParseIdError> {
    let form = || ParseIdError::form("an address", text, 40);
    let digits = text.strip_prefix("0x").ok_or_else(form)?;
    let address: Address = text.parse().map_err(|_| form())?;
    let letters = || digits.bytes().filter(u8::is_ascii_alphabetic);
    let is_mixed = letters().any(|c| c.is_ascii_uppercase()) && letters().any(|c| c.is_ascii_lowercase());
    if is_mixed && address.to_checksum(None) != text {
        return Err(ParseIdError::Checksum { value: text.into() });
    }
    Ok(address)
}

/// Reads 32 bytes: 64 hexadecimal digits behind `0x`.
fn parse_hash(text: &str, what: &'static str) -> Result<B256, ParseIdError> {
    let form = || ParseIdError::form(what, text, 64);
    if !text.starts_with("0x") {
        return Err(form());
    }
    text.parse().map_err(|_| form())
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident($inner:ty, $len:literal), $what:literal, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The identifier's bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(<$inner>::from(bytes))
            }
        }

        impl From<$inner> for $name {
            fn from(inner: $inner) -> Self {
                Self(inner)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let parse: fn(&str) -> Result<$inner, ParseIdError> = $parse;
                parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(self.as_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes: [u8; $len] = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| DecodeError::message(concat!($what, " has the wrong length")))?;
                Ok(Self::from(bytes))
            }
        }

        impl<C> CborLen<C> for $name {
            fn cbor_len(&self, _: &mut C) -> usize {
                $len + if $len < 24 { 1 } else { 2 }
            }
        }
    };
}

byte_id!(
    /// A group: the parties that decide together. Unique over all chains and contracts, because the
    /// contract derives it from its chain id, its own address, the creator, a salt, and what the group is made of (see
    /// [`crate::group::group_id`]).
    GroupId(B256, 32),
    "group id",
    |text| parse_hash(text, "a group id")
);
byte_id!(
    /// An agent: the address of its secp256k1 account.
    AgentId(Address, 20),
    "agent address",
    parse_address
);
byte_id!(
    /// A proposal, the same in the on-chain and the anchored lane (see [`crate::proposal::proposal_id`]).
    ProposalId(B256, 32),
    "proposal id",
    |text| parse_hash(text, "a proposal id")
);
byte_id!(
    /// A SHA-256 digest.
    Digest(B256, 32),
    "digest",
    |text| parse_hash(text, "a digest")
);

impl Digest {
    /// SHA-256 over the concatenation of `parts`.
    pub fn of(parts: &[&[u8]]) -> Self {
        use sha2::{Digest as _, Sha256};
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(B256::from_slice(&hasher.finalize()))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($(#[$field:meta])* $inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode,
            Decode, CborLen,
        )]
        #[serde(transparent)]
        #[cbor(transparent)]
        pub struct $name($(#[$field])* #[n(0)] pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! count {
    ($(#[$doc:meta])* $name:ident($(#[$field:meta])* $inner:ty)) => {
        number!($(#[$doc])* $name($(#[$field])* $inner));

        impl $name {
            /// The count that follows.
            ///
            /// # Panics
            /// On overflow, which bounded protocols never reach.
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect(concat!(stringify!($name), " is bounded")))
            }
        }
    };
}

count!(
    /// A PBFT view; its primary is replica `view mod n`.
    View(u64)
);
count!(
    /// The position of a batch in PBFT's order. The first batch has sequence 1; 0 is the genesis.
    Sequence(u64)
);
number!(
    /// A period with one fixed set of replicas: `era << 32 | number`.
    ///
    /// Epochs of one era follow each other by handovers, from number 0. The era is 0 until the voters replace dead
    /// replicas, which begins the next one.
    Epoch(u64)
);
count!(
    /// The position of an entry in the log, counted from 0.
    EntryIndex(u64)
);
count!(
    /// An agent's own number for a command. It names the command for exactly-once execution.
    Nonce(#[serde(with = "crate::decimal")] u64)
);
count!(
    /// A replica's position among the epoch's replicas, which are sorted by address.
    ReplicaIndex(u16)
);
count!(
    /// Milliseconds since the Unix epoch.
    TimestampMs(u64)
);

impl Epoch {
    /// The epoch with this number in an era.
    pub fn of(era: u32, number: u32) -> Self {
        Self(u64::from(era) << 32 | u64::from(number))
    }

    /// How often the voters have replaced dead replicas.
    pub fn era(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The epoch's number in its era.
    pub fn number(self) -> u32 {
        self.0 as u32
    }

    /// The epoch that follows by a handover.
    ///
    /// # Panics
    /// When the era is out of numbers, which takes four thousand million handovers.
    pub fn next(self) -> Self {
        Self::of(self.era(), self.number().checked_add(1).expect("the epochs of an era are bounded"))
    }

    /// The epoch that follows when the voters replace the replicas: the first of the next era.
    ///
    /// # Panics
    /// When there is no further era.
    pub fn next_era(self) -> Self {
        Self::of(self.era().checked_add(1).expect("eras are bounded"), 0)
    }

    /// The epoch before it in its era; nothing for the first, which no other handed over to.
    pub fn before(self) -> Option<Self> {
        let number = self.number().checked_sub(1)?;
        Some(Self::of(self.era(), number))
    }
}

impl TimestampMs {
    /// This time plus `ms`, saturating.
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time, 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl View {
    /// The primary of this view among `replicas` replicas (Castro & Liskov: p = v mod |R|).
    pub fn primary(self, replicas: usize) -> ReplicaIndex {
        let index = self.0 % replicas as u64;
        ReplicaIndex(u16::try_from(index).expect("a group has at most 64 replicas"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_parse_what_they_print() {
        let agent = AgentId::from([0xab; 20]);
        assert_eq!(agent.to_string().parse::<AgentId>(), Ok(agent));
        assert_eq!(serde_json::from_str::<AgentId>(&serde_json::to_string(&agent).unwrap()).unwrap(), agent);
        let group = GroupId::from([7; 32]);
        assert_eq!(group.to_string().parse::<GroupId>(), Ok(group));
    }

    #[test]
    fn a_wrong_length_is_refused_with_what_was_expected() {
        let error = "0x12".parse::<GroupId>().expect_err("two digits are no group id");
        assert_eq!(error.to_string(), "\"0x12\" is not a group id: expected 0x and 64 hex digits");
        assert!(minicbor::decode::<AgentId>(&[0x42, 1, 2]).is_err());
    }

    /// The examples of ERC-55, and each of them with the case of one letter or one digit changed.
    #[test]
    fn an_address_in_mixed_case_has_its_checksum() {
        for good in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let agent: AgentId = good.parse().unwrap();
            for plain in [good.to_lowercase(), format!("0x{}", good[2..].to_uppercase())] {
                assert_eq!(plain.parse::<AgentId>(), Ok(agent));
            }
            for at in 2..good.len() {
                let mut bytes = good.as_bytes().to_vec();
                bytes[at] = match bytes[at] {
                    c if c.is_ascii_alphabetic() => c ^ 0x20,
                    c => b'0' + (c - b'0' + 1) % 10,
                };
                let bad = String::from_utf8(bytes).unwrap();
                let refused = Err(ParseIdError::Checksum { value: bad.clone() });
                assert_eq!(bad.parse::<AgentId>(), refused, "at {at}");
                assert!(serde_json::from_str::<AgentId>(&format!("\"{bad}\"")).is_err());
            }
        }
        for text in [
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            "0x",
            "",
        ] {
            assert!(matches!(text.parse::<AgentId>(), Err(ParseIdError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn an_epoch_is_an_era_and_a_number() {
        assert_eq!(Epoch(0).next(), Epoch(1));
        let epoch = Epoch::of(3, 7);
        assert_eq!((epoch, epoch.era(), epoch.number()), (Epoch(3 << 32 | 7), 3, 7));
        assert_eq!((epoch.next(), epoch.next_era()), (Epoch::of(3, 8), Epoch::of(4, 0)));
        assert!(epoch.next() < epoch.next_era());
        assert_eq!((epoch.next().before(), epoch.next_era().before()), (Some(epoch), None));
    }

    #[test]
    #[should_panic = "bounded"]
    fn the_last_epoch_of_an_era_is_followed_by_none() {
        Epoch::of(0, u32::MAX).next();
    }

    #[test]
    fn the_primary_rotates() {
        assert_eq!(View(0).primary(4), ReplicaIndex(0));
        assert_eq!(View(7).primary(4), ReplicaIndex(3));
    }
}
