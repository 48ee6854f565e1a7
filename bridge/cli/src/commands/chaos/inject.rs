//! Injecting faults into a running network, and healing them.

use std::time::{Duration, Instant};

use alloy::providers::Provider as _;
use quorate_protocol::Epoch;
use rustix::process::Signal;

use super::fault::Kind;
use super::judges::liveness::Bounds;
use super::load::Load;
use super::report::Injected;
use super::schedule::{Chance, Step, Target};
use super::watch::{Sights, Watch};
use crate::chain::{self, unreachable_chain};
use crate::error::CliError;
use crate::network::fabric::{Fabric, Shape};
use crate::network::running::Network;
use crate::network::wait::{Look, wait_for};

/// What must be back by when. The rejoin of a node that lost everything takes the transfer of the whole log.
pub(super) const BOUNDS: Bounds = Bounds { recovery_ms: 30_000.0, rejoin_ms: 60_000.0 };
/// How long a node is waited for that has the others' log and does not take part. One that asked for a view alone
/// follows the others until they change the view, too, so this is measured and not objected to.
const READY_PATIENCE: Duration = Duration::from_secs(12);
/// How long the nodes may take to agree on who leads.
const PRIMARY_LIMIT: Duration = Duration::from_secs(20);
/// The most blocks that a reorganisation replaces.
const DEEPEST_REORG: u64 = 3;
/// A flapping link stays as it is for at least so many milliseconds, and less than twice as many more.
const FLAP_MS: u64 = 100;

/// When a fault was there, and when it was taken away.
#[derive(Clone, Copy, Debug)]
struct Moments {
    began: f64,
    healed: f64,
}

/// What faults are injected into.
pub(super) struct Injector {
    pub(super) network: Network,
    pub(super) fabric: Option<Fabric>,
    pub(super) load: Load,
    pub(super) watch: Watch,
    /// How many times a node's process was started again.
    pub(super) restarts: usize,
}

impl Injector {
    /// Injects a fault, heals it, and waits until everything is back. Whatever goes wrong on the way is the result's
    /// trouble.
    pub(super) async fn play(&mut self, step: Step) -> Injected {
        let mut injected = Injected::begun(step, self.load.now());
        if let Err(error) = self.play_to_the_end(&mut injected).await {
            injected.trouble = Some(error.to_string());
            self.clear_up();
        }
        injected
    }

    async fn play_to_the_end(&mut self, injected: &mut Injected) -> Result<(), CliError> {
        let step = injected.step;
        let primary = self.primary().await?;
        let node = match step.target {
            Some(Target::Node(node)) => node,
            Some(Target::Primary) | None => primary,
        };
        if step.target.is_some() {
            injected.node = Some(node + 1);
            injected.was_primary = node == primary;
        }
        let Moments { began, healed } = self.inject(step, node).await?;
        injected.at_ms = began;
        injected.lasted_ms = healed - began;
        let since = Instant::now();
        let at_heal = self.watch.sights().longest();
        let anchored = |sights: &Sights| sights.now.iter().flatten().any(|seen| seen.anchored >= at_heal);
        let back = |sights: &Sights| match step.kind.befalls_the_chain() {
            true => anchored(sights),
            false => sights.all_since(since, |seen| seen.size >= at_heal),
        };
        let ready = |sights: &Sights| sights.all_since(since, |seen| seen.ready);
        let (load, limit) = (self.load.clone(), milliseconds(BOUNDS.rejoin_ms));
        let rejoined = async {
            let rejoined = self.until("everything being back", limit, back).await;
            let rejoined = rejoined.map(|()| self.load.now() - healed);
            let ready = self.until("every node being ready", READY_PATIENCE, ready).await;
            (rejoined, ready.ok().map(|()| self.load.now() - healed))
        };
        let ((rejoined, ready), ()) = tokio::join!(rejoined, await_acknowledgement(&load, healed));
        injected.ready_ms = ready;
        let from = if step.kind.stops_the_group() { healed } else { began };
        let history = load.history();
        injected.recovery_ms = history.recovery(from);
        injected.after_heal_ms = history.recovery(healed);
        injected.rejoin_ms = Some(rejoined?);
        Ok(())
    }

