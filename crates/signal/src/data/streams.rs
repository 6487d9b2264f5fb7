//! Streams that a participant is sending. A text or a file goes out piece by piece, long after it was begun: every piece
//! is for those for whom its beginning was, also if the circle has grown meanwhile.

use std::collections::VecDeque;

use livekit_protocol::data_packet::Value;
use parlour_model::command::AudienceMark;

use crate::metrics::Drop as Reason;

/// Streams that one participant sends at once. Of more, the one that was begun first is forgotten, and ends there.
const MAX_STREAMS: usize = 128;

/// Longest name of a stream, in bytes; clients take a UUID.
const MAX_NAME: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Streams {
    begun: VecDeque<(String, AudienceMark)>,
}

impl Streams {
    /// For whom a message is that came in at `mark`. A piece of nothing that was begun is of no use to anybody.
    pub(super) fn mark_of(&mut self, value: Option<&Value>, mark: AudienceMark) -> Result<AudienceMark, Reason> {
        match value {
            Some(Value::StreamHeader(header)) => self.begin(&header.stream_id, mark),
            Some(Value::StreamChunk(chunk)) => self.begun_at(&chunk.stream_id),
            Some(Value::StreamTrailer(trailer)) => {
                let begun = self.begun_at(&trailer.stream_id);
                self.forget(&trailer.stream_id);
                begun
            }
            _ => Ok(mark),
        }
    }

    fn begin(&mut self, name: &str, mark: AudienceMark) -> Result<AudienceMark, Reason> {
        if name.len() > MAX_NAME {
            return Err(Reason::InvalidData);
        }
        self.forget(name);
        if self.begun.len() >= MAX_STREAMS {
            self.begun.pop_front();
        }
        self.begun.push_back((name.to_owned(), mark));
        Ok(mark)
    }

    fn begun_at(&self, name: &str) -> Result<AudienceMark, Reason> {
        let begun = self.begun.iter().find(|(begun, _)| begun == name);
        begun.map(|(_, mark)| *mark).ok_or(Reason::InvalidData)
    }

    fn forget(&mut self, name: &str) {
        self.begun.retain(|(begun, _)| begun != name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use livekit_protocol::data_stream::{Chunk, Header, Trailer};

    use super::*;

    fn header(name: &str) -> Value {
        Value::StreamHeader(Header { stream_id: name.to_owned(), ..Default::default() })
    }

    fn chunk(name: &str) -> Value {
        Value::StreamChunk(Chunk { stream_id: name.to_owned(), ..Default::default() })
    }

    fn trailer(name: &str) -> Value {
        Value::StreamTrailer(Trailer { stream_id: name.to_owned(), ..Default::default() })
    }

    #[test]
    fn every_piece_of_a_stream_is_for_those_for_whom_it_was_begun() {
        let (mut streams, narrow, wide) = (Streams::default(), AudienceMark(1), AudienceMark(2));
        assert_eq!(streams.mark_of(Some(&header("a")), narrow).ok(), Some(narrow));
        assert_eq!(streams.mark_of(Some(&header("b")), wide).ok(), Some(wide));
        assert_eq!(streams.mark_of(Some(&chunk("a")), wide).ok(), Some(narrow));
        assert_eq!(streams.mark_of(Some(&chunk("b")), wide).ok(), Some(wide));
        assert_eq!(streams.mark_of(Some(&trailer("a")), wide).ok(), Some(narrow));
        assert!(streams.mark_of(Some(&chunk("a")), wide).is_err(), "it is over");
        assert_eq!(streams.mark_of(None, wide).ok(), Some(wide));
    }

    #[test]
    fn of_too_many_streams_the_oldest_ends() {
        let mut streams = Streams::default();
        for index in 0..=MAX_STREAMS {
            streams.mark_of(Some(&header(&index.to_string())), AudienceMark(0)).unwrap();
        }
        assert_eq!(streams.begun.len(), MAX_STREAMS);
        assert!(streams.mark_of(Some(&chunk("0")), AudienceMark(0)).is_err());
        assert!(streams.mark_of(Some(&chunk("1")), AudienceMark(0)).is_ok());
        assert!(streams.mark_of(Some(&header(&"x".repeat(MAX_NAME + 1))), AudienceMark(0)).is_err());
    }
}
