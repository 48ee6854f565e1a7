//! The border between bytes from outside and the core.

use std::ops::Deref;

/// A value whose every signature has been checked.
///
/// The consensus core accepts nothing else from outside, so an unchecked message cannot reach it by
/// mistake. There is no way to mutate the value inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Vouches for `value`.
    ///
    /// The caller guarantees that it has checked the structure of `value` and every signature in it, or
    /// that it made the value itself. Each call site states which of the two it is.
    pub fn vouch(value: T) -> Self {
        Self(value)
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
