//! A fetching node against servers, over stores in memory, in virtual time.

mod honest;
mod ledgers;
mod liars;
mod messages;
mod pace;
mod resume;
mod servers;
mod world;
