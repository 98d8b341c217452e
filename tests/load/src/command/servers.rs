//! What every command needs before it can put servers under load.

use crate::{process::raise_file_limit, program::Places, target::Target};

/// Raises the limit of open files and builds the example servers that are among the `targets`.
pub(super) fn prepare(targets: &[Target]) -> anyhow::Result<Places> {
    raise_file_limit()?;
    let places = Places::around_this_program()?;
    places.build_servers(targets)?;
    Ok(places)
}
