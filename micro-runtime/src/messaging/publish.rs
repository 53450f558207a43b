use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::content::media_type;
use super::publisher::DEFAULT_PUBLISH_TIMEOUT;
use super::stamp::{Stamp, is_ours};
use super::via::Via;
use crate::broker::Envelope;
use crate::codec::{Codec, Codecs};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::message::Message;

/// An event that is published when this is awaited. Its methods are the options of this one event.
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::broker::Memory;
/// # use micro_runtime::messaging::{Publisher, Topic};
/// # use micro_runtime::{Context, Result};
/// # const MOVED: Topic<String> = Topic::new("account.moved");
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let (publisher, ctx) = (Publisher::new(Memory::new()), Context::new());
/// publisher
///     .publish(&ctx, MOVED, "to Turin".to_owned())
///     .key("account-7")
///     .header("tenant", "acme")
///     .timeout(Duration::from_secs(2))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is published before this is awaited"]
pub struct Publish<M, R = ()> {
    /// Or the first thing that was wrong.
    via: Result<Arc<Via<R>>>,
    context: Context,
    topic: String,
    event: M,
    options: Options,
}

#[derive(Default)]
struct Options {
    id: Option<String>,
    key: Option<String>,
    headers: Vec<(String, String)>,
    codec: Option<String>,
    timeout: Option<Duration>,
}

impl<M: Message, R: Send + 'static> Publish<M, R> {
    pub(super) fn new(via: Result<Arc<Via<R>>>, ctx: &Context, topic: &str, event: M) -> Self {
        Self { via, context: ctx.clone(), topic: topic.to_owned(), event, options: Options::default() }
    }

    /// What tells the event from all others; a random UUID unless set. Brokers that know duplicates by it drop
    /// them, and so can subscribers: give the same id to the same event when you publish it again.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.options.id = Some(id.into());
        self
    }

    /// The key of the event: events with the same key belong together, and subscribers that ask for it get them in
    /// order. None unless set.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.options.key = Some(key.into());
        self
    }

    /// Adds a header. The subscriber finds it in [`Event::headers`](super::Event::headers), and in lower case in the
    /// metadata of its context.
    ///
    /// The names that say what the event is (`Content-Type`, `Micro-Topic`, `Micro-ID`, `ce-…`) cannot be set, and fail
    /// with `invalid_argument`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if name.is_empty() || is_ours(&name) {
            self.via = self.via.and(Err(reserved(&name)));
        }
        self.options.headers.push((name, value.into()));
        self
    }

    /// Encodes the event so: `json`, `proto`, or the name of a codec that was added. The one that the type prefers,
    /// unless set.
    pub fn codec(mut self, name: impl Into<String>) -> Self {
        self.options.codec = Some(name.into());
        self
    }

    /// How long the broker may take; 30 s unless set. The deadline of the context holds as well.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    pub(super) async fn send(self) -> Result<R> {
        let Self { via, context, topic, event, options } = self;
        let via = via?;
        let Options { id, key, headers, codec, timeout } = options;
        let codec = choose::<M>(&via.codecs, codec.as_deref())?;
        let mut body = BytesMut::new();
        codec.encode(&event, &mut body)?;
        drop(event);
        let stamp = Stamp { topic: &topic, source: &via.source, content_type: media_type(&codec), id, key };
        let mut envelope = Envelope { headers: stamp.headers(&context), body: body.freeze() };
        for (name, value) in headers {
            envelope.headers.set(name, value);
        }
        let limit = timeout.unwrap_or(DEFAULT_PUBLISH_TIMEOUT);
        let deadline = Instant::now().checked_add(limit);
        let deadline = match (deadline, context.deadline()) {
            (Some(own), Some(given)) => Some(own.min(given)),
            (own, given) => own.or(given),
        };
        let publish = (via.hand)(topic.clone(), envelope);
        let published = match deadline {
            None => publish.await,
            Some(deadline) => match timeout_at(deadline, publish).await {
                Ok(published) => published,
                Err(_) => Err(too_late(&via.name, &topic)),
            },
        };
        via.count(published.is_ok());
        published
    }
}

fn choose<M: Message>(codecs: &Codecs, name: Option<&str>) -> Result<Codec> {
    let name = match name {
        Some(name) => name,
        None => match M::FORMATS.first() {
            Some(format) => return Ok(Codec::built_in(format.name)),
            None => "json",
        },
    };
    codecs.find(name).cloned().ok_or_else(|| {
        let known: Vec<_> = codecs.iter().map(Codec::name).collect();
        Error::invalid_argument(format!(
            "`{name}` is not a codec of this publisher; known: {}",
            known.join(", ")
        ))
    })
}

#[cold]
fn too_late(name: &str, topic: &str) -> Error {
    Error::deadline_exceeded(format!(
        "{name} did not take the event for `{topic}` in time; it may be delivered all the same"
    ))
}

#[cold]
fn reserved(name: &str) -> Error {
    Error::invalid_argument(match name {
        "" => "a header of an event has no name".to_owned(),
        name => format!(
            "the header `{name}` says what the event is and cannot be set: an id and a key have options of their own"
        ),
    })
}

impl<M: Message, R: Send + 'static> IntoFuture for Publish<M, R> {
    type Output = Result<R>;
    type IntoFuture = BoxFuture<'static, Result<R>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

impl<M, R> fmt::Debug for Publish<M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("topic", &self.topic).finish_non_exhaustive()
    }
}
