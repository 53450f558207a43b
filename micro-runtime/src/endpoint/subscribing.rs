//! From the signature of a subscriber, as the user wrote it, to code that is given events.

use std::sync::Arc;

use super::serve::returning_or;
use super::{ContextArgument, MethodDescriptor, Outcome, Serve, SubscriberDescriptor};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::{Event, Topic};
use crate::message::Message;

/// A subscriber, as a type.
#[doc(hidden)]
pub trait Subscribing: 'static {
    /// What `ctx` refers to.
    type Context: ContextArgument;

    /// What it is given.
    type Event: EventArgument;

    /// What it returns.
    type Outcome: Handled;

    /// What it is.
    const DESCRIPTOR: &'static SubscriberDescriptor;
}

/// What a subscriber is given: an [`Event`], or its payload alone.
#[diagnostic::on_unimplemented(
    message = "a subscriber takes an event, and `{Self}` is none",
    label = "neither an event nor its payload",
    note = "write `Event<Greeted>`, or `Greeted` for the payload alone, where `Greeted` is a message:",
    note = "derive that where the type is defined: `#[derive(micro::Message, serde::Serialize, serde::Deserialize)]`"
)]
pub trait EventArgument: Sized + Send + 'static {
    /// What is published.
    type Payload: Message;

    #[doc(hidden)]
    fn from_event(ctx: &Context, payload: Self::Payload) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Message> EventArgument for T {
    type Payload = T;

    fn from_event(_: &Context, payload: T) -> Self {
        payload
    }
}

#[diagnostic::do_not_recommend]
impl<T: Message> EventArgument for Event<T> {
    type Payload = T;

    fn from_event(ctx: &Context, payload: T) -> Self {
        // There is none where an interceptor put a context of its own in the place of this one.
        Self::of(payload, ctx.event().map(Arc::clone).unwrap_or_default())
    }
}

/// The type of the payload that a subscriber is given.
type Payload<S> = <<S as Subscribing>::Event as EventArgument>::Payload;

/// What a subscriber returns: an [`Outcome`] of `()`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a subscriber returns `Result<()>`, and not `{Self}`",
    label = "not `Result<()>`",
    note = "nobody waits for an answer to an event; an error says that it was not handled"
)]
pub trait Handled: Send + 'static {
    fn into_handled(self) -> Result<()>;
}

#[diagnostic::do_not_recommend]
impl<R: Outcome<Body = ()>> Handled for R {
    fn into_handled(self) -> Result<()> {
        self.into_result()
    }
}

/// The payload of a subscriber, of a topic that it subscribes to: they are the same type.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the events of this topic are of type `{Self}`, and its subscriber takes `{P}`",
    label = "a topic of `{Self}`",
    note = "publishers and subscribers agree on the type by the topic: let the subscriber take `{Self}` or `Event<{Self}>`,",
    note = "or subscribe to another topic"
)]
pub trait PublishedAs<P> {}

impl<P> PublishedAs<P> for P {}

/// The name of a topic that a subscriber can subscribe to. Generated code calls it.
#[doc(hidden)]
pub const fn topic_of<S: Subscribing, T: PublishedAs<Payload<S>>>(topic: Topic<T>) -> &'static str {
    topic.name()
}

/// Describes a subscriber. Generated code calls it.
#[doc(hidden)]
pub const fn describe_subscriber<S: Subscribing>(
    topic: &'static str,
    group: &'static str,
    service: &'static str,
    name: &'static str,
    path: &'static str,
    doc: &'static str,
) -> SubscriberDescriptor {
    let method = MethodDescriptor::new::<Payload<S>, ()>(service, name, path, doc);
    SubscriberDescriptor::new(topic, group, method)
}

/// Serves events with a method. Generated code calls it.
#[doc(hidden)]
pub fn serve_subscriber<S, F, Fut>(method: F) -> impl Serve + 'static
where
    S: Subscribing,
    F: Fn(S::Context, S::Event) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = S::Outcome> + Send + 'static,
{
    handling(move |ctx, event: S::Event| {
        let handled = method(S::Context::from_context(ctx), event);
        async move { handled.await.into_handled() }
    })
}

/// The error of an event whose payload cannot be read. No further attempt will do it, and so
/// [none is to be made](Error::with_no_retry).
#[cold]
pub(crate) fn unreadable(error: Error) -> Error {
    let message = format!("the event cannot be read: {}", error.message());
    Error::invalid_argument(message).with_source(error).with_no_retry()
}

