//! The reports: of the command `all` the raw figures, a table and a plot, of `cluster` a table.
//!
//! `metric.rs` has the columns, `results.rs` the runs. `table.rs` and `plot.rs` show them.
//! `cluster.rs` stands alone. This folder knows outcomes, and nothing of how they came about.

mod cluster;
mod metric;
mod plot;
mod results;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;

pub(crate) use self::{
    cluster::{Comparison, Round},
    results::Report,
};

/// Writes `results.json`, `table.md` and `plot.svg` into the folder `out`, and returns the table.
pub(crate) fn write(report: &Report, out: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let table = table::markdown(report);
    fs::write(
        out.join("results.json"),
        serde_json::to_string_pretty(report)? + "\n",
    )?;
    fs::write(out.join("table.md"), &table)?;
    fs::write(out.join("plot.svg"), plot::svg(report))?;
    Ok(table)
}
