use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Channel;
use super::retry::Wishes;
use crate::codec::Compression;
use crate::context::Context;
use crate::endpoint::{Body, MethodDescriptor};
use crate::error::{Error, Result};
use crate::idempotency;
use crate::metadata::{Around, Metadata, NONE};
use crate::selector::{Filter, Route};

/// A call that is about to be made: options are chained, and `.await` makes it.
///
/// ```ignore
/// let reply = greeter.hello(&ctx, request).timeout(Duration::from_secs(1)).await?;
/// ```
///
/// Dropping the future cancels the call, on the server too.
#[must_use = "a call is made when it is awaited"]
pub struct Call<A, B> {
    pub(super) channel: Channel,
    pub(super) context: Context,
    pub(super) method: &'static MethodDescriptor,
    /// Until it is written.
    pub(super) request: Option<A>,
    pub(super) options: Options,
    answer: PhantomData<fn() -> B>,
}

#[derive(Default)]
pub(super) struct Options {
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: Metadata,
    pub(super) codec: Option<String>,
    pub(super) compression: Option<Compression>,
    /// What few calls say, in a box so that the others are no larger for it.
    pub(super) wishes: Option<Box<Wishes>>,
    /// The first option that was wrong; the call fails with it.
    wrong: Option<Error>,
}

impl<A, B> Call<A, B> {
    pub(super) fn new(
        channel: Channel,
        context: Context,
        method: &'static MethodDescriptor,
        request: A,
    ) -> Self {
        Self {
            channel,
            context,
            method,
            request: Some(request),
            options: Options::default(),
            answer: PhantomData,
        }
    }
}

impl<A: Body, B: Body> Call<A, B> {
    /// How long the call may take. The deadline of the context holds as well, if it is earlier.
    /// For an answer that is a stream it is the time until the end of the stream.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sends metadata with the call. A name or value that cannot be sent fails the call.
    pub fn metadata(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Err(error) = self.options.metadata.append(name, value) {
            self.options.wrong.get_or_insert(error);
        }
        self
    }

    /// The key of the call: calls with the same key go to the same node where the client's selector is
    /// [`hash`](crate::selector::Hash), and to the same version where the client
    /// [splits](super::ClientBuilder::split) its calls. It is not sent. For all calls in a context there is
    /// [`Context::with_affinity`].
    pub fn affinity(mut self, key: impl AsRef<[u8]>) -> Self {
        self.context = self.context.with_affinity(key);
        self
    }