/// Serves events with a function.
fn handling<E, R, F, Fut>(handle: F) -> impl Serve + 'static
where
    E: EventArgument,
    R: Outcome<Body = ()>,
    F: Fn(Context, E) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    let method = move |ctx: Context, payload: E::Payload| {
        let event = E::from_event(&ctx, payload);
        let handled = handle(ctx, event);
        async move { handled.await.into_result().map_err(Error::of_subscriber) }
    };
    returning_or(method, unreadable)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Bytes;

    use super::*;
    use crate::codec::Codec;
    use crate::context::{Incoming, Origin};
    use crate::endpoint::{Arrival, Inbound, Subscriber, run};
    use crate::error::Code;
    use crate::event::{About, Headers};
    use crate::metadata::Metadata;

    const METHOD: MethodDescriptor = MethodDescriptor::new::<String, ()>("Audit", "On", "/Audit/On", "");
    const DESCRIPTOR: &SubscriberDescriptor = &SubscriberDescriptor::new("greeted", "", METHOD);

    /// What becomes of an event that is handed to a function.
    async fn hand(serve: impl Serve + 'static, payload: &'static str, codec: Codec) -> Result<()> {
        let subscriber = Subscriber::new(DESCRIPTOR, serve);
        let about = About::new("greeted".into(), Headers::from_iter([("ce-id", "7")])).again(2);
        let incoming = Incoming::new(Metadata::new(), Origin::of_test()).with_event(Arc::new(about));
        let arrival = Arrival {
            incoming: Arc::new(incoming),
            answer_codec: codec.clone(),
            codec,
            timeout: None,
            interceptors: Arc::default(),
            begun: tokio::time::Instant::now(),
        };
        let body = pin!(async { Ok(Inbound::One(Bytes::from_static(payload.as_bytes()))) });
        run(&subscriber.endpoint, arrival, body).await.map(drop)
    }

    #[tokio::test]
    async fn a_function_is_given_the_event_or_its_payload_alone() {
        let whole = handling(|ctx: Context, event: Event<String>| async move {
            assert_eq!((event.payload.as_str(), event.topic(), event.id()), ("Ada", "greeted", Some("7")));
            assert_eq!((event.attempt(), ctx.is_stopping()), (3, false));
            Ok::<_, Error>(())
        });
        hand(whole, "\"Ada\"", Codec::JSON).await.unwrap();
        let payload = handling(|_, name: String| async move {
            assert_eq!(name, "Ada");
            Ok::<_, Error>(())
        });
        hand(payload, "\"Ada\"", Codec::JSON).await.unwrap();
    }

    #[tokio::test]
    async fn a_payload_that_cannot_be_read_is_told_from_one_that_was_not_handled() {
        let never = || handling(|_, _: String| async { Err::<(), _>(Error::internal("it was handled")) });
        let malformed = hand(never(), "{", Codec::JSON).await.unwrap_err();
        assert!(malformed.forbids_retry(), "{malformed}");
        let unknown = hand(never(), "\"Ada\"", Codec::built_in("xml")).await.unwrap_err();
        assert!(unknown.forbids_retry(), "{unknown}");
        assert_eq!((malformed.code(), unknown.code()), (Code::InvalidArgument, Code::InvalidArgument));

        let failed = hand(never(), "\"Ada\"", Codec::JSON).await.unwrap_err();
        assert!(!failed.forbids_retry(), "{failed}");
        let panics = handling(|_, _: String| async { panic!("on purpose") as Result<()> });
        let panicked = hand(panics, "\"Ada\"", Codec::JSON).await.unwrap_err();
        assert!(!panicked.forbids_retry(), "{panicked}");
    }

    #[tokio::test]
    async fn what_another_service_says_about_its_call_does_not_give_the_event_up() {
        let of_call = || Error::unavailable("no node").with_origin("users.v1.Users", "Find");
        let calls = handling(move |_, _: String| async move { Err::<(), _>(of_call().spent()) });
        let failed = hand(calls, "\"Ada\"", Codec::JSON).await.unwrap_err();
        assert!(!failed.forbids_retry(), "{failed}");
        assert_eq!(failed.message(), "a call to users.v1.Users/Find failed with unavailable");
        let gives_up =
            handling(
                move |_, _: String| async move { Err::<(), _>(Error::not_found("no user").with_no_retry()) },
            );
        assert!(hand(gives_up, "\"Ada\"", Codec::JSON).await.unwrap_err().forbids_retry());
    }
}
