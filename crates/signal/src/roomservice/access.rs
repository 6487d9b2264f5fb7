//! What a caller's token allows: LiveKit's grants for servers.
//!
//! A token that also opens the door of a room is a person's, and a person's rights come from the role alone: it
//! administers nothing here, whatever it claims.

use axum::http::{HeaderMap, header};
use parlour_model::SessionId;

use super::twirp::TwirpError;
use crate::config::Keys;
use crate::service::unix_now;
use crate::token::{self, MAX_NAME, TokenError, VideoGrants};

/// The grants of a valid token.
pub(super) struct Access {
    /// The key that signed it.
    pub(super) key: String,
    grants: VideoGrants,
}

impl Access {
    /// Of the bearer.
    pub(super) fn of(headers: &HeaderMap, keys: &Keys) -> Result<Self, TwirpError> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(TokenError::Missing)?;
        let claims = token::verify(token.trim(), keys, unix_now())?;
        let (key, grants) = (claims.iss, claims.video);
        if grants.room_join {
            return Err(TwirpError::not_permitted("a participant's token does not administer rooms"));
        }
        Ok(Self { key, grants })
    }

    /// May make and end rooms.
    pub(super) fn create(&self, room: &str) -> Result<SessionId, TwirpError> {
        allowed(self.grants.room_create, "roomCreate")?;
        named(room)
    }

    /// May see which rooms there are.
    pub(super) fn list(&self) -> Result<(), TwirpError> {
        allowed(self.grants.room_list, "roomList")
    }

    /// May administer this room.
    pub(super) fn administer(&self, room: &str) -> Result<SessionId, TwirpError> {
        allowed(self.grants.room_admin, "roomAdmin")?;
        if self.grants.room != room {
            return Err(TokenError::WrongRoom.into());
        }
        named(room)
    }

    /// May take people from one room to another.
    pub(super) fn move_between(&self, from: &str, to: &str) -> Result<(SessionId, SessionId), TwirpError> {
        let from = self.administer(from)?;
        if self.grants.destination_room != to {
            return Err(TokenError::WrongRoom.into());
        }
        Ok((from, named(to)?))
    }
}

fn allowed(grant: bool, name: &str) -> Result<(), TwirpError> {
    if grant { Ok(()) } else { Err(TwirpError::not_permitted(&format!("the access token does not grant {name}"))) }
}

fn named(room: &str) -> Result<SessionId, TwirpError> {
    if room.is_empty() || room.len() > MAX_NAME {
        return Err(TwirpError::invalid("a room's name has between 1 and 256 bytes"));
    }
    Ok(SessionId::from(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(grants: VideoGrants) -> Access {
        Access { key: String::new(), grants }
    }

    #[test]
    fn each_grant_opens_its_own_door_only() {
        let creator = access(VideoGrants { room_create: true, ..VideoGrants::default() });
        assert!(creator.create("r").is_ok() && creator.list().is_err() && creator.administer("r").is_err());
        let lister = access(VideoGrants { room_list: true, ..VideoGrants::default() });
        assert!(lister.list().is_ok() && lister.create("r").is_err() && lister.administer("r").is_err());
        let admin = access(VideoGrants { room_admin: true, room: "r".into(), ..VideoGrants::default() });
        assert!(admin.administer("r").is_ok() && admin.create("r").is_err() && admin.list().is_err());
        assert!(admin.administer("other").is_err() && admin.administer("").is_err());
        assert!(admin.move_between("r", "other").is_err());
    }

    #[test]
    fn a_move_needs_the_right_in_both_rooms() {
        let grants =
            VideoGrants { room_admin: true, room: "a".into(), destination_room: "b".into(), ..VideoGrants::default() };
        let mover = access(grants);
        assert!(mover.move_between("a", "b").is_ok());
        assert!(mover.move_between("b", "a").is_err() && mover.move_between("a", "c").is_err());
    }

    #[test]
    fn names_are_bounded() {
        let creator = access(VideoGrants { room_create: true, ..VideoGrants::default() });
        assert!(creator.create("").is_err() && creator.create(&"x".repeat(MAX_NAME + 1)).is_err());
    }
}
