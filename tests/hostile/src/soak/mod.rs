//! A long life of many clients, played with chance from a seed.
//!
//! All clients run on one thread, and all that they know lies in one place, the `world`. So the
//! soak can compare at any time what each client was told with what the server says by REST.
//!
//! ```text
//! 3  run.rs         starts the server and the clients, and ends them
//! 2  life/          one client and its actions
//!    checkpoint.rs  compares the views of a channel's members with the server's
//!    memory.rs      the server's memory over time
//! 1  world.rs       what all clients share
//! 0  view.rs        what one client knows of its channel
//!    ledger.rs      what became of each relayed message
//!    settings.rs    how many clients, for how long
//!    tally.rs       how often each thing happened
//! ```

mod checkpoint;
mod ledger;
mod life;
mod memory;
mod report;
mod run;
mod settings;
mod tally;
mod view;
mod world;

pub use run::{Outcome, run};
pub use settings::Settings;
