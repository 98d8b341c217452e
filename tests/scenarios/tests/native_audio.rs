//! Participants with a real WebRTC stack. After signaling through the server, audio flows between
//! each pair.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::{Barrier, mpsc},
    time::interval,
};
use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, request, soon,
    voice::{VoiceParticipant, VoiceSdpAnswer, VoiceSdpOffer},
};
use webrtc::{
    api::{API, APIBuilder, media_engine::MediaEngine, setting_engine::SettingEngine},
    ice::mdns::MulticastDnsMode,
    ice_transport::ice_candidate::RTCIceCandidateInit,
    media::Sample,
    peer_connection::{
        RTCPeerConnection, configuration::RTCConfiguration,
        sdp::session_description::RTCSessionDescription,
    },
    rtp_transceiver::rtp_codec::RTCRtpCodecCapability,
    track::track_local::track_local_static_sample::TrackLocalStaticSample,
};

scenarios! {
    each codec:
        two_hear_each_other;
    once:
        three_hear_each_other,
}

/// Half a second of audio.
const ENOUGH: usize = 25;
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const FRAME: Duration = Duration::from_millis(20);

async fn two_hear_each_other(kind: ServerKind, codec: Codec) {
    everyone_hears_everyone(kind, &[codec, codec]).await;
}

async fn three_hear_each_other(kind: ServerKind) {
    everyone_hears_everyone(kind, &[Codec::Protobuf, Codec::Json, Codec::Protobuf]).await;
}

async fn everyone_hears_everyone(kind: ServerKind, codecs: &[Codec]) {
    let server = Server::start(kind).await;
    let mut participants = Vec::new();
    for (index, codec) in codecs.iter().enumerate() {
        let client = Client::new(&server, &format!("User {index}"), *codec).await;
        participants.push(Participant::join(client).await);
    }
    let all_heard = Barrier::new(codecs.len());
    let talking = participants
        .into_iter()
        .map(|participant| participant.talk(codecs.len() - 1, &all_heard));
    soon("audio from everyone to everyone", join_all(talking)).await;
}

/// A connection to one other participant.
struct Call {
    peer: Arc<RTCPeerConnection>,
    packets: Arc<AtomicUsize>,
    /// Candidates that arrived before their session description.
    early: Vec<RTCIceCandidateInit>,
}

struct Participant {
    client: Client,
    to_call: Vec<VoiceParticipant>,
    calls: HashMap<String, Call>,
    found: mpsc::UnboundedSender<(String, RTCIceCandidateInit)>,
    candidates: mpsc::UnboundedReceiver<(String, RTCIceCandidateInit)>,
}

impl Participant {
    async fn join(mut client: Client) -> Self {
        let to_call = client.join("general").await.participants;
        let (found, candidates) = mpsc::unbounded_channel();
        Self {
            client,
            to_call,
            calls: HashMap::new(),
            found,
            candidates,
        }
    }

    /// Sends offers to the earlier participants and answers the later ones, until it hears all of
    /// them.
    async fn talk(mut self, others: usize, all_heard: &Barrier) {
        for other in std::mem::take(&mut self.to_call) {
            self.offer(&other.user_id).await;
        }
        let mut ticks = interval(FRAME);
        while self
            .calls
            .values()
            .filter(|call| call.packets.load(Ordering::Relaxed) >= ENOUGH)
            .count()
            < others
        {
            tokio::select! {
                payload = self.client.event() => self.hear(payload).await,
                Some((other, candidate)) = self.candidates.recv() => self.send_candidate(&other, &candidate).await,
                _ = ticks.tick() => {}
            }
        }
        // The connections stay open until every participant has heard all others.
        all_heard.wait().await;
        for call in self.calls.values() {
            call.peer.close().await.expect("a connection closes");
        }
    }

    async fn hear(&mut self, payload: Payload) {
        match payload {
            // The newcomer sends the offer.
            Payload::VoiceParticipantJoinedEvent(_) => {}
            Payload::VoiceSdpOffer(offer) => self.answer(offer).await,
            Payload::VoiceSdpAnswer(answer) => self.accept(answer).await,
            Payload::VoiceIceCandidate(candidate) => {
                let parsed =
                    serde_json::from_str(&candidate.candidate_json).expect("a candidate is JSON");
                self.add_candidate(&candidate.sender_user_id, parsed).await;
            }
            other => panic!("{}: {other:?}", self.client.user.name),
        }
    }

    async fn offer(&mut self, other: &str) {
        let peer = self.call(other).await;
        let offer = peer.create_offer(None).await.expect("an offer");
        peer.set_local_description(offer.clone())
            .await
            .expect("an offer fits");
        self.client
            .send(request::offer("general", other, &offer.sdp))
            .await;
    }

