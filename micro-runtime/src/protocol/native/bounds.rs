use std::time::Duration;

/// What large messages may hold together unless it is set, in bytes.
pub(crate) const MAX_BUFFERED: usize = 64 * 1024 * 1024;

/// What a side bears, beside what it says in its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// What large messages that arrive at the same time may hold together, beyond the windows, in bytes.
    pub(crate) max_buffered: usize,
    /// How long the rest of a message may take.
    pub(crate) body_timeout: Option<Duration>,
    /// After which silence the other side is asked whether it is there.
    pub(crate) keep_alive_interval: Duration,
    /// How long it may take to answer that.
    pub(crate) keep_alive_timeout: Duration,
    /// Whether it is asked while there are no calls, too.
    pub(crate) always_asks: bool,
}
