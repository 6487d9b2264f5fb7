//! What a token says: LiveKit's claims as its server SDKs write them, and ours.

use std::collections::BTreeMap;
use std::fmt;

use parlour_model::{Encryption, Entry, Grants, Identity, Redacted, Role, SessionId};
use serde::{Deserialize, Serialize};

use super::{MAX_ATTRIBUTES, MAX_METADATA, MAX_NAME, RESERVED_ATTRIBUTE_PREFIX, TokenError};

/// The claims of a token. Everything that is not needed is ignored when read.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// API key.
    pub iss: String,
    /// Identity of the bearer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
    /// Not before, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Expires, Unix seconds. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// Display name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The integrator's, opaque.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// The integrator's, opaque.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// LiveKit's grants.
    pub video: VideoGrants,
    /// What only Parlour knows.
    pub parlour: ParlourClaim,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("iss", &self.iss).field("exp", &self.exp).finish_non_exhaustive()
    }
}

/// LiveKit's grants, as its server SDKs write them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VideoGrants {
    /// Name of the room.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// May join it.
    #[serde(skip_serializing_if = "is_false")]
    pub room_join: bool,
    /// May create rooms (server API).
    #[serde(skip_serializing_if = "is_false")]
    pub room_create: bool,
    /// May list rooms (server API).
    #[serde(skip_serializing_if = "is_false")]
    pub room_list: bool,
    /// May administer the room (server API).
    #[serde(skip_serializing_if = "is_false")]
    pub room_admin: bool,
    /// With `room_admin`: people of `room` may be taken there (server API).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_room: String,
    /// May publish; missing means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// May subscribe; missing means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// May send data; missing means as `can_publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio`; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    /// May change its own name, metadata and attributes; missing means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Asks to be invisible; refused.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
}

/// The claim `parlour`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ParlourClaim {
    /// `therapist`, `client` (also when missing), `guest` or `service`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// `gcm` or `custom` when this client encrypts its frames end to end: LiveKit's join has no word for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encryption: String,
    /// `hand_over` when the bearer takes over the seat of another device of the same person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entry: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Claims {
    /// What a participant needs: to join one session, everything its role allows, until `exp` (Unix seconds).
    pub fn join(key: &str, session: &SessionId, identity: &Identity, role: Role, exp: u64) -> Self {
        Self {
            iss: key.to_owned(),
            sub: identity.as_str().to_owned(),
            exp: Some(exp),
            video: VideoGrants {
                room: session.as_str().to_owned(),
                room_join: true,
                can_update_own_metadata: Some(true),
                ..VideoGrants::default()
            },
            parlour: ParlourClaim { role: role.as_str().to_owned(), ..ParlourClaim::default() },
            ..Self::default()
        }
    }

    /// Who the bearer is and what it may do in the room it names.
    ///
    /// # Errors
    /// A [`TokenError`] with [`TokenError::is_permission`].
    pub fn bearer(&self) -> Result<Bearer, TokenError> {
        if !self.video.room_join || self.video.room.is_empty() {
            return Err(TokenError::NoJoin);
        }
        if self.video.hidden {
            return Err(TokenError::Hidden);
        }
        if self.sub.is_empty() || [&self.sub, &self.video.room, &self.name].iter().any(|text| text.len() > MAX_NAME) {
            return Err(TokenError::Bounds);
        }
        let attributes = permitted_attributes(&self.attributes);
        if self.metadata.len() > MAX_METADATA || !attributes_fit(&attributes) {
            return Err(TokenError::Bounds);
        }
        Ok(Bearer {
            session: SessionId::from(self.video.room.as_str()),
            identity: Identity::from(self.sub.as_str()),
            role: self.role()?,
            encryption: match self.parlour.encryption.as_str() {
                "gcm" => Encryption::Gcm,
                "custom" => Encryption::Custom,
                _ => Encryption::None,
            },
            entry: match self.parlour.entry.as_str() {
                "hand_over" => Entry::HandOver,
                _ => Entry::Ordinary,
            },
            grants: self.video.grants(),
            name: Redacted(self.name.clone()),
            metadata: Redacted(self.metadata.clone()),
            attributes: Redacted(attributes),
        })
    }

    fn role(&self) -> Result<Role, TokenError> {
        match self.parlour.role.as_str() {
            "" => Ok(Role::Client),
            word => [Role::Therapist, Role::Client, Role::Guest, Role::Service]
                .into_iter()
                .find(|role| role.as_str() == word)
                .ok_or(TokenError::UnknownRole),
        }
    }
}

impl VideoGrants {
    /// What lets someone with these rights into a room.
    pub(crate) fn join(room: &SessionId, grants: Grants) -> Self {
        let sources = [
            (grants.camera, "camera"),
            (grants.microphone, "microphone"),
            (grants.screen, "screen_share"),
            (grants.screen, "screen_share_audio"),
        ];
        Self {
            room: room.as_str().to_owned(),
            room_join: true,
            can_publish: Some(grants.may_publish_any()),
            can_publish_sources: sources.iter().filter(|(may, _)| *may).map(|(_, name)| (*name).to_owned()).collect(),
            can_subscribe: Some(grants.subscribe),
            can_publish_data: Some(grants.data),
            can_update_own_metadata: Some(grants.update_own_metadata),
            ..Self::default()
        }
    }

    /// As Parlour understands them.
    pub fn grants(&self) -> Grants {
        let publish = self.can_publish.unwrap_or(true);
        let source = |name: &str| {
            publish && (self.can_publish_sources.is_empty() || self.can_publish_sources.iter().any(|s| s == name))
        };
        Grants {
            microphone: source("microphone"),
            camera: source("camera"),
            screen: source("screen_share"),
            subscribe: self.can_subscribe.unwrap_or(true),
            data: self.can_publish_data.unwrap_or(publish),
            update_own_metadata: self.can_update_own_metadata.unwrap_or(false),
        }
    }
}

/// The bearer of a valid token.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The session it may join.
    pub session: SessionId,
    /// Who.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// How it encrypts its frames.
    pub encryption: Encryption,
    /// By which way it comes in.
    pub entry: Entry,
    /// What the token allows.
    pub grants: Grants,
    /// Shown to others.
    pub name: Redacted<String>,
    /// Opaque.
    pub metadata: Redacted<String>,
    /// Opaque, without reserved names.
    pub attributes: Redacted<BTreeMap<String, String>>,
}

/// Without the names that only the server sets.
pub(crate) fn permitted_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .filter(|(name, _)| !name.starts_with(RESERVED_ATTRIBUTE_PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether attributes are within their bounds.
pub(crate) fn attributes_fit(attributes: &BTreeMap<String, String>) -> bool {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    attributes.len() <= MAX_ATTRIBUTES && bytes <= MAX_METADATA
}
