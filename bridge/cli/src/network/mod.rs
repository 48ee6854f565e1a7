//! A whole network on one machine: a chain, the contract, a group and its nodes, each in a process of its own.
//!
//! What is started here is stopped here. Every child watches its standard input and ends when it closes, which
//! the operating system does whatever becomes of this process: an orderly end, a panic or a SIGKILL. Nodes do
//! so themselves (`quorate node run --exit-with-stdin`); anvil runs under a guard that does it for anvil
//! (`quorate guard`, hidden from the help).
//!
//! | module | what lives in it |
//! |---|---|
//! | [`layout`] | directories and ports |
//! | [`node_config`] | the nodes' configuration files |
//! | [`process`] | a child process: start, watch, stop, kill |
//! | [`lifeline`] | the end of standard input, for the child's side |
//! | [`anvil`] | finding and starting the chain |
//! | [`founding`] | the contract and the group |
//! | [`fabric`] | network namespaces, whose links can be cut |
//! | [`running`] | the network as a whole |
//! | [`terms`] | what its group agrees on |
//! | [`wait`] | polling a condition within a limit |

pub(crate) mod anvil;
pub(crate) mod fabric;
pub(crate) mod founding;
pub(crate) mod layout;
pub(crate) mod lifeline;
pub(crate) mod node_config;
pub(crate) mod process;
pub(crate) mod running;
pub(crate) mod terms;
pub(crate) mod wait;
