use std::time::Duration;

use tokio::sync::Semaphore;

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
/// HTTP/2 a stream whose messages the client does not take waits for as long as the call may last,
/// since a slow reader is what back-pressure is for.
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

    /// How often a silent HTTP/2 peer is asked whether it is still there; 30 s unless set. One that
    /// does not answer within 20 s is disconnected, and its calls are cancelled.
    #[must_use]
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.keep_alive_interval = bounded(interval);
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
