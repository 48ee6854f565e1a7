//! Auditing.
mod frontier;
pub(crate) use frontier::Frontier;
