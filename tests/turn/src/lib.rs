//! The harness of the TURN tests. It starts a real coturn that accepts the credentials of our
//! servers, and talks to it.
//!
//! ```no_run
//! use united_voice_turn_tests::{Coturn, CoturnOptions};
//!
//! # async fn example() {
//! let coturn = Coturn::start(CoturnOptions::default()).await;
//! // The `[turn]` section of a server that mints credentials for this coturn.
//! let config = coturn.toml(600);
//! # }
//! ```

mod client;
mod coturn;
mod port;
mod program;
mod wire;

pub use client::{Refused, TurnClient};
pub use coturn::{Coturn, CoturnOptions};
pub use port::free_port;
pub use program::{Program, needs};
pub use wire::Wire;
