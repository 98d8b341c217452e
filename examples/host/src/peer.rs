//! The other end of a connection: which client it is, and what its requests may use.

use std::{
    future::poll_fn,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::HeaderMap;

use crate::{
    addresses::Rate,
    client_address::ClientAddress,
    error::ApiError,
    gate::{AddressPlace, Gate, HalfOpen, Place, Refusal},
    turn::{Answering, Turn},
};

/// The other end of a connection that was accepted. [`LingeringStream::peer`] returns it; the
/// handlers of the connection's requests must have it.
///
/// [`LingeringStream::peer`]: crate::LingeringStream::peer
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Arc<Gate>,
    address: IpAddr,
    turn: Turn,
    /// The WebSocket of a client behind a trusted proxy.
    forwarded: OnceLock<AddressPlace>,
    _place: Place,
}

impl Peer {
    /// Counts a connection that was just accepted. `None` if there are too many.
    pub(crate) fn connect(gate: &Arc<Gate>, address: IpAddr) -> Option<Self> {
        let place = gate.connect(address).ok()?;
        Some(Self(Arc::new(Inner {
            gate: Arc::clone(gate),
            address,
            turn: Turn::default(),
            forwarded: OnceLock::new(),
            _place: place,
        })))
    }

    /// Counts a request whose head has begun. `None` if there are too many.
    pub(crate) fn begin_head(&self) -> Option<HalfOpen> {
        self.0.gate.begin_head()
    }

    /// Counts a request of the client with these headers.
    pub(crate) fn count_request(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.count(headers, Rate::Requests)
    }

    /// Counts a request to sign in of the client with these headers.
    pub(crate) fn count_sign_in(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.count(headers, Rate::SignIns)
    }

    /// Counts a WebSocket of the client with these headers, until the connection ends. A client
    /// without a proxy was counted when it connected.
    pub(crate) fn count_websocket(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Inner {
            gate, forwarded, ..
        } = &*self.0;
        if !gate.trusts(self.0.address) || forwarded.get().is_some() {
            return Ok(());
        }
        if let Some(client) = gate.trusted_proxies().named_client(headers) {
            let place = gate.connect_client(client);
            let place = place.map_err(|_| ApiError::TooMany(Duration::from_secs(5)))?;
            // Nobody else sets it: a connection has one request at a time.
            let _ = forwarded.set(place);
        }
        Ok(())
    }

    /// Waits until the client has taken the answer before. Then nothing is read until
    /// [`Turn::read_on`].
    pub(crate) async fn taken(&self) {
        poll_fn(|cx| self.0.turn.poll_taken(cx)).await;
    }

    /// Notes that a request is complete.
    pub(crate) fn answer(&self) -> Answering<'_> {
        self.0.turn.answer()
    }

    pub(crate) fn turn(&self) -> &Turn {
        &self.0.turn
    }

    pub(crate) fn count_refused(&self, refusal: Refusal) {
        self.0.gate.count_refused(refusal);
    }

    fn count(&self, headers: &HeaderMap, rate: Rate) -> Result<(), ApiError> {
        match self.client(headers) {
            Some(client) => self.0.gate.count(client, rate).map_err(ApiError::TooMany),
            None => Ok(()),
        }
    }

    /// The client that a request is from. `None` if a trusted proxy does not say it.
    fn client(&self, headers: &HeaderMap) -> Option<ClientAddress> {
        let Inner { gate, address, .. } = &*self.0;
        if gate.trusts(*address) {
            gate.trusted_proxies().named_client(headers)
        } else {
            Some((*address).into())
        }
    }
}