    /// Goes to nodes like this, beside what the client's [`filter`](super::ClientBuilder::filter)s say.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.context = Route::wanting(&self.context, filter);
        self
    }

    /// Sends a key that names what is to be done, so that it is done once however often the call is made: a
    /// service with [`Idempotency`](crate::idempotency::Idempotency) answers the second call with the answer
    /// of the first.
    ///
    /// The key is new for each thing to do, and the same for each attempt at it: a random UUID that is made
    /// before the first one. It has 1 to 255 visible ASCII characters; anything else fails the call.
    pub fn idempotency_key(mut self, key: impl AsRef<str>) -> Self {
        let sent = idempotency::check(key.as_ref())
            .and_then(|key| self.options.metadata.insert(idempotency::KEY, key));
        if let Err(error) = sent {
            self.options.wrong.get_or_insert(error);
        }
        self
    }

    /// Sends and asks for this encoding, `json` for example, in place of the one that the messages
    /// prefer.
    pub fn codec(mut self, name: impl Into<String>) -> Self {
        self.options.codec = Some(name.into());
        self
    }

    /// Compresses the messages that are sent, and asks for an answer that is compressed in the same
    /// way.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = Some(compression);
        self
    }

    /// How many further attempts the call gets, where it is idempotent, in place of what its method or its client
    /// says. See [`ClientBuilder::retries`](super::ClientBuilder::retries).
    ///
    /// ```ignore
    /// let reply = greeter.hello(&ctx, request).retries(0).await?;
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.wishes().retries = Some(retries);
        self
    }

    /// How long an attempt of an idempotent call may take before another one takes its place. See
    /// [`ClientBuilder::attempt_timeout`](super::ClientBuilder::attempt_timeout).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.wishes().attempt_timeout = Some(timeout);
        self
    }

    /// Asks another node as well where the first one has not answered an idempotent call after this time. See
    /// [`ClientBuilder::hedge`](super::ClientBuilder::hedge).
    pub fn hedge(mut self, after: Duration) -> Self {
        self.wishes().hedge = Some(after);
        self
    }

    /// Shares the answer with the same call, if another one is under way: of the same client to the same
    /// service, with the same message and the same metadata. It is for idempotent methods with one message each way,
    /// off unless set here or in the contract (`#[micro(idempotent, coalesce)]`), and nothing is kept:
    /// an answer goes to those who wait for it.
    ///
    /// Calls that stay in the process are made each for itself, and so are those with a [filter](Self::filter).
    pub fn coalesce(mut self, yes: bool) -> Self {
        self.wishes().coalesce = Some(yes);
        self
    }

    fn wishes(&mut self) -> &mut Wishes {
        self.options.wishes.get_or_insert_default()
    }

    /// Answers with this where the call fails, after all its attempts: with a value that is good enough, or
    /// with an error again. It is the last option of a call.
    ///
    /// ```ignore
    /// let price = prices
    ///     .current(&ctx, item)
    ///     .timeout(Duration::from_millis(200))
    ///     .fallback(|error| match error.code() {
    ///         Code::Unavailable | Code::DeadlineExceeded => Ok(Price::LAST_KNOWN),
    ///         _ => Err(error),
    ///     })
    ///     .await?;
    /// ```
    pub fn fallback<F: FnOnce(Error) -> Result<B>>(self, fallback: F) -> Fallback<A, B, F> {
        Fallback { call: self, fallback }
    }

    /// Makes the call, as `.await` does, and returns the metadata of the answer as well.
    pub async fn response(mut self) -> Result<Response<B>> {
        self.make().await
    }

    /// Makes the call, as `.await` does, without the box around the future.
    pub async fn send(mut self) -> Result<B> {
        self.make().await.map(Response::into_inner)
    }

    /// Makes the call. It stays where it is, so that its future holds it once.
    async fn make(&mut self) -> Result<Response<B>> {
        let method = self.method;
        let answered = match self.options.wrong.take() {
            Some(wrong) => Err(wrong),
            None => self.run().await,
        };
        answered.map_err(|error| error.of_call(method.service, method.name))
    }
}

impl<A: Body, B: Body> IntoFuture for Call<A, B> {
    type Output = Result<B>;
    type IntoFuture = BoxFuture<'static, Result<B>>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

/// A call with an answer for when it fails, see [`Call::fallback`].
#[must_use = "a call is made when it is awaited"]
pub struct Fallback<A, B, F> {
    call: Call<A, B>,
    fallback: F,
}

impl<A: Body, B: Body, F: FnOnce(Error) -> Result<B> + Send + 'static> IntoFuture for Fallback<A, B, F> {
    type Output = Result<B>;
    type IntoFuture = BoxFuture<'static, Result<B>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { mut call, fallback } = self;
        async move {
            match call.make().await {
                Ok(response) => Ok(response.into_inner()),
                Err(error) => {
                    let answer = fallback(error)?;
                    call.channel.0.target.get().inspect(|target| target.fell_back());
                    Ok(answer)
                }
            }
        }
        .boxed()
    }
}

impl<A, B, F> fmt::Debug for Fallback<A, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("call", &self.call).finish_non_exhaustive()
    }
}

impl<A, B> fmt::Debug for Call<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method.path)
            .field("service", &self.channel.0.service)
            .field("timeout", &self.options.timeout)
            .finish_non_exhaustive()
    }
}

/// An answer and its metadata.
#[derive(Debug)]
pub struct Response<B> {
    pub(super) answer: B,
    pub(super) around: Option<Arc<Around>>,
    /// When it came, where that is known.
    pub(super) heard: Option<Instant>,
}

impl<B> Response<B> {
    /// The answer alone.
    pub fn into_inner(self) -> B {
        self.answer
    }

    /// The answer.
    pub fn get_ref(&self) -> &B {
        &self.answer
    }

    /// The metadata that came before the answer. Where there is a stream in both directions, ask
    /// [`Streaming::headers`](crate::Streaming::headers) after the first message.
    pub fn headers(&self) -> &Metadata {
        self.around.as_ref().and_then(|around| around.headers.get()).unwrap_or(&NONE)
    }

    /// The metadata that came after the answer. Where the answer is a stream, ask
    /// [`Streaming::trailers`](crate::Streaming::trailers) at its end.
    pub fn trailers(&self) -> &Metadata {
        self.around.as_ref().and_then(|around| around.trailers.get()).unwrap_or(&NONE)
    }
}
