//! Nodes beside a server alone and beside a bare hop, as Markdown.

use std::fmt::Write as _;

use crate::outcome::{Figures, NodeFigures};

/// What one round found.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// A server that is no node.
    pub(crate) single: NodeFigures,
    /// One node of the cluster, with all members of each room.
    pub(crate) within: NodeFigures,
    /// All nodes, with the members of each room spread over them.
    pub(crate) across: NodeFigures,
    /// Relays between nodes in this process, without servers and clients around them.
    pub(crate) library: Figures,
    /// The bare hop.
    pub(crate) hop: Figures,
}

/// All that a comparison found.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) nodes: usize,
    pub(crate) rate: u32,
    pub(crate) rounds: Vec<Round>,
    /// Bytes of a message between two nodes, and of the bare hop's.
    pub(crate) message_bytes: usize,
    /// Members at another node, and bytes of memory for each.
    pub(crate) remote_members: usize,
    pub(crate) remote_bytes: f64,
}

type Of<T> = fn(&T) -> Option<f64>;

/// A row: its title, its figure of servers, and that of what has no servers.
type Row = (&'static str, Of<NodeFigures>, Of<Figures>);

const ROWS: [Row; 9] = [
    (
        "relay p50, us",
        |it| it.relay.p50_micros,
        |it| it.p50_micros,
    ),
    (
        "relay p99, us",
        |it| it.relay.p99_micros,
        |it| it.p99_micros,
    ),
    // Seconds for a million are as many microseconds for one.
    (
        "CPU of the servers for a relay, us",
        |it| Some(it.relay.cpu_per_million()),
        |it| Some(it.cpu_per_million()),
    ),
    (
        "CPU of the engine for a relay, us",
        |it| it.relay.engine_cpu_per_million(),
        Figures::engine_cpu_per_million,
    ),
    ("join p50, us", |it| it.join.p50_micros, |_| None),
    ("join p99, us", |it| it.join.p99_micros, |_| None),
    ("joins a second", |it| Some(it.storm.per_second()), |_| None),
    (
        "CPU of the servers for a join, us",
        |it| Some(it.storm.cpu_per_million()),
        |_| None,
    ),
    (
        "CPU of the engine for a join, us",
        |it| it.storm.engine_cpu_per_million(),
        |_| None,
    ),
];

impl Comparison {
    /// Writes the table, and what became of the goals.
    pub(crate) fn markdown(&self) -> String {
        let nodes = self.nodes;
        let mut text = format!(
            "Medians of {} rounds, {} relays a second, {} B a message between nodes.\n\n\
             | | server alone | one of {nodes} nodes | over {nodes} nodes | in one process | bare hop |\n\
             |---|---:|---:|---:|---:|---:|\n",
            self.rounds.len(),
            self.rate,
            self.message_bytes
        );
        for (title, of_servers, of_others) in ROWS {
            let cells = [
                self.median(|it| of_servers(&it.single)),
                self.median(|it| of_servers(&it.within)),
                self.median(|it| of_servers(&it.across)),
                self.median(|it| of_others(&it.library)),
                self.median(|it| of_others(&it.hop)),
            ];
            let cells = cells
                .map(|it| it.map_or_else(String::new, shown))
                .join(" | ");
            let _ = writeln!(text, "| {title} | {cells} |");
        }
        let _ = writeln!(
            text,
            "\nA member at another node takes {:.0} B (of {} such members).\n",
            self.remote_bytes, self.remote_members
        );
        text += "| | found | goal |\n|---|---:|---:|\n";
        for (title, found, goal) in self.goals() {
            let found = found.map_or_else(String::new, |it| format!("{it:.2}"));
            let _ = writeln!(text, "| {title} | {found} | {goal} |");
        }
        text
    }

    /// Each with what was found and what is wanted.
    fn goals(&self) -> [(&'static str, Option<f64>, &'static str); 5] {
        let ratio =
            |above: Of<Round>, below: Of<Round>| self.median(|it| Some(above(it)? / below(it)?));
        [
            (
                "relay p50 over nodes / bare hop",
                ratio(|it| it.across.relay.p50_micros, |it| it.hop.p50_micros),
                "1.3",
            ),
            (
                "relay p50 over nodes in one process / bare hop",
                ratio(|it| it.library.p50_micros, |it| it.hop.p50_micros),
                "",
            ),
            (
                "relay p50 within one node / server alone",
                ratio(
                    |it| it.within.relay.p50_micros,
                    |it| it.single.relay.p50_micros,
                ),
                "1.02",
            ),
            (
                "CPU for a relay within one node / server alone",
                ratio(
                    |it| Some(it.within.relay.cpu_per_million()),
                    |it| Some(it.single.relay.cpu_per_million()),
                ),
                "1.02",
            ),
            (
                "join p50 over nodes, ms",
                self.median(|it| Some(it.across.join.p50_micros? / 1e3)),
                "2",
            ),
        ]
    }

    /// The median of a figure over the rounds; the higher one of the two in the middle.
    fn median(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

fn shown(figure: f64) -> String {
    if figure < 100.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.0}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::site::Cpu;

    /// A thousand relays or joins, each of which takes so many microseconds, and the server half
    /// and the engine a quarter of that in CPU time.
    fn figures(micros: u64, has_engine: bool) -> Figures {
        let spent = Duration::from_micros(1000 * micros);
        let cpu = Cpu {
            servers: spent / 2,
            engine: has_engine.then_some(spent / 4),
        };
        Figures {
            p50_micros: Some(micros as f64),
            p99_micros: Some(10.0 * micros as f64),
            ..Figures::new(1000, 2.0, cpu)
        }
    }

    fn node_figures(micros: u64, has_engine: bool) -> NodeFigures {
        NodeFigures {
            relay: figures(micros, has_engine),
            storm: figures(2 * micros, has_engine),
            join: figures(3 * micros, has_engine),
        }
    }

    fn comparison() -> Comparison {
        // The median of a ratio is that of the ratios within each round.
        let rounds = [(100, 200), (100, 300), (900, 900)].map(|(hop, across)| Round {
            single: node_figures(100, false),
            within: node_figures(110, true),
            across: node_figures(across, true),
            library: figures(across - 50, true),
            hop: figures(hop, true),
        });
        Comparison {
            nodes: 3,
            rate: 1000,
            rounds: rounds.to_vec(),
            message_bytes: 432,
            remote_members: 6000,
            remote_bytes: 215.4,
        }
    }

    #[test]
    fn the_table_has_medians_and_leaves_out_what_was_not_measured() {
        let text = comparison().markdown();
        for line in [
            "Medians of 3 rounds, 1000 relays a second, 432 B a message between nodes.",
            "| | server alone | one of 3 nodes | over 3 nodes | in one process | bare hop |",
            "| relay p50, us | 100 | 110 | 300 | 250 | 100 |",
            "| relay p99, us | 1000 | 1100 | 3000 | 2500 | 1000 |",
            "| CPU of the engine for a relay, us |  | 27.5 | 75.0 | 62.5 | 25.0 |",
            "| join p50, us | 300 | 330 | 900 |  |  |",
            "| joins a second | 500 | 500 | 500 |  |  |",
            "| CPU of the servers for a join, us | 100 | 110 | 300 |  |  |",
            "A member at another node takes 215 B (of 6000 such members).",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }

    #[test]
    fn goals_stand_beside_the_medians_of_ratios() {
        let text = comparison().markdown();
        for line in [
            "| relay p50 over nodes / bare hop | 2.00 | 1.3 |",
            "| relay p50 over nodes in one process / bare hop | 1.50 |  |",
            "| relay p50 within one node / server alone | 1.10 | 1.02 |",
            "| CPU for a relay within one node / server alone | 1.10 | 1.02 |",
            "| join p50 over nodes, ms | 0.90 | 2 |",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
