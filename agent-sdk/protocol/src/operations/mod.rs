//! The typed operations of each service, as a command carries them.
//!
//! What an operation does is in `quorate-services`; here is only what crosses the border between an agent
//! and the state machine.

pub mod inbox;
pub mod members;
pub mod proposals;

use crate::codec;
use crate::command::Operation;

/// An operation of a named service.
pub trait ServiceOperation: minicbor::Encode<()> {
    /// The service's name.
    const SERVICE: &'static str;

    /// The operation as a command carries it.
    fn to_operation(&self) -> Operation
    where
        Self: Sized,
    {
        Operation { service: Self::SERVICE.into(), body: codec::encode(self) }
    }
}
