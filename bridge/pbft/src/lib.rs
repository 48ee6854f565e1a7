//! PBFT
