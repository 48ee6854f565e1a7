//! The connections of whom nobody knows yet who they are: bounded, and shared out fairly.
//!
//! Anybody can open connections to the peer port and say nothing. When there is no room for one more, the
//! oldest connection of the address with the most of them gives way. So a stranger that opens many displaces
//! its own, and a replica, whose handshake takes some round trips only, gets through.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::dial::Never;

/// The most connections whose key is not proved yet.
const MAX_HANDSHAKES: usize = 256;
/// Refused connections are told no more often, or strangers could fill the log.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// The handshakes that are under way.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    pending: Vec<Pending>,
    next: u64,
    refused: u64,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    id: u64,
    network: IpAddr,
    /// Dropping it ends the handshake.
    _stay: oneshot::Sender<Never>,
}

/// The place of one handshake, until it is dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    handshakes: Arc<Handshakes>,
    id: u64,
    /// Errs when the handshake must give way.
    pub(super) given_way: oneshot::Receiver<Never>,
}

const NOT_POISONED: &str = "nothing panics while it holds the handshakes";

impl Handshakes {
    /// Makes room for a handshake with `address`.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr) -> Handshake {
        let mut state = self.0.lock().expect(NOT_POISONED);
        if state.pending.len() >= MAX_HANDSHAKES {
            let at = state.dispensable();
            state.pending.remove(at);
        }
        let (stay, given_way) = oneshot::channel();
        let id = state.next;
        state.next += 1;
        state.pending.push(Pending { id, network: network(address), _stay: stay });
        Handshake { handshakes: Arc::clone(self), id, given_way }
    }

    /// Counts a refused connection. Now and then it returns how many there were since the last time.
    pub(super) fn count_refused(&self) -> Option<u64> {
        let mut state = self.0.lock().expect(NOT_POISONED);
        state.refused += 1;
        if state.told.is_some_and(|told| told.elapsed() < TELL_INTERVAL) {
            return None;
        }
        state.told = Some(Instant::now());
        Some(std::mem::take(&mut state.refused))
    }
}

impl State {
    /// The oldest handshake of a network that has the most.
    fn dispensable(&self) -> usize {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for pending in &self.pending {
            *counts.entry(pending.network).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let found = self.pending.iter().position(|pending| counts[&pending.network] == most);
        found.unwrap_or_default()
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut state = self.handshakes.0.lock().expect(NOT_POISONED);
        state.pending.retain(|pending| pending.id != self.id);
    }
}

/// What one party is likely to have as a whole: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn gave_way(handshake: &mut Handshake) -> bool {
        use oneshot::error::TryRecvError;
        matches!(handshake.given_way.try_recv(), Err(TryRecvError::Closed))
    }

    #[test]
    fn who_opens_many_displaces_its_own() {
        let handshakes = Arc::new(Handshakes::default());
        let mut honest = handshakes.begin(address(1));
        let mut flood: Vec<_> = (0..3 * MAX_HANDSHAKES).map(|_| handshakes.begin(address(2))).collect();
        let mut late = handshakes.begin(address(3));
        assert!(!gave_way(&mut honest) && !gave_way(&mut late));
        let gone: Vec<bool> = flood.iter_mut().map(gave_way).collect();
        let stay = MAX_HANDSHAKES - 2;
        assert!(gone[..gone.len() - stay].iter().all(|gone| *gone), "the oldest give way");
        assert!(!gone[gone.len() - stay..].contains(&true));
        assert_eq!(handshakes.0.lock().unwrap().pending.len(), MAX_HANDSHAKES);
        drop((honest, late, flood));
        assert!(handshakes.0.lock().unwrap().pending.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:0:0:2"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), address(1));
    }

    #[test]
    fn refusals_are_told_now_and_then() {
        let handshakes = Handshakes::default();
        assert_eq!(handshakes.count_refused(), Some(1));
        assert_eq!(handshakes.count_refused(), None);
        assert_eq!(handshakes.count_refused(), None);
        handshakes.0.lock().unwrap().told = Instant::now().checked_sub(TELL_INTERVAL);
        assert_eq!(handshakes.count_refused(), Some(3));
    }
}
