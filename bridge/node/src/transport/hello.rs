//! The first thing that both ends of a link say.

use std::io;

use minicbor::{Decode, Encode};
use quorate_protocol::codec::{self, CodecError};
use quorate_protocol::{AgentId, Epoch, GroupIdentity};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{SILENCE, framing};

/// The version of what follows a hello.
const PROTOCOL_VERSION: u64 = 1;
/// The most bytes of an encoded hello.
const MAX_HELLO_BYTES: usize = 256;

/// What a node says about itself. TLS has proved its key; this says what it means to talk about.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    #[n(0)]
    version: u64,
    #[n(1)]
    identity: GroupIdentity,
    /// For information: replicas that know each other's keys talk across epochs, or nobody could help one that
    /// is behind.
    #[n(2)]
    epoch: Epoch,
    #[n(3)]
    agent: AgentId,
}

impl Hello {
    /// This node's hello.
    pub fn new(identity: GroupIdentity, epoch: Epoch, agent: AgentId) -> Self {
        Self { version: PROTOCOL_VERSION, identity, epoch, agent }
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a hello; whether it is the right one is not checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_HELLO_BYTES)
    }

    /// The hello that `agent` should answer this node with.
    fn expected_of(&self, agent: AgentId) -> Self {
        Self { agent, ..self.clone() }
    }

    /// Says hello and hears the other end's, within [`SILENCE`]; both at once, so that each end learns what
    /// the other is even when it is refused. Returns the epoch that the other end is in.
    pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        peer: AgentId,
    ) -> io::Result<Epoch> {
        let heard = timeout(SILENCE, async {
            framing::write(stream, &self.encode()).await?;
            framing::read_short(stream, MAX_HELLO_BYTES).await
        })
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no hello came"))??;
        let heard = Self::decode(&heard)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("the hello is {error}")))?;
        heard.check(&self.expected_of(peer))?;
        Ok(heard.epoch)
    }

    fn check(&self, expected: &Self) -> io::Result<()> {
        let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.version != expected.version {
            return refuse(format!(
                "it speaks version {} of the peer protocol, this node version {}",
                self.version, expected.version
            ));
        }
        if self.identity != expected.identity {
            let (theirs, ours) = (self.identity.origin(), expected.identity.origin());
            return refuse(format!("it is a node of the group {theirs}, this is one of {ours}"));
        }
        if self.agent != expected.agent {
            return refuse(format!("it claims to be {}, its key is {}'s", self.agent, expected.agent));
        }
        Ok(())
    }
}
