impl serde::Serialize for IceServer {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.IceServer", len)?;
        if true {
            struct_ser.serialize_field("urls", &self.urls)?;
        }
        if true {
            struct_ser.serialize_field("username", &self.username)?;
        }
        if true {
            struct_ser.serialize_field("credential", &self.credential)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for IceServer {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "urls",
            "username",
            "credential",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Urls,
            Username,
            Credential,
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
                            "urls" => Ok(GeneratedField::Urls),
                            "username" => Ok(GeneratedField::Username),
                            "credential" => Ok(GeneratedField::Credential),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = IceServer;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.IceServer")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<IceServer, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut urls__ = None;
                let mut username__ = None;
                let mut credential__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Urls => {
                            if urls__.is_some() {
                                return Err(serde::de::Error::duplicate_field("urls"));
                            }
                            urls__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Username => {
                            if username__.is_some() {
                                return Err(serde::de::Error::duplicate_field("username"));
                            }
                            username__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Credential => {
                            if credential__.is_some() {
                                return Err(serde::de::Error::duplicate_field("credential"));
                            }
                            credential__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(IceServer {
                    urls: urls__.unwrap_or_default(),
                    username: username__.unwrap_or_default(),
                    credential: credential__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.IceServer", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceError {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceError", len)?;
        if true {
            let v = VoiceErrorCode::try_from(self.code)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.code)))?;
            struct_ser.serialize_field("code", &v)?;
        }
        if true {
            struct_ser.serialize_field("message", &self.message)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceError {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "code",
            "message",
            "channel_id",
            "channelId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Code,
            Message,
            ChannelId,
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
                            "code" => Ok(GeneratedField::Code),
                            "message" => Ok(GeneratedField::Message),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceError;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceError")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceError, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut code__ = None;
                let mut message__ = None;
                let mut channel_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Code => {
                            if code__.is_some() {
                                return Err(serde::de::Error::duplicate_field("code"));
                            }
                            code__ = Some(map_.next_value::<VoiceErrorCode>()? as i32);
                        }
                        GeneratedField::Message => {
                            if message__.is_some() {
                                return Err(serde::de::Error::duplicate_field("message"));
                            }
                            message__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceError {
                    code: code__.unwrap_or_default(),
                    message: message__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceError", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceErrorCode {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "VOICE_ERROR_CODE_UNSPECIFIED",
            Self::Malformed => "VOICE_ERROR_CODE_MALFORMED",
            Self::Unsupported => "VOICE_ERROR_CODE_UNSUPPORTED",
            Self::ChannelNotFound => "VOICE_ERROR_CODE_CHANNEL_NOT_FOUND",
            Self::NotAVoiceChannel => "VOICE_ERROR_CODE_NOT_A_VOICE_CHANNEL",
            Self::Forbidden => "VOICE_ERROR_CODE_FORBIDDEN",
            Self::ChannelFull => "VOICE_ERROR_CODE_CHANNEL_FULL",
            Self::NotInChannel => "VOICE_ERROR_CODE_NOT_IN_CHANNEL",
            Self::TargetNotInChannel => "VOICE_ERROR_CODE_TARGET_NOT_IN_CHANNEL",
            Self::TooLarge => "VOICE_ERROR_CODE_TOO_LARGE",
            Self::RateLimited => "VOICE_ERROR_CODE_RATE_LIMITED",
            Self::SessionReplaced => "VOICE_ERROR_CODE_SESSION_REPLACED",
            Self::Unavailable => "VOICE_ERROR_CODE_UNAVAILABLE",
            Self::Internal => "VOICE_ERROR_CODE_INTERNAL",
            Self::StaleSession => "VOICE_ERROR_CODE_STALE_SESSION",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for VoiceErrorCode {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "VOICE_ERROR_CODE_UNSPECIFIED",
            "VOICE_ERROR_CODE_MALFORMED",
            "VOICE_ERROR_CODE_UNSUPPORTED",
            "VOICE_ERROR_CODE_CHANNEL_NOT_FOUND",
            "VOICE_ERROR_CODE_NOT_A_VOICE_CHANNEL",
            "VOICE_ERROR_CODE_FORBIDDEN",
            "VOICE_ERROR_CODE_CHANNEL_FULL",
            "VOICE_ERROR_CODE_NOT_IN_CHANNEL",
            "VOICE_ERROR_CODE_TARGET_NOT_IN_CHANNEL",
            "VOICE_ERROR_CODE_TOO_LARGE",
            "VOICE_ERROR_CODE_RATE_LIMITED",
            "VOICE_ERROR_CODE_SESSION_REPLACED",
            "VOICE_ERROR_CODE_UNAVAILABLE",
            "VOICE_ERROR_CODE_INTERNAL",
            "VOICE_ERROR_CODE_STALE_SESSION",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = VoiceErrorCode;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(VoiceErrorCode::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(VoiceErrorCode::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "VOICE_ERROR_CODE_UNSPECIFIED" => Ok(VoiceErrorCode::Unspecified),
                    "VOICE_ERROR_CODE_MALFORMED" => Ok(VoiceErrorCode::Malformed),
                    "VOICE_ERROR_CODE_UNSUPPORTED" => Ok(VoiceErrorCode::Unsupported),
                    "VOICE_ERROR_CODE_CHANNEL_NOT_FOUND" => Ok(VoiceErrorCode::ChannelNotFound),
                    "VOICE_ERROR_CODE_NOT_A_VOICE_CHANNEL" => Ok(VoiceErrorCode::NotAVoiceChannel),
                    "VOICE_ERROR_CODE_FORBIDDEN" => Ok(VoiceErrorCode::Forbidden),
                    "VOICE_ERROR_CODE_CHANNEL_FULL" => Ok(VoiceErrorCode::ChannelFull),
                    "VOICE_ERROR_CODE_NOT_IN_CHANNEL" => Ok(VoiceErrorCode::NotInChannel),
                    "VOICE_ERROR_CODE_TARGET_NOT_IN_CHANNEL" => Ok(VoiceErrorCode::TargetNotInChannel),
                    "VOICE_ERROR_CODE_TOO_LARGE" => Ok(VoiceErrorCode::TooLarge),
                    "VOICE_ERROR_CODE_RATE_LIMITED" => Ok(VoiceErrorCode::RateLimited),
                    "VOICE_ERROR_CODE_SESSION_REPLACED" => Ok(VoiceErrorCode::SessionReplaced),
                    "VOICE_ERROR_CODE_UNAVAILABLE" => Ok(VoiceErrorCode::Unavailable),
                    "VOICE_ERROR_CODE_INTERNAL" => Ok(VoiceErrorCode::Internal),
                    "VOICE_ERROR_CODE_STALE_SESSION" => Ok(VoiceErrorCode::StaleSession),
                    _ => Ok(VoiceErrorCode::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceIceCandidate {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceIceCandidate", len)?;
        if true {
            struct_ser.serialize_field("targetUserId", &self.target_user_id)?;
        }
        if true {
            struct_ser.serialize_field("candidateJson", &self.candidate_json)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("senderUserId", &self.sender_user_id)?;
        }
        if true {
            struct_ser.serialize_field("senderSessionId", &self.sender_session_id)?;
        }
        if true {
            struct_ser.serialize_field("targetSessionId", &self.target_session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceIceCandidate {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "target_user_id",
            "targetUserId",
            "candidate_json",
            "candidateJson",
            "channel_id",
            "channelId",
            "sender_user_id",
            "senderUserId",
            "sender_session_id",
            "senderSessionId",
            "target_session_id",
            "targetSessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            TargetUserId,
            CandidateJson,
            ChannelId,
            SenderUserId,
            SenderSessionId,
            TargetSessionId,
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
                            "targetUserId" | "target_user_id" => Ok(GeneratedField::TargetUserId),
                            "candidateJson" | "candidate_json" => Ok(GeneratedField::CandidateJson),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "senderUserId" | "sender_user_id" => Ok(GeneratedField::SenderUserId),
                            "senderSessionId" | "sender_session_id" => Ok(GeneratedField::SenderSessionId),
                            "targetSessionId" | "target_session_id" => Ok(GeneratedField::TargetSessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceIceCandidate;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceIceCandidate")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceIceCandidate, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut target_user_id__ = None;
                let mut candidate_json__ = None;
                let mut channel_id__ = None;
                let mut sender_user_id__ = None;
                let mut sender_session_id__ = None;
                let mut target_session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::TargetUserId => {
                            if target_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetUserId"));
                            }
                            target_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::CandidateJson => {
                            if candidate_json__.is_some() {
                                return Err(serde::de::Error::duplicate_field("candidateJson"));
                            }
                            candidate_json__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderUserId => {
                            if sender_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderUserId"));
                            }
                            sender_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderSessionId => {
                            if sender_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderSessionId"));
                            }
                            sender_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::TargetSessionId => {
                            if target_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetSessionId"));
                            }
                            target_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceIceCandidate {
                    target_user_id: target_user_id__.unwrap_or_default(),
                    candidate_json: candidate_json__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                    sender_user_id: sender_user_id__.unwrap_or_default(),
                    sender_session_id: sender_session_id__.unwrap_or_default(),
                    target_session_id: target_session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceIceCandidate", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceIceServersRequest {
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
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceIceServersRequest", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceIceServersRequest {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceIceServersRequest;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceIceServersRequest")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceIceServersRequest, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceIceServersRequest {
                    channel_id: channel_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceIceServersRequest", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceIceServersResponse {
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
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceIceServersResponse", len)?;
        if true {
            struct_ser.serialize_field("iceServers", &self.ice_servers)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceIceServersResponse {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "ice_servers",
            "iceServers",
            "channel_id",
            "channelId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            IceServers,
            ChannelId,
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
                            "iceServers" | "ice_servers" => Ok(GeneratedField::IceServers),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceIceServersResponse;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceIceServersResponse")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceIceServersResponse, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut ice_servers__ = None;
                let mut channel_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::IceServers => {
                            if ice_servers__.is_some() {
                                return Err(serde::de::Error::duplicate_field("iceServers"));
                            }
                            ice_servers__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceIceServersResponse {
                    ice_servers: ice_servers__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceIceServersResponse", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceJoinRequest {
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
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceJoinRequest", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceJoinRequest {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceJoinRequest;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceJoinRequest")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceJoinRequest, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceJoinRequest {
                    channel_id: channel_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceJoinRequest", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceJoinResponse {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceJoinResponse", len)?;
        if true {
            struct_ser.serialize_field("participants", &self.participants)?;
        }
        if true {
            struct_ser.serialize_field("iceServers", &self.ice_servers)?;
        }
        if true {
            struct_ser.serialize_field("qualityWarning", &self.quality_warning)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("sessionId", &self.session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceJoinResponse {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "participants",
            "ice_servers",
            "iceServers",
            "quality_warning",
            "qualityWarning",
            "channel_id",
            "channelId",
            "session_id",
            "sessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Participants,
            IceServers,
            QualityWarning,
            ChannelId,
            SessionId,
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
                            "participants" => Ok(GeneratedField::Participants),
                            "iceServers" | "ice_servers" => Ok(GeneratedField::IceServers),
                            "qualityWarning" | "quality_warning" => Ok(GeneratedField::QualityWarning),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "sessionId" | "session_id" => Ok(GeneratedField::SessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceJoinResponse;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceJoinResponse")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceJoinResponse, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut participants__ = None;
                let mut ice_servers__ = None;
                let mut quality_warning__ = None;
                let mut channel_id__ = None;
                let mut session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Participants => {
                            if participants__.is_some() {
                                return Err(serde::de::Error::duplicate_field("participants"));
                            }
                            participants__ = Some(map_.next_value()?);
                        }
                        GeneratedField::IceServers => {
                            if ice_servers__.is_some() {
                                return Err(serde::de::Error::duplicate_field("iceServers"));
                            }
                            ice_servers__ = Some(map_.next_value()?);
                        }
                        GeneratedField::QualityWarning => {
                            if quality_warning__.is_some() {
                                return Err(serde::de::Error::duplicate_field("qualityWarning"));
                            }
                            quality_warning__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SessionId => {
                            if session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sessionId"));
                            }
                            session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceJoinResponse {
                    participants: participants__.unwrap_or_default(),
                    ice_servers: ice_servers__.unwrap_or_default(),
                    quality_warning: quality_warning__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                    session_id: session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceJoinResponse", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceLeaveEvent {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceLeaveEvent", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("userId", &self.user_id)?;
        }
        if true {
            struct_ser.serialize_field("displayName", &self.display_name)?;
        }
        if true {
            let v = VoiceLeaveReason::try_from(self.reason)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.reason)))?;
            struct_ser.serialize_field("reason", &v)?;
        }
        if true {
            struct_ser.serialize_field("sessionId", &self.session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceLeaveEvent {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
            "user_id",
            "userId",
            "display_name",
            "displayName",
            "reason",
            "session_id",
            "sessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
            UserId,
            DisplayName,
            Reason,
            SessionId,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "userId" | "user_id" => Ok(GeneratedField::UserId),
                            "displayName" | "display_name" => Ok(GeneratedField::DisplayName),
                            "reason" => Ok(GeneratedField::Reason),
                            "sessionId" | "session_id" => Ok(GeneratedField::SessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceLeaveEvent;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceLeaveEvent")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceLeaveEvent, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                let mut user_id__ = None;
                let mut display_name__ = None;
                let mut reason__ = None;
                let mut session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::UserId => {
                            if user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("userId"));
                            }
                            user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::DisplayName => {
                            if display_name__.is_some() {
                                return Err(serde::de::Error::duplicate_field("displayName"));
                            }
                            display_name__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Reason => {
                            if reason__.is_some() {
                                return Err(serde::de::Error::duplicate_field("reason"));
                            }
                            reason__ = Some(map_.next_value::<VoiceLeaveReason>()? as i32);
                        }
                        GeneratedField::SessionId => {
                            if session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sessionId"));
                            }
                            session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceLeaveEvent {
                    channel_id: channel_id__.unwrap_or_default(),
                    user_id: user_id__.unwrap_or_default(),
                    display_name: display_name__.unwrap_or_default(),
                    reason: reason__.unwrap_or_default(),
                    session_id: session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceLeaveEvent", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceLeaveReason {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "VOICE_LEAVE_REASON_UNSPECIFIED",
            Self::Left => "VOICE_LEAVE_REASON_LEFT",
            Self::Moved => "VOICE_LEAVE_REASON_MOVED",
            Self::Disconnected => "VOICE_LEAVE_REASON_DISCONNECTED",
            Self::Replaced => "VOICE_LEAVE_REASON_REPLACED",
            Self::Kicked => "VOICE_LEAVE_REASON_KICKED",
            Self::Evicted => "VOICE_LEAVE_REASON_EVICTED",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for VoiceLeaveReason {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "VOICE_LEAVE_REASON_UNSPECIFIED",
            "VOICE_LEAVE_REASON_LEFT",
            "VOICE_LEAVE_REASON_MOVED",
            "VOICE_LEAVE_REASON_DISCONNECTED",
            "VOICE_LEAVE_REASON_REPLACED",
            "VOICE_LEAVE_REASON_KICKED",
            "VOICE_LEAVE_REASON_EVICTED",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = VoiceLeaveReason;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(VoiceLeaveReason::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(VoiceLeaveReason::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "VOICE_LEAVE_REASON_UNSPECIFIED" => Ok(VoiceLeaveReason::Unspecified),
                    "VOICE_LEAVE_REASON_LEFT" => Ok(VoiceLeaveReason::Left),
                    "VOICE_LEAVE_REASON_MOVED" => Ok(VoiceLeaveReason::Moved),
                    "VOICE_LEAVE_REASON_DISCONNECTED" => Ok(VoiceLeaveReason::Disconnected),
                    "VOICE_LEAVE_REASON_REPLACED" => Ok(VoiceLeaveReason::Replaced),
                    "VOICE_LEAVE_REASON_KICKED" => Ok(VoiceLeaveReason::Kicked),
                    "VOICE_LEAVE_REASON_EVICTED" => Ok(VoiceLeaveReason::Evicted),
                    _ => Ok(VoiceLeaveReason::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceLeaveRequest {
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
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceLeaveRequest", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceLeaveRequest {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceLeaveRequest;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceLeaveRequest")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceLeaveRequest, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceLeaveRequest {
                    channel_id: channel_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceLeaveRequest", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceParticipant {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceParticipant", len)?;
        if true {
            struct_ser.serialize_field("userId", &self.user_id)?;
        }
        if true {
            struct_ser.serialize_field("displayName", &self.display_name)?;
        }
        if true {
            struct_ser.serialize_field("pubkey", &self.pubkey)?;
        }
        if true {
            struct_ser.serialize_field("muted", &self.muted)?;
        }
        if true {
            struct_ser.serialize_field("deafened", &self.deafened)?;
        }
        if true {
            struct_ser.serialize_field("sessionId", &self.session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceParticipant {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "user_id",
            "userId",
            "display_name",
            "displayName",
            "pubkey",
            "muted",
            "deafened",
            "session_id",
            "sessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            UserId,
            DisplayName,
            Pubkey,
            Muted,
            Deafened,
            SessionId,
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
                            "userId" | "user_id" => Ok(GeneratedField::UserId),
                            "displayName" | "display_name" => Ok(GeneratedField::DisplayName),
                            "pubkey" => Ok(GeneratedField::Pubkey),
                            "muted" => Ok(GeneratedField::Muted),
                            "deafened" => Ok(GeneratedField::Deafened),
                            "sessionId" | "session_id" => Ok(GeneratedField::SessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceParticipant;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceParticipant")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceParticipant, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut user_id__ = None;
                let mut display_name__ = None;
                let mut pubkey__ = None;
                let mut muted__ = None;
                let mut deafened__ = None;
                let mut session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::UserId => {
                            if user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("userId"));
                            }
                            user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::DisplayName => {
                            if display_name__.is_some() {
                                return Err(serde::de::Error::duplicate_field("displayName"));
                            }
                            display_name__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Pubkey => {
                            if pubkey__.is_some() {
                                return Err(serde::de::Error::duplicate_field("pubkey"));
                            }
                            pubkey__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Muted => {
                            if muted__.is_some() {
                                return Err(serde::de::Error::duplicate_field("muted"));
                            }
                            muted__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Deafened => {
                            if deafened__.is_some() {
                                return Err(serde::de::Error::duplicate_field("deafened"));
                            }
                            deafened__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SessionId => {
                            if session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sessionId"));
                            }
                            session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceParticipant {
                    user_id: user_id__.unwrap_or_default(),
                    display_name: display_name__.unwrap_or_default(),
                    pubkey: pubkey__.unwrap_or_default(),
                    muted: muted__.unwrap_or_default(),
                    deafened: deafened__.unwrap_or_default(),
                    session_id: session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceParticipant", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceParticipantJoinedEvent {
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
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceParticipantJoinedEvent", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if let Some(v) = self.participant.as_ref() {
            struct_ser.serialize_field("participant", v)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceParticipantJoinedEvent {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
            "participant",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
            Participant,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "participant" => Ok(GeneratedField::Participant),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceParticipantJoinedEvent;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceParticipantJoinedEvent")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceParticipantJoinedEvent, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                let mut participant__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Participant => {
                            if participant__.is_some() {
                                return Err(serde::de::Error::duplicate_field("participant"));
                            }
                            participant__ = map_.next_value()?;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceParticipantJoinedEvent {
                    channel_id: channel_id__.unwrap_or_default(),
                    participant: participant__,
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceParticipantJoinedEvent", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceSdpAnswer {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceSdpAnswer", len)?;
        if true {
            struct_ser.serialize_field("targetUserId", &self.target_user_id)?;
        }
        if true {
            struct_ser.serialize_field("sdp", &self.sdp)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("senderUserId", &self.sender_user_id)?;
        }
        if true {
            struct_ser.serialize_field("senderSessionId", &self.sender_session_id)?;
        }
        if true {
            struct_ser.serialize_field("targetSessionId", &self.target_session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceSdpAnswer {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "target_user_id",
            "targetUserId",
            "sdp",
            "channel_id",
            "channelId",
            "sender_user_id",
            "senderUserId",
            "sender_session_id",
            "senderSessionId",
            "target_session_id",
            "targetSessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            TargetUserId,
            Sdp,
            ChannelId,
            SenderUserId,
            SenderSessionId,
            TargetSessionId,
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
                            "targetUserId" | "target_user_id" => Ok(GeneratedField::TargetUserId),
                            "sdp" => Ok(GeneratedField::Sdp),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "senderUserId" | "sender_user_id" => Ok(GeneratedField::SenderUserId),
                            "senderSessionId" | "sender_session_id" => Ok(GeneratedField::SenderSessionId),
                            "targetSessionId" | "target_session_id" => Ok(GeneratedField::TargetSessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceSdpAnswer;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceSdpAnswer")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceSdpAnswer, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut target_user_id__ = None;
                let mut sdp__ = None;
                let mut channel_id__ = None;
                let mut sender_user_id__ = None;
                let mut sender_session_id__ = None;
                let mut target_session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::TargetUserId => {
                            if target_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetUserId"));
                            }
                            target_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Sdp => {
                            if sdp__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sdp"));
                            }
                            sdp__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderUserId => {
                            if sender_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderUserId"));
                            }
                            sender_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderSessionId => {
                            if sender_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderSessionId"));
                            }
                            sender_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::TargetSessionId => {
                            if target_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetSessionId"));
                            }
                            target_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceSdpAnswer {
                    target_user_id: target_user_id__.unwrap_or_default(),
                    sdp: sdp__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                    sender_user_id: sender_user_id__.unwrap_or_default(),
                    sender_session_id: sender_session_id__.unwrap_or_default(),
                    target_session_id: target_session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceSdpAnswer", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceSdpOffer {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceSdpOffer", len)?;
        if true {
            struct_ser.serialize_field("targetUserId", &self.target_user_id)?;
        }
        if true {
            struct_ser.serialize_field("sdp", &self.sdp)?;
        }
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("senderUserId", &self.sender_user_id)?;
        }
        if true {
            struct_ser.serialize_field("senderSessionId", &self.sender_session_id)?;
        }
        if true {
            struct_ser.serialize_field("targetSessionId", &self.target_session_id)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceSdpOffer {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "target_user_id",
            "targetUserId",
            "sdp",
            "channel_id",
            "channelId",
            "sender_user_id",
            "senderUserId",
            "sender_session_id",
            "senderSessionId",
            "target_session_id",
            "targetSessionId",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            TargetUserId,
            Sdp,
            ChannelId,
            SenderUserId,
            SenderSessionId,
            TargetSessionId,
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
                            "targetUserId" | "target_user_id" => Ok(GeneratedField::TargetUserId),
                            "sdp" => Ok(GeneratedField::Sdp),
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "senderUserId" | "sender_user_id" => Ok(GeneratedField::SenderUserId),
                            "senderSessionId" | "sender_session_id" => Ok(GeneratedField::SenderSessionId),
                            "targetSessionId" | "target_session_id" => Ok(GeneratedField::TargetSessionId),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceSdpOffer;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceSdpOffer")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceSdpOffer, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut target_user_id__ = None;
                let mut sdp__ = None;
                let mut channel_id__ = None;
                let mut sender_user_id__ = None;
                let mut sender_session_id__ = None;
                let mut target_session_id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::TargetUserId => {
                            if target_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetUserId"));
                            }
                            target_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Sdp => {
                            if sdp__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sdp"));
                            }
                            sdp__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderUserId => {
                            if sender_user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderUserId"));
                            }
                            sender_user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::SenderSessionId => {
                            if sender_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("senderSessionId"));
                            }
                            sender_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::TargetSessionId => {
                            if target_session_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("targetSessionId"));
                            }
                            target_session_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceSdpOffer {
                    target_user_id: target_user_id__.unwrap_or_default(),
                    sdp: sdp__.unwrap_or_default(),
                    channel_id: channel_id__.unwrap_or_default(),
                    sender_user_id: sender_user_id__.unwrap_or_default(),
                    sender_session_id: sender_session_id__.unwrap_or_default(),
                    target_session_id: target_session_id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceSdpOffer", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceSpeakingEvent {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceSpeakingEvent", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("userId", &self.user_id)?;
        }
        if true {
            struct_ser.serialize_field("speaking", &self.speaking)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceSpeakingEvent {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
            "user_id",
            "userId",
            "speaking",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
            UserId,
            Speaking,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "userId" | "user_id" => Ok(GeneratedField::UserId),
                            "speaking" => Ok(GeneratedField::Speaking),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceSpeakingEvent;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceSpeakingEvent")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceSpeakingEvent, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                let mut user_id__ = None;
                let mut speaking__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::UserId => {
                            if user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("userId"));
                            }
                            user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Speaking => {
                            if speaking__.is_some() {
                                return Err(serde::de::Error::duplicate_field("speaking"));
                            }
                            speaking__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceSpeakingEvent {
                    channel_id: channel_id__.unwrap_or_default(),
                    user_id: user_id__.unwrap_or_default(),
                    speaking: speaking__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceSpeakingEvent", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VoiceStateUpdate {
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
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        if true {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("united.voice.VoiceStateUpdate", len)?;
        if true {
            struct_ser.serialize_field("channelId", &self.channel_id)?;
        }
        if true {
            struct_ser.serialize_field("userId", &self.user_id)?;
        }
        if true {
            struct_ser.serialize_field("muted", &self.muted)?;
        }
        if true {
            struct_ser.serialize_field("deafened", &self.deafened)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VoiceStateUpdate {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "channel_id",
            "channelId",
            "user_id",
            "userId",
            "muted",
            "deafened",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            ChannelId,
            UserId,
            Muted,
            Deafened,
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
                            "channelId" | "channel_id" => Ok(GeneratedField::ChannelId),
                            "userId" | "user_id" => Ok(GeneratedField::UserId),
                            "muted" => Ok(GeneratedField::Muted),
                            "deafened" => Ok(GeneratedField::Deafened),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VoiceStateUpdate;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct united.voice.VoiceStateUpdate")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VoiceStateUpdate, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut channel_id__ = None;
                let mut user_id__ = None;
                let mut muted__ = None;
                let mut deafened__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::ChannelId => {
                            if channel_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("channelId"));
                            }
                            channel_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::UserId => {
                            if user_id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("userId"));
                            }
                            user_id__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Muted => {
                            if muted__.is_some() {
                                return Err(serde::de::Error::duplicate_field("muted"));
                            }
                            muted__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Deafened => {
                            if deafened__.is_some() {
                                return Err(serde::de::Error::duplicate_field("deafened"));
                            }
                            deafened__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VoiceStateUpdate {
                    channel_id: channel_id__.unwrap_or_default(),
                    user_id: user_id__.unwrap_or_default(),
                    muted: muted__.unwrap_or_default(),
                    deafened: deafened__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("united.voice.VoiceStateUpdate", FIELDS, GeneratedVisitor)
    }
}
