//! The crate on a real redis-server. Each file proves the rules of one part of the design.

mod acl;
mod anew;
mod cluster;
mod connection;
mod events;
mod failover;
mod faults;
mod full;
mod ids;
mod joins;
mod leases;
mod leaving;
mod log;
mod loss;
mod metrics;
mod nodes;
mod numbers;
mod outage;
mod overrun;
mod random;
mod reaping;
mod refused;
mod rewind;
mod storm;
mod town;
mod traffic;
