//! The lines that receivers are behind. Receivers at one home are taken to share its line until their delays say otherwise;
//! everyone else has one alone.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use parlour_estimator::{Config, Line, MemberId};

/// Clients of one number may be behind one line: they have the same public address. It says nothing else of them, and is
/// not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home(pub u128);

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home(..)")
    }
}

/// A receiver's place on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u16,
    pub member: MemberId,
}

/// All lines of a room: no more than it has participants.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Option<Box<Line>>>,
    /// The line that who comes to a home joins.
    homes: BTreeMap<Home, u16>,
}

impl Lines {
    pub fn get(&self, place: Place) -> Option<&Line> {
        self.lines.get(usize::from(place.line))?.as_deref()
    }

    pub fn get_mut(&mut self, place: Place) -> Option<&mut Line> {
        self.lines.get_mut(usize::from(place.line))?.as_deref_mut()
    }

    /// A line of one's own, or a place on the one of that home. A line that is full is not joined.
    pub fn join(&mut self, home: Option<Home>, config: Config, now: Instant) -> Place {
        let shared = home.and_then(|home| self.homes.get(&home).copied()).and_then(|line| {
            let member = self.lines.get_mut(usize::from(line))?.as_mut()?.join(1.0, now)?;
            Some(Place { line, member })
        });
        shared.unwrap_or_else(|| {
            let mut line = Line::new(config, now);
            let member = line.join(1.0, now).unwrap_or_else(|| unreachable!("a new line has room"));
            let line = self.put(line);
            if let Some(home) = home {
                self.homes.entry(home).or_insert(line);
            }
            Place { line, member }
        })
    }

    /// Leaves for another place, or for good. The line of who is left alone stays as it is.
    pub fn leave(&mut self, place: Place) {
        let Some(line) = self.get_mut(place) else { return };
        line.leave(place.member);
        if line.members() == 0 {
            self.homes.retain(|_, known| *known != place.line);
            if let Some(line) = self.lines.get_mut(usize::from(place.line)) {
                *line = None;
            }
        }
    }

    /// Goes on alone, with what is known.
    pub fn part(&mut self, place: Place) -> Place {
        let parted = self.get_mut(place).filter(|line| line.members() > 1).and_then(|line| line.part(place.member));
        parted.map_or(place, |(line, member)| Place { line: self.put(line), member })
    }

    /// Begins a line anew; `false` where others are on it as well.
    pub fn renew(&mut self, place: &mut Place, config: Config, now: Instant) -> bool {
        let Some(line) = self.get_mut(*place).filter(|line| line.members() == 1) else { return false };
        *line = Line::new(config, now);
        place.member = line.join(1.0, now).unwrap_or(place.member);
        true
    }

    /// Whether others are on this line.
    pub fn is_shared(&self, place: Place) -> bool {
        self.get(place).is_some_and(|line| line.members() > 1)
    }

    /// When something is due on one line.
    pub fn due(&self, place: Place) -> Option<Instant> {
        self.get(place)?.poll_timeout()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.lines.iter().flatten().filter_map(|line| line.poll_timeout()).min()
    }

    /// Lets time pass on every line; gives those on which something was due.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<u16> {
        let lines = (0u16..).zip(&mut self.lines).filter_map(|(index, line)| Some((index, line.as_mut()?)));
        let due = lines.filter(|(_, line)| line.poll_timeout().is_some_and(|due| due <= now));
        due.map(|(index, line)| {
            line.handle_timeout(now);
            index
        })
        .collect()
    }

    fn put(&mut self, line: Line) -> u16 {
        let free = self.lines.iter().position(Option::is_none).unwrap_or(self.lines.len());
        // Participants of a room are numbered with sixteen bits as well.
        let index = free as u16;
        match self.lines.get_mut(free) {
            Some(place) => *place = Some(Box::new(line)),
            None => self.lines.push(Some(Box::new(line))),
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    const HOME: Option<Home> = Some(Home(1));

    #[test]
    fn who_comes_to_a_home_joins_its_line_and_the_last_takes_it_away() {
        let (mut lines, now) = (Lines::default(), epoch());
        let first = lines.join(HOME, Config::default(), now);
        let second = lines.join(HOME, Config::default(), now);
        let alone = lines.join(None, Config::default(), now);
        assert_eq!((first.line, second.line), (0, 0));
        assert!(lines.is_shared(first) && !lines.is_shared(alone));
        lines.leave(first);
        lines.leave(second);
        assert!(lines.homes.is_empty());
        // Its number is used again, by another home too.
        assert_eq!(lines.join(Some(Home(2)), Config::default(), now).line, 0);
    }

    #[test]
    fn who_parts_is_alone_and_the_home_keeps_its_line() {
        let (mut lines, now) = (Lines::default(), epoch());
        let first = lines.join(HOME, Config::default(), now);
        let second = lines.join(HOME, Config::default(), now);
        let parted = lines.part(first);
        assert_ne!(parted.line, second.line);
        assert!(!lines.is_shared(parted) && !lines.is_shared(second));
        assert_eq!(lines.part(parted), parted);
        assert_eq!(lines.join(HOME, Config::default(), now).line, second.line);
    }

    #[test]
    fn a_home_is_not_printed() {
        assert_eq!(format!("{:?}", Home(0xc633_6401)), "Home(..)");
    }
}
