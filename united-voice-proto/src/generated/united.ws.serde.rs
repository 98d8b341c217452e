impl serde::Serialize for Envelope {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if true {
            len += 1;
        }
        if self.payload.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.ws.Envelope", len)?;
        if true {
            struct_ser.serialize_field("requestId", &self.request_id)?;
        }
        if let Some(v) = self.payload.as_ref() {
            match v {
                envelope::Payload::VoiceJoinRequest(v) => {
                    struct_ser.serialize_field("voiceJoinRequest", v)?;
                }
                envelope::Payload::VoiceJoinResponse(v) => {
                    struct_ser.serialize_field("voiceJoinResponse", v)?;
                }
                envelope::Payload::VoiceLeaveRequest(v) => {
                    struct_ser.serialize_field("voiceLeaveRequest", v)?;
                }
                envelope::Payload::VoiceLeaveEvent(v) => {
                    struct_ser.serialize_field("voiceLeaveEvent", v)?;
                }
                envelope::Payload::VoiceSdpOffer(v) => {
                    struct_ser.serialize_field("voiceSdpOffer", v)?;
                }
                envelope::Payload::VoiceSdpAnswer(v) => {
                    struct_ser.serialize_field("voiceSdpAnswer", v)?;
                }
                envelope::Payload::VoiceIceCandidate(v) => {
                    struct_ser.serialize_field("voiceIceCandidate", v)?;
                }
                envelope::Payload::VoiceStateUpdate(v) => {
                    struct_ser.serialize_field("voiceStateUpdate", v)?;
                }
                envelope::Payload::VoiceSpeakingEvent(v) => {
                    struct_ser.serialize_field("voiceSpeakingEvent", v)?;
                }
                envelope::Payload::VoiceParticipantJoinedEvent(v) => {
                    struct_ser.serialize_field("voiceParticipantJoinedEvent", v)?;
                }
                envelope::Payload::VoiceError(v) => {
                    struct_ser.serialize_field("voiceError", v)?;
                }
                envelope::Payload::VoiceIceServersRequest(v) => {
                    struct_ser.serialize_field("voiceIceServersRequest", v)?;
                }
                envelope::Payload::VoiceIceServersResponse(v) => {
                    struct_ser.serialize_field("voiceIceServersResponse", v)?;
                }
            }
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Envelope {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "request_id",
            "requestId",
            "voice_join_request",
            "voiceJoinRequest",
            "voice_join_response",
            "voiceJoinResponse",
            "voice_leave_request",
            "voiceLeaveRequest",
            "voice_leave_event",
            "voiceLeaveEvent",
            "voice_sdp_offer",
            "voiceSdpOffer",
            "voice_sdp_answer",
            "voiceSdpAnswer",
            "voice_ice_candidate",
            "voiceIceCandidate",
            "voice_state_update",
            "voiceStateUpdate",
            "voice_speaking_event",
            "voiceSpeakingEvent",
            "voice_participant_joined_event",
            "voiceParticipantJoinedEvent",
            "voice_error",
            "voiceError",
            "voice_ice_servers_request",
            "voiceIceServersRequest",
            "voice_ice_servers_response",
            "voiceIceServersResponse",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            RequestId,
            VoiceJoinRequest,
            VoiceJoinResponse,
            VoiceLeaveRequest,
            VoiceLeaveEvent,
            VoiceSdpOffer,
            VoiceSdpAnswer,
            VoiceIceCandidate,
            VoiceStateUpdate,
            VoiceSpeakingEvent,
            VoiceParticipantJoinedEvent,
            VoiceError,
            VoiceIceServersRequest,
            VoiceIceServersResponse,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "requestId" | "request_id" => Ok(GeneratedField::RequestId),
                            "voiceJoinRequest" | "voice_join_request" => Ok(GeneratedField::VoiceJoinRequest),
                            "voiceJoinResponse" | "voice_join_response" => Ok(GeneratedField::VoiceJoinResponse),
                            "voiceLeaveRequest" | "voice_leave_request" => Ok(GeneratedField::VoiceLeaveRequest),
                            "voiceLeaveEvent" | "voice_leave_event" => Ok(GeneratedField::VoiceLeaveEvent),
                            "voiceSdpOffer" | "voice_sdp_offer" => Ok(GeneratedField::VoiceSdpOffer),
                            "voiceSdpAnswer" | "voice_sdp_answer" => Ok(GeneratedField::VoiceSdpAnswer),
                            "voiceIceCandidate" | "voice_ice_candidate" => Ok(GeneratedField::VoiceIceCandidate),
                            "voiceStateUpdate" | "voice_state_update" => Ok(GeneratedField::VoiceStateUpdate),
                            "voiceSpeakingEvent" | "voice_speaking_event" => Ok(GeneratedField::VoiceSpeakingEvent),
                            "voiceParticipantJoinedEvent" | "voice_participant_joined_event" => Ok(GeneratedField::VoiceParticipantJoinedEvent),
                            "voiceError" | "voice_error" => Ok(GeneratedField::VoiceError),
                            "voiceIceServersRequest" | "voice_ice_servers_request" => Ok(GeneratedField::VoiceIceServersRequest),
                            "voiceIceServersResponse" | "voice_ice_servers_response" => Ok(GeneratedField::VoiceIceServersResponse),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Envelope;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.ws.Envelope")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Envelope, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut request_id__ = None;
                let mut payload__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::RequestId => {
                            if request_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("requestId"));
                            }
                            request_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::VoiceJoinRequest => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceJoinRequest"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceJoinRequest)
;
                        }
                        GeneratedField::VoiceJoinResponse => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceJoinResponse"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceJoinResponse)
;
                        }
                        GeneratedField::VoiceLeaveRequest => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceLeaveRequest"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceLeaveRequest)
;
                        }
                        GeneratedField::VoiceLeaveEvent => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceLeaveEvent"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceLeaveEvent)
;
                        }
                        GeneratedField::VoiceSdpOffer => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceSdpOffer"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceSdpOffer)
;
                        }
                        GeneratedField::VoiceSdpAnswer => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceSdpAnswer"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceSdpAnswer)
;
                        }
                        GeneratedField::VoiceIceCandidate => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceIceCandidate"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceIceCandidate)
;
                        }
                        GeneratedField::VoiceStateUpdate => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceStateUpdate"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceStateUpdate)
;
                        }
                        GeneratedField::VoiceSpeakingEvent => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceSpeakingEvent"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceSpeakingEvent)
;
                        }
                        GeneratedField::VoiceParticipantJoinedEvent => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceParticipantJoinedEvent"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceParticipantJoinedEvent)
;
                        }
                        GeneratedField::VoiceError => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceError"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceError)
;
                        }
                        GeneratedField::VoiceIceServersRequest => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceIceServersRequest"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceIceServersRequest)
;
                        }
                        GeneratedField::VoiceIceServersResponse => {
                            if payload__.is_some() {
                                return Err(serde::de::Error::duplicate_field("voiceIceServersResponse"));
                            }
                            payload__ = map_.next_value::<::std::option::Option<_>>()?.map(envelope::Payload::VoiceIceServersResponse)
;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Envelope {
                    request_id: request_id__.unwrap_or_default(),
                    payload: payload__,
                })
            }
        }
        deserializer.deserialize_struct("united.ws.Envelope", FIELDS, GeneratedVisitor)
    }
}
