//! Removing the records of a range whose ends are cursors.
//!
//! Built for the objects of data sources; B-trees have no truncation yet.
//!
//! Source: data-source specification, section 3.8; schema specification, section 9.

use super::source::SourceCursor;
use super::table::Direction;
use super::{Cursor, Kind};
use crate::session::Session;
use crate::{Error, Result};

/// Removes the records from `start` (`None`: the first) to `stop` (`None`: the last). Both cursors end reset.
pub(crate) fn truncate_range(
    session: &Session,
    mut start: Option<&mut Cursor<'_>>,
    mut stop: Option<&mut Cursor<'_>>,
) -> Result<()> {
    if let Some(start) = &mut start {
        prepare(session, start)?;
    }
    if let Some(stop) = &mut stop {
        prepare(session, stop)?;
    }
    let uri = match (&start, &stop) {
        (Some(cursor), _) => cursor.uri.clone(),
        (None, Some(cursor)) => cursor.uri.clone(),
        (None, None) => {
            return Err(Error::invalid(
                "the truncate method should be passed either a URI or start/stop cursors, but not both",
            ));
        }
    };
    let start = start.map(|cursor| source_of(cursor)).transpose()?;
    let stop = stop.map(|cursor| source_of(cursor)).transpose()?;
    match start {
        Some(start) => truncate_source(session, start, stop),
        None => {
            let mut first = super::open_cursor(session, &uri, "")?;
            let first = source_of(&mut first)?;
            match first.step(session, Direction::Next) {
                Ok(()) => truncate_source(session, first, stop),
                Err(Error::NotFound) => stop.map_or(Ok(()), |stop| stop.reset(session)),
                Err(error) => Err(error),
            }
        }
    }
}

fn prepare(session: &Session, cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.texts.clear();
    if !std::ptr::eq(cursor.session, session) {
        return Err(Error::invalid("bounding cursors must be owned by the truncating session"));
    }
    if cursor.readonly { Err(super::unsupported()) } else { Ok(()) }
}

/// The cursor of a data source behind a cursor.
fn source_of<'c>(cursor: &'c mut Cursor<'_>) -> Result<&'c mut SourceCursor> {
    let uri = &cursor.uri;
    match &mut cursor.kind {
        Kind::Source(source) => Ok(source),
        Kind::Table(_) | Kind::Named(_) | Kind::Index(_) => {
            Err(Error::unsupported(format!("{uri}: truncate is not supported yet")))
        }
        Kind::Metadata(_) | Kind::Log(_) | Kind::Placeholder => Err(super::unsupported()),
    }
}

fn truncate_source(session: &Session, start: &mut SourceCursor, mut stop: Option<&mut SourceCursor>) -> Result<()> {
    let mut truncated = check_ends(start, stop.as_deref()).and_then(|()| {
        let stands = start.stand_inside(session, Direction::Next)?
            && match &mut stop {
                Some(stop) => stop.stand_inside(session, Direction::Prev)?,
                None => true,
            };
        if !stands {
            return Ok(());
        }
        match &stop {
            Some(stop) if start.compare(stop)?.is_gt() => Ok(()),
            _ => start.truncate(session, stop.as_deref()),
        }
    });
    if let Some(stop) = stop {
        truncated = truncated.and(stop.reset(session));
    }
    truncated.and(start.reset(session))
}

fn check_ends(start: &SourceCursor, stop: Option<&SourceCursor>) -> Result<()> {
    if start.lacks_key() || stop.is_some_and(|stop| stop.lacks_key()) {
        return Err(Error::invalid("requires key be set"));
    }
    match stop {
        Some(stop) if start.compare(stop)?.is_gt() => {
            Err(Error::invalid("the start cursor position is after the stop cursor position"))
        }
        _ => Ok(()),
    }
}
