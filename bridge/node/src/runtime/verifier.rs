//! The API's way to the verify pool.

use quorate_protocol::{SignedCommand, Verified};

use crate::api::{CommandVerifier, Verdict, VerifyError};
use crate::verify_pool::VerifyPool;

/// Checks clients' commands in the pool that also checks the peers' messages.
pub(super) struct PooledVerifier(pub(super) VerifyPool);

impl CommandVerifier for PooledVerifier {
    fn verify(&self, command: SignedCommand) -> Verdict<'_> {
        Box::pin(async move {
            if !self.0.knows(&command) {
                if self.0.check(vec![command.signature_check()]).await != [true] {
                    return Err(VerifyError::BadSignature);
                }
                self.0.remember(&command);
            }
            // The caller checked the shape, the pool the only signature.
            Ok(Verified::vouch(command))
        })
    }
}
