//! A network of cables and a switch on one machine, whose links can be cut: Linux network namespaces.
//!
//! ```text
//! namespace quorate-PID-hub                        namespace quorate-PID-1 … N
//!   this process, anvil, 10.77.0.1 ── bridge ── port1 ═══ eth0, 10.77.0.11  node 1
//!                                          └─── port2 ═══ eth0, 10.77.0.12  node 2
//! ```
//!
//! This process moves into the hub, so nothing of it is to be seen from outside, two of them never meet, and no
//! address of the machine is taken. All goes by `ip` and `tc` of iproute2, and needs root.
//!
//! A direction from one node to another is cut at the sender: its entry for the receiver in the table of neighbours
//! names a hardware address that nobody has. So single directions and pairs can be cut while the node still reaches
//! the chain and its clients, and no packet filter is needed.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::CliError;
use crate::network::layout::{NodePorts, Ports};

/// Where namespaces have their names.
const NAMESPACES: &str = "/run/netns";
/// What all names begin with; the process's id follows.
const PREFIX: &str = "quorate-";
/// The bridge's address, where the chain and the clients are.
const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The last byte of the first node's address.
const FIRST_NODE: u8 = 11;
/// A hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:de:ad";
/// A link on which some packets are lost, late, twice there or out of order.
const LOSSY: &str = "netem delay 40ms 20ms 25% loss 10% duplicate 2% reorder 20% 50%";
/// A link that is so narrow that packets queue up and the queue overflows.
const NARROW: &str = "tbf rate 192kbit burst 4kb latency 150ms";

/// How a node's link is made worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// [`LOSSY`], of kernels with netem.
    Lossy,
    /// [`NARROW`].
    Narrow,
}

/// The namespaces of a network. They are gone when this value is dropped.
#[derive(Debug)]
pub(crate) struct Fabric {
    hub: String,
    nodes: Vec<String>,
    /// Whether this kernel has what [`Shape::Lossy`] needs.
    has_netem: bool,
    cuts: BTreeSet<(usize, usize)>,
}

