//! A fetching node against servers, over stores in memory, in virtual time.

mod honest;
mod liars;
mod messages;
mod resume;
mod servers;
mod world;
