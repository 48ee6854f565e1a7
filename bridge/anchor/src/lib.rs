//! Anchor
