//! Nodes of a cluster beside a server alone.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::ensure;
use clap::{Args, value_parser};

use super::servers;
use crate::{
    cluster::Cluster,
    load::ClusterLoads,
    program::Program,
    report::{Comparison, Round},
    scenario::{self, RELAY_BYTES},
    target::Target,
};

/// The time between two looks at the nodes' inboxes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What to compare, and for how long.
#[derive(Debug, Args)]
pub(crate) struct ClusterOptions {
    /// Nodes; the members of a room are spread over them
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(2..=16))]
    nodes: u8,
    /// The server, which must be one of ours
    #[arg(long, default_value = "axum")]
    target: Target,
    /// Rounds; in each of them everything is measured once, and the median of the rounds counts
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds to measure in each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Relays a second of all clients together
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    rate: u32,
    /// Rooms of 64, with one member at the node whose memory is measured and all others elsewhere
    #[arg(long, default_value_t = 150, value_parser = value_parser!(u16).range(1..))]
    remote_rooms: u16,
}

/// Starts an engine and nodes, measures, and prints a table.
///
/// # Errors
///
/// It is an error if a server does not start, or if a message is lost, doubled, changed or out of
/// order.
pub(crate) fn command(options: &ClusterOptions) -> anyhow::Result<()> {
    let (target, nodes) = (options.target, usize::from(options.nodes));
    ensure!(
        target.executable().is_some(),
        "{} cannot be a node",
        target.title()
    );
    ensure!(options.seconds > 0.0, "some time is needed");
    let places = servers::prepare(&[target])?;
    let remote_rooms = usize::from(options.remote_rooms);
    let loads = ClusterLoads::new(options.seconds, options.rate, remote_rooms);
    let (mut rounds, mut message_bytes) = (Vec::new(), 0);
    for number in 1..=options.rounds {
        say(&format!("round {number}: a server alone"))?;
        let alone = Program::start(target, &places, loads.relay.floor_read_buffer)?;
        let single = scenario::node_figures(target, loads, &alone.site())?;
        drop(alone);
        say(&format!("round {number}: one of {nodes} nodes"))?;
        let cluster = Cluster::start(target, &places, nodes)?;
        let within = scenario::node_figures(target, loads, &cluster.node(0))?;
        say(&format!("round {number}: over {nodes} nodes"))?;
        message_bytes = bytes_between_nodes(target, loads, &cluster)?;
        let across = scenario::node_figures(target, loads, &cluster.all_nodes())?;
        drop(cluster);
        say(&format!("round {number}: {nodes} nodes in one process"))?;
        let library = scenario::library(loads, nodes)?;
        say(&format!("round {number}: a bare hop"))?;
        let hop = scenario::hop(loads, nodes, message_bytes)?;
        rounds.push(Round {
            single,
            within,
            across,
            library,
            hop,
        });
    }
    say("the memory of members at other nodes")?;
    // These nodes are fresh: others have memory to spare that was used before.
    let cluster = Cluster::start(target, &places, nodes)?;
    let (near, far) = (cluster.node(0), cluster.node(1));
    let remote_bytes = scenario::remote(target, loads, &near, &far)?;
    let comparison = Comparison {
        nodes,
        rate: options.rate,
        rounds,
        message_bytes,
        remote_members: remote_rooms * scenario::REMOTE_MEMBERS,
        remote_bytes,
    };
    write!(io::stdout(), "{}", comparison.markdown())?;
    Ok(())
}

/// The bytes of a relayed message between two nodes. The nodes soon forget messages that they have
/// read, so this looks while relays are on their way.
fn bytes_between_nodes(
    target: Target,
    loads: ClusterLoads,
    cluster: &Cluster,
) -> anyhow::Result<usize> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            loop {
                let was_over = is_over.load(Relaxed);
                let found = cluster.message_bytes(RELAY_BYTES);
                if found.is_ok() || was_over {
                    return found;
                }
                thread::sleep(LOOK_AGAIN);
            }
        });
        let relayed = scenario::relay(target, loads, &cluster.all_nodes());
        is_over.store(true, Relaxed);
        let found = looking.join().expect("looking does not panic");
        relayed.and(found)
    })
}

fn say(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{what}")
}