    async fn answer(&mut self, offer: VoiceSdpOffer) {
        let other = offer.sender_user_id;
        assert!(
            !self.calls.contains_key(&other),
            "only the newcomer sends an offer"
        );
        let peer = self.call(&other).await;
        let remote = RTCSessionDescription::offer(offer.sdp).expect("the offer is SDP");
        self.set_remote(&other, remote).await;
        let answer = peer.create_answer(None).await.expect("an answer");
        peer.set_local_description(answer.clone())
            .await
            .expect("an answer fits");
        self.client
            .send(request::answer("general", &other, &answer.sdp))
            .await;
    }

    async fn accept(&mut self, answer: VoiceSdpAnswer) {
        let remote = RTCSessionDescription::answer(answer.sdp).expect("the answer is SDP");
        self.set_remote(&answer.sender_user_id, remote).await;
    }

    async fn set_remote(&mut self, other: &str, remote: RTCSessionDescription) {
        let call = self.calls.get_mut(other).expect("there is a call");
        call.peer
            .set_remote_description(remote)
            .await
            .expect("the description fits");
        for candidate in std::mem::take(&mut call.early) {
            call.peer
                .add_ice_candidate(candidate)
                .await
                .expect("a candidate");
        }
    }

    async fn add_candidate(&mut self, other: &str, candidate: RTCIceCandidateInit) {
        let call = self
            .calls
            .get_mut(other)
            .expect("a description comes before its candidates");
        if call.peer.remote_description().await.is_none() {
            call.early.push(candidate);
        } else {
            call.peer
                .add_ice_candidate(candidate)
                .await
                .expect("a candidate");
        }
    }

    async fn send_candidate(&mut self, other: &str, candidate: &RTCIceCandidateInit) {
        let json = serde_json::to_string(candidate).expect("a candidate can be JSON");
        self.client
            .send(request::candidate("general", other, &json))
            .await;
    }

    async fn call(&mut self, other: &str) -> Arc<RTCPeerConnection> {
        let peer = loopback_only()
            .new_peer_connection(RTCConfiguration::default())
            .await
            .expect("a connection");
        let peer = Arc::new(peer);
        let packets = Arc::new(AtomicUsize::new(0));
        count_packets(&peer, Arc::clone(&packets));
        send_silence(&peer).await;
        let (found, name) = (self.found.clone(), other.to_owned());
        peer.on_ice_candidate(Box::new(move |candidate| {
            let candidate =
                candidate.map(|candidate| candidate.to_json().expect("a candidate can be JSON"));
            if let Some(candidate) = candidate {
                // Fails only if the participant has finished.
                let _ = found.send((name.clone(), candidate));
            }
            Box::pin(std::future::ready(()))
        }));
        self.calls.insert(
            other.to_owned(),
            Call {
                peer: Arc::clone(&peer),
                packets,
                early: Vec::new(),
            },
        );
        peer
    }
}

fn loopback_only() -> API {
    let mut media = MediaEngine::default();
    media.register_default_codecs().expect("the default codecs");
    let mut settings = SettingEngine::default();
    settings.set_include_loopback_candidate(true);
    settings.set_ip_filter(Box::new(|address: IpAddr| address.is_loopback()));
    settings.set_ice_multicast_dns_mode(MulticastDnsMode::Disabled);
    APIBuilder::new()
        .with_media_engine(media)
        .with_setting_engine(settings)
        .build()
}

fn count_packets(peer: &RTCPeerConnection, packets: Arc<AtomicUsize>) {
    peer.on_track(Box::new(move |track, _, _| {
        let packets = Arc::clone(&packets);
        Box::pin(async move {
            while track.read_rtp().await.is_ok() {
                packets.fetch_add(1, Ordering::Relaxed);
            }
        })
    }));
}

/// Sends an Opus frame every 20 ms until the runtime of the test ends.
async fn send_silence(peer: &RTCPeerConnection) {
    let codec = RTCRtpCodecCapability {
        mime_type: "audio/opus".to_owned(),
        clock_rate: 48_000,
        channels: 2,
        ..RTCRtpCodecCapability::default()
    };
    let track = Arc::new(TrackLocalStaticSample::new(
        codec,
        "audio".to_owned(),
        "voice".to_owned(),
    ));
    peer.add_track(Arc::clone(&track) as _)
        .await
        .expect("a track can be added");
    tokio::spawn(async move {
        let mut ticks = interval(FRAME);
        loop {
            ticks.tick().await;
            let data = bytes::Bytes::from_static(&OPUS_SILENCE);
            let sample = Sample {
                data,
                duration: FRAME,
                ..Sample::default()
            };
            if track.write_sample(&sample).await.is_err() {
                return;
            }
        }
    });
}
