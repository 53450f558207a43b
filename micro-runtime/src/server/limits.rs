use std::time::Duration;

use tokio::sync::Semaphore;

use crate::protocol::http2::PING_TIMEOUT;
use crate::protocol::native;

/// The longest time that a limit can be, which is as good as never: timers cannot add more.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The shortest time, which is what timers can tell apart.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What a server grants to its callers. Every limit has a default that suits services which talk
/// to services.
///
/// Times are between 1 ms and 30 years; what is given beyond that is moved there, so
/// `Duration::MAX` is "never".
///
/// Two things are not limits, and always so. A client of HTTP/1.1 that closes its sending side is
/// taken for gone, and its call is cancelled: HTTP/1.1 has no other way to cancel one. And over
/// HTTP/2 an answer that the client does not take waits for as long as the call may last, since a slow
/// reader is what back-pressure is for. Where the call has no deadline, that is as long as the connection.
///
/// Some limits of the HTTP libraries below are no options. A head of HTTP/1.1 has at most 100 headers. A
/// head of HTTP/2 may be cut into a few more frames than one of the largest size needs, and a client that
/// goes on with them (a flood of `CONTINUATION`) is disconnected, as is one that sends very many `DATA`
/// frames with next to nothing in them.
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::server::Limits;
/// let limits = Limits::new().max_message_size(16 * 1024 * 1024).idle_timeout(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) max_message_size: usize,
    pub(crate) max_header_size: u32,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) max_connections: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) keep_alive_interval: Duration,
    pub(crate) keep_alive_timeout: Duration,
    /// `None` where it is never.
    pub(crate) max_connection_age: Option<Duration>,
    pub(crate) max_connection_age_grace: Duration,
    pub(crate) max_pending_resets: usize,
    pub(crate) max_stream_errors: usize,
    pub(crate) max_send_buffer: usize,
    pub(crate) call_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) max_buffered: usize,
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            max_message_size: 4 * 1024 * 1024,
            max_header_size: 16 * 1024,
            max_concurrent_streams: 1024,
            max_connections: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: PING_TIMEOUT,
            max_connection_age: None,
            max_connection_age_grace: NEVER,
            max_pending_resets: 64,
            max_stream_errors: 1024,
            max_send_buffer: 400 * 1024,
            call_window: native::Settings::default().call_window,
            connection_window: native::Settings::default().connection_window,
            max_buffered: native::MAX_BUFFERED,
        }
    }

    /// The largest message that is read, in bytes; 4 MiB unless set. A larger one is answered with
    /// `resource_exhausted`.
    #[must_use]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// The largest head of a request, in bytes; 16 KiB unless set, 8 KiB at the least.
    #[must_use]
    pub fn max_header_size(mut self, bytes: u32) -> Self {
        self.max_header_size = bytes.max(8 * 1024);
        self
    }

    /// How many calls may be open on one HTTP/2 connection; 1024 unless set, 1 at the least.
    #[must_use]
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = streams.max(1);
        self
    }

    /// How many connections may be open; 16384 unless set, 1 at the least. Further ones wait in the
    /// queue of the system until another one ends.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long the head of a request may take to arrive, from its first byte, and how long a new
    /// connection may say nothing; 10 s unless set. An HTTP/2 connection that never finishes a head
    /// ends with the idle timeout.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = bounded(timeout);
        self
    }

    /// How long the next bytes of a request may take where they are due: in the middle of a message,
    /// and until the end of a request that is one message; 30 s unless set. A client's stream may
    /// be silent between two messages for as long as it likes.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = bounded(timeout);
        self
    }

    /// How long a client may take to read on while an answer to it waits in full buffers; 60 s unless
    /// set. After that its connection is closed and its calls are cancelled.
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = bounded(timeout);
        self
    }

    /// How long a connection may stay without a call; it is closed after this and at most twice
    /// this time. 5 min unless set.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = bounded(timeout);
        self
    }

    /// How often a silent HTTP/2 peer is asked whether it is still there; 30 s unless set.
    #[must_use]
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.keep_alive_interval = bounded(interval);
        self
    }

    /// How long an HTTP/2 peer may take to answer that it is still there; 20 s unless set. After that it
    /// is disconnected, and its calls are cancelled.
    #[must_use]
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.keep_alive_timeout = bounded(timeout);
        self
    }

    /// How old a connection may become; no limit unless set. Then the client is told to use another one
    /// (`GOAWAY`, or `connection: close` with the next answer), and calls in flight go on for the
    /// [grace](Self::max_connection_age_grace). So a balancer of connections in front of the service
    /// gets to spread its clients anew.
    ///
    /// Each connection gets up to a tenth more or less, so that those that came together do not go
    /// together. A connection that has become something else, a WebSocket for example, has no age.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.max_connection_age = Some(bounded(age)).filter(|age| *age < NEVER);
        self
    }

    /// How long the calls on a connection that is too old may take to finish; as long as they like
    /// unless set. The rest is cut off.
    #[must_use]
    pub fn max_connection_age_grace(mut self, grace: Duration) -> Self {
        self.max_connection_age_grace = bounded(grace);
        self
    }

    /// How many calls an HTTP/2 client may take back so fast that the server did not get to look at
    /// them, at any one time; 64 unless set. One that takes back more (a rapid reset, CVE-2023-44487) is
    /// disconnected. Calls that are cancelled later do not count.
    #[must_use]
    pub fn max_pending_resets(mut self, resets: usize) -> Self {
        self.max_pending_resets = resets;
        self
    }

    /// How many streams of an HTTP/2 connection may break the rules of the protocol, for each of which
    /// the server resets the stream; 1024 unless set. A client that breaks more of them
    /// (CVE-2025-8671) is disconnected.
    #[must_use]
    pub fn max_stream_errors(mut self, errors: usize) -> Self {
        self.max_stream_errors = errors;
        self
    }

    /// How many bytes of the answers of one HTTP/2 call wait in the server while the client takes them
    /// slowly; 400 KiB unless set. Then the handler waits. A single message is held whole, however
    /// large it is.
    #[must_use]
    pub fn max_send_buffer(mut self, bytes: u32) -> Self {
        self.max_send_buffer = usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
        self
    }

    /// How many bytes of one call on the native wire may wait in the server before the handler reads them;
    /// 256 KiB unless set, 64 KiB at the least, 1 GiB at the most. A single larger message gets through.
    #[must_use]
    pub fn call_window(mut self, bytes: u32) -> Self {
        self.call_window = bytes.clamp(64 * 1024, 1 << 30);
        self
    }

    /// How many bytes of all calls on one connection of the native wire may wait in the server before their
    /// handlers read them; 16 MiB unless set, 64 KiB at the least, 1 GiB at the most.
    #[must_use]
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connection_window = bytes.clamp(64 * 1024, 1 << 30);
        self
    }

    /// How many bytes there may be of messages that arrive in parts and are not whole yet, all those on one
    /// connection of the native wire together; 64 MiB unless set. Parts are 128 KiB and less. A message that
    /// would make it more is refused with `resource_exhausted`.
    #[must_use]
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

fn bounded(time: Duration) -> Duration {
    time.clamp(AT_ONCE, NEVER)
}
