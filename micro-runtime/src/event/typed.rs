use std::sync::Arc;
use std::time::SystemTime;

use super::{About, Envelope, Headers};

/// An event, as a subscriber is given it: the payload, and what is known of it.
///
/// ```
/// # use micro_runtime::{Context, Event, Result};
/// async fn on_greeted(_ctx: &Context, event: Event<String>) -> Result<()> {
///     if event.is_redelivered() {
///         println!("again, attempt {}", event.attempt());
///     }
///     println!("{} was greeted", event.payload);
///     Ok(())
/// }
/// ```
///
/// A subscriber that needs nothing but the payload takes that alone.
#[derive(Clone, Debug)]
pub struct Event<T> {
    /// What was published.
    pub payload: T,
    about: Arc<About>,
}

impl<T> Event<T> {
    /// An event with this payload and nothing around it, for tests that call a handler directly.
    ///
    /// ```
    /// # use micro_runtime::{Event, broker::Envelope};
    /// let event = Event::new("Ada".to_owned())
    ///     .with_topic("greeted")
    ///     .with_header(Envelope::CE_ID, "1")
    ///     .with_attempt(2);
    /// assert_eq!((event.topic(), event.id()), ("greeted", Some("1")));
    /// assert!(event.is_redelivered());
    /// ```
    pub fn new(payload: T) -> Self {
        Self { payload, about: Arc::default() }
    }

    pub(crate) fn of(payload: T, about: Arc<About>) -> Self {
        Self { payload, about }
    }

    /// The same event of this topic.
    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.about).topic = topic.into();
        self
    }

    /// The same event with a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.about).headers.set(name.into(), value);
        self
    }

    /// The same event, handled for the so-many-th time; 1 is the first.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        Arc::make_mut(&mut self.about).attempts_before = attempt.saturating_sub(1);
        self
    }

    /// The payload alone.
    pub fn into_payload(self) -> T {
        self.payload
    }

    /// The topic that it was published to; empty for one that was made with [`new`](Self::new).
    pub fn topic(&self) -> &str {
        &self.about.topic
    }

    /// What tells it from all other events, where its publisher said so. It is the same for every attempt: who must
    /// not do the same twice remembers it.
    pub fn id(&self) -> Option<&str> {
        Envelope::id_in(&self.about.headers)
    }

    /// Its key, where it was published with one. A subscriber that is `ordered` is given the events of a key one
    /// after the other.
    pub fn key(&self) -> Option<&str> {
        self.about.headers.get(Envelope::CE_KEY)
    }

    /// When it was published, by the clock of its publisher, where it said so.
    pub fn time(&self) -> Option<SystemTime> {
        self.about.published()
    }

    /// Which attempt to handle it this is: 1 for the first one, as far as the broker and this process know.
    pub fn attempt(&self) -> u32 {
        self.about.attempts_before.saturating_add(1)
    }

    /// Its place in its topic, where it comes from a [log](crate::events): later events have greater ones.
    pub fn offset(&self) -> Option<u64> {
        self.about.offset
    }

    /// Whether it was surely delivered before, so that some of the work may be done already.
    pub fn is_redelivered(&self) -> bool {
        self.about.attempts_before > 0
    }

    /// All that came with it. The names of those that have a meaning for everybody are those of
    /// [`Envelope`](crate::broker::Envelope).
    pub fn headers(&self) -> &Headers {
        &self.about.headers
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_event_says_what_its_headers_say() {
        let event = Event::new(())
            .with_header(Envelope::ID, "of go-micro")
            .with_header(Envelope::CE_KEY, "ada")
            .with_header(Envelope::CE_TIME, "1970-01-01T00:00:01Z");
        assert_eq!((event.id(), event.key()), (Some("of go-micro"), Some("ada")));
        assert_eq!(event.time(), Some(UNIX_EPOCH + Duration::from_secs(1)));
        assert_eq!(event.with_header(Envelope::CE_ID, "of CloudEvents").id(), Some("of CloudEvents"));
    }

    #[test]
    fn the_first_attempt_is_no_redelivery() {
        let attempt = |number| {
            let event = Event::new(()).with_attempt(number);
            (event.attempt(), event.is_redelivered())
        };
        assert_eq!([attempt(0), attempt(1), attempt(2)], [(1, false), (1, false), (2, true)]);
        assert_eq!(attempt(u32::MAX), (u32::MAX, true));
    }
}
