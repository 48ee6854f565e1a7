//! The chain side of a node.
pub mod core;
mod settings;

pub use settings::{InvalidSetting, Settings};
