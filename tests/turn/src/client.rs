//! A TURN client (RFC 8656) that reports exactly how the server refused a request.
//!
//! It does only what the tests need: allocate, ask for permissions, refresh. It sends nothing to
//! peers.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use stun::{
    attributes::{
        ATTR_ERROR_CODE, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
        ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
    },
    error_code::ErrorCodeAttribute,
    integrity::MessageIntegrity,
    message::{
        CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CREATE_PERMISSION,
        METHOD_REFRESH, Message, MessageType, Method, Setter,
    },
    textattrs::TextAttribute,
    xoraddr::XorMappedAddress,
};

use crate::wire::Wire;

/// UDP, which is the only transport between a relay and a peer that browsers use.
const UDP: [u8; 4] = [17, 0, 0, 0];
const FAMILY_IPV6: [u8; 4] = [2, 0, 0, 0];
/// Some port of a peer. A permission is for all ports of an address.
const ANY_PORT: u16 = 40_000;
const SEND_AGAIN: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 20;

/// The server refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code of RFC 8656, section 19, or RFC 8489, section 14.8.
    pub code: u16,
    /// The server's text.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

/// A client with at most one allocation. If it is dropped, the allocation expires after its
/// lifetime; over TCP and TLS it ends at once.
#[derive(Debug)]
pub struct TurnClient {
    wire: Wire,
    username: String,
    credential: String,
    realm: String,
    nonce: String,
}

impl TurnClient {
    /// A client over UDP.
    ///
    /// # Panics
    /// If no socket can be made.
    pub async fn udp(server: SocketAddr, username: &str, credential: &str) -> Self {
        Self::over(Wire::udp(server).await, username, credential)
    }

    /// A client over TCP.
    ///
    /// # Panics
    /// If the server does not accept.
    pub async fn tcp(server: SocketAddr, username: &str, credential: &str) -> Self {
        Self::over(Wire::tcp(server).await, username, credential)
    }

    /// A client over any other transport.
    #[must_use]
    pub fn over(wire: Wire, username: &str, credential: &str) -> Self {
        Self {
            wire,
            username: username.to_owned(),
            credential: credential.to_owned(),
            realm: String::new(),
            nonce: String::new(),
        }
    }

    /// Allocates a relayed IPv4 address. Returns the address.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn allocate(&mut self) -> Result<SocketAddr, Refused> {
        self.allocate_with(&[]).await
    }

    /// Allocates a relayed IPv6 address. Returns the address.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn allocate_ipv6(&mut self) -> Result<SocketAddr, Refused> {
        self.allocate_with(&[Attribute::Raw(ATTR_REQUESTED_ADDRESS_FAMILY, &FAMILY_IPV6)])
            .await
    }

    /// Asks for permission to exchange packets with a peer. Sends nothing to the peer.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn permit(&mut self, peer: IpAddr) -> Result<(), Refused> {
        self.request(METHOD_CREATE_PERMISSION, &[Attribute::Peer(peer)])
            .await
            .map(drop)
    }

    /// Refreshes the allocation, so that it lasts longer.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn refresh(&mut self) -> Result<(), Refused> {
        self.request(METHOD_REFRESH, &[]).await.map(drop)
    }

    async fn allocate_with(&mut self, extra: &[Attribute<'_>]) -> Result<SocketAddr, Refused> {
        let mut attributes = vec![Attribute::Raw(ATTR_REQUESTED_TRANSPORT, &UDP)];
        attributes.extend_from_slice(extra);
        let response = self.request(METHOD_ALLOCATE, &attributes).await?;
        let mut relayed = XorMappedAddress::default();
        relayed
            .get_from_as(&response, ATTR_XOR_RELAYED_ADDRESS)
            .expect("an allocation has an address");
        Ok(SocketAddr::new(relayed.ip, relayed.port))
    }

    /// Sends a request. If the server wants credentials or gives a new nonce, sends it once more.
    async fn request(
        &mut self,
        method: Method,
        attributes: &[Attribute<'_>],
    ) -> Result<Message, Refused> {
        let first = self.ask(method, attributes).await;
        let is_first = self.nonce.is_empty();
        match first {
            (response, Some(401)) if is_first => self.remember(&response),
            (response, Some(438)) => self.remember(&response),
            (response, code) => return outcome(response, code),
        }
        let (response, code) = self.ask(method, attributes).await;
        outcome(response, code)
    }

    fn remember(&mut self, challenge: &Message) {
        let text = |kind| {
            TextAttribute::get_from_as(challenge, kind)
                .expect("a challenge has a realm and a nonce")
                .text
        };
        self.realm = text(ATTR_REALM);
        self.nonce = text(ATTR_NONCE);
    }

    async fn ask(
        &mut self,
        method: Method,
        attributes: &[Attribute<'_>],
    ) -> (Message, Option<u16>) {
        let request = self.build(method, attributes);
        let response = self.exchange(&request).await;
        let code = (response.typ.class != CLASS_SUCCESS_RESPONSE).then(|| error(&response).0);
        (response, code)
    }

    fn build(&self, method: Method, attributes: &[Attribute<'_>]) -> Message {
        let mut message = Message::new();
        message.set_type(MessageType::new(method, CLASS_REQUEST));
        message
            .new_transaction_id()
            .expect("there is a source of randomness");
        message.write_header();
        for attribute in attributes {
            attribute.add_to(&mut message);
        }
        if !self.nonce.is_empty() {
            self.sign(&mut message);
        }
        message
    }

    fn sign(&self, message: &mut Message) {
        message.add(ATTR_USERNAME, self.username.as_bytes());
        message.add(ATTR_REALM, self.realm.as_bytes());
        message.add(ATTR_NONCE, self.nonce.as_bytes());
        MessageIntegrity::new_long_term_integrity(
            self.username.clone(),
            self.realm.clone(),
            self.credential.clone(),
        )
        .add_to(message)
        .expect("there is room for it");
    }

    async fn exchange(&mut self, request: &Message) -> Message {
        for _ in 0..ATTEMPTS {
            self.wire.send(&request.raw).await;
            while let Ok(raw) = tokio::time::timeout(SEND_AGAIN, self.wire.receive()).await {
                let mut response = Message::new();
                response.raw = raw;
                response.decode().expect("coturn speaks STUN");
                if response.transaction_id == request.transaction_id {
                    return response;
                }
            }
        }
        panic!("coturn does not answer");
    }
}

/// An attribute of a request that is not about credentials.
#[derive(Clone, Copy, Debug)]
enum Attribute<'a> {
    Raw(stun::attributes::AttrType, &'a [u8]),
    Peer(IpAddr),
}

impl Attribute<'_> {
    fn add_to(&self, message: &mut Message) {
        match self {
            Self::Raw(kind, value) => message.add(*kind, value),
            Self::Peer(ip) => XorMappedAddress {
                ip: *ip,
                port: ANY_PORT,
            }
            .add_to_as(message, ATTR_XOR_PEER_ADDRESS)
            .expect("an address fits"),
        }
    }
}

fn outcome(response: Message, code: Option<u16>) -> Result<Message, Refused> {
    match code {
        None => Ok(response),
        Some(code) => Err(Refused {
            code,
            reason: error(&response).1,
        }),
    }
}

fn error(response: &Message) -> (u16, String) {
    assert!(
        response.contains(ATTR_ERROR_CODE),
        "neither success nor an error: {response}"
    );
    let mut error = ErrorCodeAttribute::default();
    error
        .get_from(response)
        .expect("an error response has its code");
    let reason = String::from_utf8_lossy(&error.reason).into_owned();
    (error.code.0, reason)
}
