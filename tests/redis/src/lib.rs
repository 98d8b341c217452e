//! A real redis-server for tests, and a network that a test can break.
//!
//! An [`Engine`] is a redis-server on a free port of 127.0.0.1, with a folder of its own. It ends
//! with the process that started it, however that ends. A [`Proxy`] stands between a server of any
//! kind and its clients.
//!
//! redis-server must be installed: a test that needs it fails without it. The functions of an engine
//! block for a fraction of a second.

mod engine;
mod proxy;

pub use engine::{Data, Engine, free_port, fresh_prefix};
pub use proxy::{Proxy, Way};