    /// Injects and heals.
    async fn inject(&mut self, step: Step, node: usize) -> Result<Moments, CliError> {
        let hold = Duration::from_millis(step.hold_ms);
        let began = match step.kind {
            Kind::Kill => {
                self.network.kill(node).await?;
                let began = self.last(hold).await;
                self.relaunch(node)?;
                began
            }
            Kind::KillAll => {
                for node in 0..self.network.nodes().len() {
                    self.network.kill(node).await?;
                }
                let began = self.load.now();
                for node in 0..self.network.nodes().len() {
                    self.relaunch(node)?;
                }
                began
            }
            Kind::Pause => {
                self.network.signal(node, Signal::STOP)?;
                let began = self.last(hold).await;
                self.network.signal(node, Signal::CONT)?;
                began
            }
            Kind::Wipe => return self.wipe(node).await,
            Kind::ChainDown => {
                self.network.stop_chain().await?;
                let began = self.last(hold).await;
                self.network.restart_chain().await?;
                began
            }
            Kind::Reorg => {
                self.reorganise(1 + step.chance % DEEPEST_REORG).await?;
                self.load.now()
            }
            Kind::Isolate | Kind::Halves | Kind::Mute | Kind::Flap | Kind::Lossy | Kind::Narrow => {
                self.disturb_links(step, node).await?
            }
        };
        Ok(Moments { began, healed: self.load.now() })
    }

    /// Lets a fault that is there now last so long. Tells when it began.
    async fn last(&self, hold: Duration) -> f64 {
        let began = self.load.now();
        tokio::time::sleep(hold).await;
        began
    }

    /// Injects a fault of links and heals it. Tells when it began.
    async fn disturb_links(&mut self, step: Step, node: usize) -> Result<f64, CliError> {
        let nodes = self.network.nodes().len();
        let hold = Duration::from_millis(step.hold_ms);
        let mut fabric = self.fabric.take().expect("faults of links are scheduled with a fabric only");
        let done = self.disturb(&mut fabric, step, node, nodes, hold).await;
        self.fabric = Some(fabric);
        done
    }

    async fn disturb(
        &self,
        fabric: &mut Fabric,
        step: Step,
        node: usize,
        nodes: usize,
        hold: Duration,
    ) -> Result<f64, CliError> {
        let began = match step.kind {
            Kind::Isolate => {
                fabric.plug(node, false)?;
                let began = self.last(hold).await;
                fabric.plug(node, true)?;
                began
            }
            Kind::Halves => {
                let half = half_with(node, nodes, step.chance);
                for (from, to) in pairs(nodes) {
                    if half.contains(&from) != half.contains(&to) {
                        fabric.cut(from, to)?;
                    }
                }
                let began = self.last(hold).await;
                fabric.mend_cuts()?;
                began
            }
            Kind::Mute => {
                for (from, to) in pairs(nodes).filter(|(from, _)| *from == node) {
                    fabric.cut(from, to)?;
                }
                let began = self.last(hold).await;
                fabric.mend_cuts()?;
                began
            }
            Kind::Flap => {
                fabric.plug(node, false)?;
                let began = self.load.now();
                flap(fabric, node, hold, step.chance).await?;
                began
            }
            kind => {
                fabric.shape(node, if kind == Kind::Lossy { Shape::Lossy } else { Shape::Narrow })?;
                let began = self.last(hold).await;
                fabric.unshape(node)?;
                began
            }
        };
        Ok(began)
    }

    /// Undoes whatever a fault that went wrong half-way may have left.
    fn clear_up(&mut self) {
        if let Some(fabric) = &mut self.fabric {
            // What was not done cannot be undone.
            let _ = fabric.mend_cuts();
            for node in 0..self.network.nodes().len() {
                let _ = fabric.plug(node, true);
                let _ = fabric.unshape(node);
            }
        }
        for node in 0..self.network.nodes().len() {
            let _ = self.network.signal(node, Signal::CONT);
            if !self.network.nodes()[node].is_up() {
                let _ = self.relaunch(node);
            }
        }
    }

    fn relaunch(&mut self, node: usize) -> Result<(), CliError> {
        self.restarts += 1;
        self.network.launch(node)
    }

    /// Takes from a node all that it remembers, waits until it follows the others, and renews the members.
    async fn wipe(&mut self, node: usize) -> Result<Moments, CliError> {
        self.network.kill(node).await?;
        let began = self.load.now();
        self.network.wipe(node)?;
        let size = self.watch.sights().longest();
        self.relaunch(node)?;
        let healed = self.load.now();
        let limit = milliseconds(BOUNDS.rejoin_ms);
        let follows = |sights: &Sights| sights.now[node].as_ref().is_some_and(|seen| seen.size >= size);
        self.until("the wiped node following the others", limit, follows).await?;
        let epoch = |sights: &Sights| sights.now.iter().flatten().map(|seen| seen.epoch).max();
        let before = epoch(&self.watch.sights()).unwrap_or(Epoch(0));
        self.load.renew_members().await?;
        let renewed = |sights: &Sights| {
            sights.now.iter().all(|seen| seen.as_ref().is_some_and(|seen| seen.epoch > before))
        };
        self.until("the new epoch on every node", limit, renewed).await?;
        Ok(Moments { began, healed })
    }

