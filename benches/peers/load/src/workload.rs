//! What is put on a stack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One workload. Its name says all of it: `unary-1k-64-4c` is calls with one message of 1 KiB each way, 64 in
/// flight on 4 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Workload {
    /// The shape of the calls.
    pub kind: Kind,
    /// The bytes in the payload of each message.
    pub size: usize,
    /// How many calls or streams there are at once.
    pub in_flight: usize,
    /// How many connections they are spread over, where they share connections.
    pub connections: usize,
}

/// The shapes of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One message each way.
    Unary,
    /// Messages from the server, on streams one after the other.
    ServerStream,
    /// Messages that come back one by one, with [`Kind::WINDOW`] under way on each stream.
    Bidi,
    /// Connections that were used once and are left alone.
    IdleConnections,
    /// Streams on one connection on which nothing happens.
    OpenStreams,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unary, Self::ServerStream, Self::Bidi, Self::IdleConnections, Self::OpenStreams];

    /// How many messages are under way on each stream both ways.
    pub const WINDOW: usize = 64;

    /// How many messages a stream has before the next one begins.
    pub const MESSAGES: u32 = 4000;

    /// What it is called in the names of workloads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server-stream",
            Self::Bidi => "bidi",
            Self::IdleConnections => "idle-connections",
            Self::OpenStreams => "open-streams",
        }
    }

    /// Whether it takes streams.
    pub fn is_streaming(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi | Self::OpenStreams)
    }

    /// Whether it is about the memory of what is held, and not about calls.
    pub fn is_held(self) -> bool {
        matches!(self, Self::IdleConnections | Self::OpenStreams)
    }
}

impl Workload {
    /// The workload of this name on one connection.
    pub const fn new(kind: Kind, size: usize, in_flight: usize) -> Self {
        Self { kind, size, in_flight, connections: 1 }
    }

    /// The same on this many connections.
    pub const fn on(self, connections: usize) -> Self {
        Self { connections, ..self }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if !self.kind.is_held() {
            write!(f, "-{}", Size(self.size))?;
        }
        write!(f, "-{}", self.in_flight)?;
        match self.connections {
            1 => Ok(()),
            connections => write!(f, "-{connections}c"),
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{name}` is not a workload: it is a shape ({}), then the size of the payload and the calls in \
                 flight, and perhaps the connections, as in `unary-1k-64-4c`",
                Kind::ALL.map(Kind::name).join(", ")
            )
        };
        let rest_of = |kind: &Kind| name.strip_prefix(kind.name())?.strip_prefix('-');
        let (kind, rest) =
            Kind::ALL.iter().find_map(|kind| Some((*kind, rest_of(kind)?))).ok_or_else(wrong)?;
        let mut parts: Vec<_> = rest.split('-').collect();
        let connections = match parts.last().and_then(|last| last.strip_suffix('c')) {
            Some(connections) => {
                parts.pop();
                number(connections).ok_or_else(wrong)?
            }
            None => 1,
        };
        let (size, in_flight) = match parts.as_slice() {
            [size, in_flight] if !kind.is_held() => (Size::parse(size).ok_or_else(wrong)?, in_flight),
            [in_flight] if kind.is_held() => (0, in_flight),
            _ => return Err(wrong()),
        };
        let in_flight = number(in_flight).ok_or_else(wrong)?;
        Ok(Self { kind, size, in_flight, connections })
    }
}

impl TryFrom<String> for Workload {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

/// At least one.
fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=1_000_000).contains(number))
}

/// A number of bytes as people write it: `64k`.
struct Size(usize);

impl Size {
    fn parse(text: &str) -> Option<usize> {
        let (number, unit) = match (text.strip_suffix('k'), text.strip_suffix('m')) {
            (Some(number), _) => (number, 1 << 10),
            (_, Some(number)) => (number, 1 << 20),
            _ => (text, 1),
        };
        let size = number.parse::<usize>().ok()?.checked_mul(unit)?;
        // What no stack takes unless it is told.
        (size <= 4 << 20).then_some(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            size if size.is_multiple_of(1 << 20) => write!(f, "{}m", size >> 20),
            size if size.is_multiple_of(1 << 10) => write!(f, "{}k", size >> 10),
            size => write!(f, "{size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_all_of_a_workload() {
        let of = |name: &str| name.parse::<Workload>();
        assert_eq!(of("unary-0-64"), Ok(Workload::new(Kind::Unary, 0, 64)));
        assert_eq!(of("unary-64k-256-4c"), Ok(Workload::new(Kind::Unary, 65536, 256).on(4)));
        assert_eq!(of("server-stream-1k-8"), Ok(Workload::new(Kind::ServerStream, 1024, 8)));
        assert_eq!(of("idle-connections-1000"), Ok(Workload::new(Kind::IdleConnections, 0, 1000)));
        for name in ["unary-0-1", "unary-100-64", "bidi-1k-8-4c", "open-streams-1000", "unary-1m-1"] {
            assert_eq!(of(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn a_name_that_is_none_is_an_error_that_shows_one() {
        for name in
            ["", "unary", "unary-", "unary-1k", "unary-1k-0", "unary-8m-1", "unary--1", "bidi-x-1", "u-0-1c"]
        {
            let error = name.parse::<Workload>().unwrap_err();
            assert!(error.contains("unary-1k-64-4c"), "{error}");
        }
    }
}