impl Fabric {
    /// Makes the namespaces for so many nodes and moves this thread into the hub. Threads and processes that are
    /// started later are in the hub, too; call it before there are others.
    ///
    /// # Errors
    /// Why this machine cannot have it, in words.
    pub(crate) fn enter(nodes: u16) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("network namespaces are a thing of Linux".into());
        }
        if !rustix::process::geteuid().is_root() {
            return Err("only root may make network namespaces".into());
        }
        sweep();
        let process = std::process::id();
        let mut fabric = Self {
            hub: format!("{PREFIX}{process}-hub"),
            nodes: (1..=nodes).map(|number| format!("{PREFIX}{process}-{number}")).collect(),
            has_netem: false,
            cuts: BTreeSet::new(),
        };
        fabric.build()?;
        fabric.has_netem = fabric.probe_netem();
        move_into(&fabric.hub)?;
        Ok(fabric)
    }

    fn build(&self) -> Result<(), String> {
        let hub = self.hub.as_str();
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link set lo up"))?;
        ip(&format!("-n {hub} link add hub type bridge"))?;
        ip(&format!("-n {hub} addr add {HUB}/24 dev hub"))?;
        ip(&format!("-n {hub} link set hub up"))?;
        for (at, node) in self.nodes.iter().enumerate() {
            let port = port(at);
            ip(&format!("netns add {node}"))?;
            ip(&format!("-n {hub} link add {port} type veth peer name eth0 netns {node}"))?;
            ip(&format!("-n {hub} link set {port} master hub up"))?;
            ip(&format!("-n {node} addr add {}/24 dev eth0", address(at)))?;
            ip(&format!("-n {node} link set lo up"))?;
            ip(&format!("-n {node} link set eth0 up"))?;
        }
        Ok(())
    }

    fn probe_netem(&self) -> bool {
        let done = self.shape(0, Shape::Lossy).is_ok();
        done && self.unshape(0).is_ok()
    }

    /// Whether links can be made lossy.
    pub(crate) fn has_netem(&self) -> bool {
        self.has_netem
    }

    /// The namespaces of the nodes, in their order.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.nodes.clone()
    }

    /// Where the chain and the nodes listen.
    pub(crate) fn ports(&self) -> Ports {
        let listen = |at: usize| NodePorts {
            http: SocketAddr::from((address(at), 8_100)),
            peers: SocketAddr::from((address(at), 8_200)),
        };
        Ports { chain: SocketAddr::from((HUB, 8_545)), nodes: (0..self.nodes.len()).map(listen).collect() }
    }

    /// Pulls a node's cable, or plugs it in again.
    pub(crate) fn plug(&self, node: usize, plugged: bool) -> Result<(), CliError> {
        let state = if plugged { "up" } else { "down" };
        done(ip(&format!("-n {} link set {} {state}", self.hub, port(node))))
    }

    /// Lets nothing that one node sends reach another.
    pub(crate) fn cut(&mut self, from: usize, to: usize) -> Result<(), CliError> {
        let (namespace, to_address) = (&self.nodes[from], address(to));
        let entry =
            format!("-n {namespace} neigh replace {to_address} lladdr {NOBODY} dev eth0 nud permanent");
        done(ip(&entry))?;
        self.cuts.insert((from, to));
        Ok(())
    }

    /// Undoes every cut.
    pub(crate) fn mend_cuts(&mut self) -> Result<(), CliError> {
        while let Some((from, to)) = self.cuts.pop_first() {
            done(ip(&format!("-n {} neigh del {} dev eth0", self.nodes[from], address(to))))?;
        }
        Ok(())
    }

    /// Makes what a node sends go through a bad link.
    pub(crate) fn shape(&self, node: usize, shape: Shape) -> Result<(), CliError> {
        let discipline = match shape {
            Shape::Lossy => LOSSY,
            Shape::Narrow => NARROW,
        };
        done(run("tc", &format!("-n {} qdisc replace dev eth0 root {discipline}", self.nodes[node])))
    }

    /// Makes a node's link good again.
    pub(crate) fn unshape(&self, node: usize) -> Result<(), CliError> {
        done(run("tc", &format!("-n {} qdisc del dev eth0 root", self.nodes[node])))
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        for name in self.nodes.iter().chain([&self.hub]) {
            // One that was never made is not there to be removed.
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn port(node: usize) -> String {
    format!("port{}", node + 1)
}

fn address(node: usize) -> Ipv4Addr {
    let [a, b, c, _] = HUB.octets();
    let node = u8::try_from(node).expect("a network has at most 16 nodes");
    Ipv4Addr::new(a, b, c, FIRST_NODE + node)
}

/// Removes the namespaces of processes that were killed before they could do so themselves.
fn sweep() {
    let Ok(names) = std::fs::read_dir(NAMESPACES) else { return };
    for name in names.flatten() {
        let name = name.file_name().to_string_lossy().into_owned();
        if let Some(process) = owner(&name)
            && !Path::new("/proc").join(process.to_string()).exists()
        {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// The id of the process that a namespace was made for, if it is one of ours.
fn owner(namespace: &str) -> Option<u32> {
    let (process, _) = namespace.strip_prefix(PREFIX)?.split_once('-')?;
    process.parse().ok()
}

#[cfg(target_os = "linux")]
fn move_into(namespace: &str) -> Result<(), String> {
    use std::os::fd::AsFd as _;

    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    let path = Path::new(NAMESPACES).join(namespace);
    let file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| format!("the network namespace {namespace} cannot be entered: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn move_into(_: &str) -> Result<(), String> {
    Err("network namespaces are a thing of Linux".into())
}

fn ip(arguments: &str) -> Result<(), String> {
    run("ip", arguments)
}

/// Runs a program of iproute2. None of the arguments contains a blank.
fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} of iproute2 cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program} {arguments}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn done(result: Result<(), String>) -> Result<(), CliError> {
    result.map_err(|cause| CliError::Failed { cause, mend: "see whether iproute2 is complete".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_namespaces_have_an_owner() {
        assert_eq!(owner("quorate-17-hub"), Some(17));
        assert_eq!(owner("quorate-17-2"), Some(17));
        for other in ["quorate-hub", "quorate-x-1", "lab-17-1", "quorate-17"] {
            assert_eq!(owner(other), None, "{other}");
        }
    }

    #[test]
    fn every_node_has_an_address_of_its_own() {
        let addresses: BTreeSet<_> = (0..16).map(address).collect();
        assert_eq!(addresses.len(), 16);
        assert!(!addresses.contains(&HUB));
    }
}