    async fn reorganise(&self, depth: u64) -> Result<(), CliError> {
        let provider = chain::connect(self.network.rpc_url())?;
        let parameters = (depth, Vec::<u64>::new());
        let done = provider.raw_request::<_, ()>("anvil_reorg".into(), parameters).await;
        done.map_err(|error| unreachable_chain(format!("the chain cannot be reorganised: {error}")))
    }

    /// Waits until what is seen of the nodes is as wanted. Fails when a node ends by itself.
    pub(super) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Sights) -> bool,
    ) -> Result<(), CliError> {
        let (network, watch) = (&mut self.network, &self.watch);
        wait_for(what, limit, async || {
            network.check_nodes()?;
            let sights = watch.sights();
            let words = || {
                let each = sights.now.iter().map(|seen| match seen {
                    Some(seen) => {
                        format!("{} entries, epoch {}, ready: {}", seen.size, seen.epoch, seen.ready)
                    }
                    None => "no answer".into(),
                });
                each.collect::<Vec<_>>().join("; ")
            };
            Ok(if wanted(&sights) { Look::Found(()) } else { Look::NotYet(words()) })
        })
        .await
    }

    /// The position of the node that leads.
    async fn primary(&self) -> Result<usize, CliError> {
        let nodes = self.network.nodes();
        let quorum = (nodes.len() + (nodes.len() - 1) / 3) / 2 + 1;
        wait_for("agreement on who leads", PRIMARY_LIMIT, async || {
            let node = self.watch.primary(quorum).and_then(|agent| {
                nodes.iter().position(|node| self.network.members[node.member].agent.id() == agent)
            });
            Ok(node.map_or_else(|| Look::NotYet("the nodes name different ones".into()), Look::Found))
        })
        .await
    }
}

/// Waits for a command that was sent after `from` to be acknowledged. None within the limit is left for the judge to
/// object to.
async fn await_acknowledgement(load: &Load, from: f64) {
    let _ = wait_for("a command acknowledged after the heal", milliseconds(BOUNDS.recovery_ms), async || {
        Ok(match load.history().recovery(from) {
            Some(_) => Look::Found(()),
            None => Look::NotYet("none is".into()),
        })
    })
    .await;
}

fn milliseconds(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1_000.0)
}

/// Pulls a cable and plugs it in again until `hold` is over; it is plugged in at the end.
async fn flap(fabric: &Fabric, node: usize, hold: Duration, seed: u64) -> Result<(), CliError> {
    let mut chance = Chance::new(seed);
    let end = tokio::time::Instant::now() + hold;
    while tokio::time::Instant::now() < end {
        for plugged in [false, true] {
            fabric.plug(node, plugged)?;
            tokio::time::sleep(Duration::from_millis(FLAP_MS + chance.below(2 * FLAP_MS))).await;
        }
    }
    Ok(())
}

/// All ordered pairs of nodes.
fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |from| (0..nodes).filter(move |to| *to != from).map(move |to| (from, to)))
}

/// Half of the nodes, `node` among them.
fn half_with(node: usize, nodes: usize, chance: u64) -> Vec<usize> {
    let shift = 1 + (chance % (nodes as u64 - 1)) as usize;
    let mut others: Vec<usize> = (0..nodes).filter(|other| *other != node).collect();
    others.rotate_left(shift % (nodes - 1));
    others.truncate(nodes / 2 - 1);
    others.push(node);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_has_half_of_the_nodes_and_any_partner() {
        let mut partners = [0; 4];
        for chance in 0..3 {
            let half = half_with(2, 4, chance);
            assert_eq!(half.len(), 2);
            assert!(half.contains(&2));
            half.iter().for_each(|node| partners[*node] += 1);
        }
        assert_eq!(partners, [1, 1, 3, 1]);
    }

    #[test]
    fn pairs_have_both_directions_and_nobody_with_itself() {
        let all: Vec<_> = pairs(3).collect();
        assert_eq!(all, [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
    }
}
