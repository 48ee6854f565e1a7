//! What the state machine claims, checked from outside through its public API.
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests does not reach their fixtures")]

mod classes;
mod epoch;
mod era;
mod events;
mod fixture;
mod history;
mod inbox;
mod mandates;
mod members;
mod properties;
mod proposals;
mod replies;
mod scene;
