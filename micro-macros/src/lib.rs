//! The macros of the [`micro`](https://docs.rs/micro) framework. Applications use them through
//! `micro`, as `#[micro::service]`, `#[micro::handler]` and `#[derive(micro::Message)]`.
//!
//! The entry points here are thin: each hands its tokens to a module that turns tokens into tokens
//! and is tested as an ordinary library. What the modules share:
//!
//! - nothing panics; every mistake goes to one `Errors`, and all of them are
//!   reported at once, each at the tokens it is about;
//! - the item that the user wrote is always in the output, whatever is wrong with it.

mod attributes;
mod bind;
mod client;
mod contract;
mod descriptor;
mod durations;
mod errors;
#[cfg(test)]
mod golden;
mod handler;
mod items;
mod message;
mod method;
mod names;
mod options;
#[cfg(test)]
mod robust;
mod service_options;
mod signature;
mod types;

use proc_macro::TokenStream;

/// Turns a trait into a contract: everything about a service that its callers and its servers must
/// agree on.
///
/// ```ignore
/// /// Greets people.
/// #[micro::service(package = "greeter.v1")]
/// pub trait Greeter {
///     /// Greets one person.
///     #[micro(idempotent, timeout = "2s")]
///     async fn hello(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;
///
///     /// Counts.
///     async fn count(&self, ctx: &Context, upto: Upto, out: &mut Sender<Number>) -> Result<()>;
/// }
/// ```
///
/// The trait stays a trait: a type serves the contract by implementing it, with plain `async fn`s,
/// under [`#[micro::handler]`](macro@handler). Every future is `Send`, and whoever implements the
/// trait is `Send + Sync + 'static`.
///
/// Beside the trait stands its client, `GreeterClient`. It is found through the registry
/// (`GreeterClient::new`, under the name of the contract in kebab-case, or `with_name`), has the
/// same methods, whose calls take options before they are awaited, and implements the trait, so
/// that code can be generic over what is here and what is elsewhere. A supertrait that you add to
/// the contract is therefore one that you implement for the client as well.
///
/// # The four shapes of a method
///
/// | Signature after `&self, ctx: &Context` | Shape |
/// |---|---|
/// | `request: A) -> Result<B>` | one message in, one out |
/// | `request: A, out: &mut Sender<B>) -> Result<()>` | one in, many out |
/// | `request: Streaming<A>) -> Result<B>` | many in, one out |
/// | `request: Streaming<A>, out: &mut Sender<B>) -> Result<()>` | many in, many out |
///
/// A method may also return `Result<Streaming<B>>`, which is the same to its callers as sending
/// to `out`. The types decide and not their spelling, so aliases work.
///
/// # Options
///
/// | On the trait | Meaning | Default |
/// |---|---|---|
/// | `package = "greeter.v1"` | what stands before the name on the wire | nothing |
/// | `name = "Greeter"` | the name on the wire | the trait's |
/// | `descriptors = DESCRIPTORS` | the `.proto` files it was made from, as the bytes of a file descriptor set; `micro-build` writes it | none: described by its types |
/// | `crate = "path::to::micro"` | where `micro` is, when it was renamed | `::micro` |
///
/// | On a method, in `#[micro(…)]` | Meaning | Default |
/// |---|---|---|
/// | `idempotent` | calling twice is the same as calling once: calls may be retried, and made with GET | not so |
/// | `no_get` | an idempotent method that changes something: no link or cache may call it | GET is served |
/// | `timeout = "1s 500ms"` | how long a call may take where its caller does not say | no limit of its own |
/// | `retries = 3` | how many further attempts an idempotent call gets where its caller does not say | what the client says: 2 |
/// | `attempt_timeout = "500ms"` | how long an attempt of an idempotent call may take before another one takes its place | no limit |
/// | `hedge = "20ms"` | after which time a second node is asked as well; for idempotent methods with one message each way | off |
/// | `coalesce` | calls of one client that ask the same at the same time share an answer; for idempotent methods with one message each way | each is made |
/// | `name = "SayHello"` | the name on the wire | the method's, in `UpperCamelCase` |
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    contract::expand(options.into(), item.into()).into()
}

/// Says that a type serves calls.
///
/// On `impl Contract for Type`, where the contract is a [`#[micro::service]`](macro@service)
/// trait, the type serves that contract. Where it serves more than one, one block has the
/// attribute and names the others, whose blocks stay as they are:
///
/// ```ignore
/// #[micro::handler(also(Admin))]
/// impl Greeter for Polite { /* … */ }
///
/// impl Admin for Polite { /* … */ }
/// ```
///
/// On a plain `impl Type`, without a contract, every `pub async fn` is an endpoint of the service
/// that the type names, and a client is made beside it:
///
/// ```ignore
/// #[micro::handler]
/// impl Say {
///     /// Greets one person.
///     pub async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply> { /* … */ }
/// }
/// // Say.Hello is at /Say/Hello; SayClient::hello calls it.
/// ```
///
/// Methods have the same shapes and the same `#[micro(…)]` options as in a contract.
/// `#[micro(skip)]` takes a `pub async fn` out. A function that is not `pub` is no endpoint, and
/// neither is a `pub fn` without `self`, such as `new`. A method under
/// [`#[subscribe(topic = GREETED)]`](macro@subscribe) is a subscriber, which is given the events of that topic.
///
/// # Options
///
/// | Option | On | Meaning | Default |
/// |---|---|---|---|
/// | `also(Admin, …)` | both | other contracts that the type serves | none |
/// | `package = "say.v1"` | `impl Type` | what stands before the name on the wire | nothing |
/// | `name = "Say"` | `impl Type` | the name on the wire | the type's |
/// | `client = "SayClient"` | `impl Type` | the name of the client | `{Type}Client` |
/// | `crate = "path::to::micro"` | both | where `micro` is, when it was renamed | `::micro` |
#[proc_macro_attribute]
pub fn handler(options: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(options.into(), item.into()).into()
}

/// Says that a method is given the events of a topic, in an `impl Type` block under
/// [`#[micro::handler]`](macro@handler).
///
/// ```ignore
/// const GREETED: Topic<Greeted> = Topic::new("greeted");
///
/// #[micro::handler]
/// impl Audit {
///     #[subscribe(topic = GREETED, group = "audit")]
///     async fn on_greeted(&self, ctx: &Context, event: Event<Greeted>) -> Result<()> { /* … */ }
/// }
/// ```
///
/// It is an `async fn(&self, ctx: &Context, event: E) -> Result<()>`, where `E` is `Event<Greeted>`, or `Greeted`
/// for the payload alone. `Ok` says that the event was handled. After an error or a panic, or when its time is over, it
/// is given the event again after a while, until the event had all its attempts. Then it is a dead letter: it goes to the topic
/// `greeted.dead-letter`, with the reason. An error with no retry, and a payload that cannot be read, make it one at once.
///
/// An event can be delivered more than once, even to a handler that never fails: whoever had it may have crashed before
/// it said so. What is done with it must bear that.
///
/// # Options
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `topic = GREETED` or `topic = "greeted"` | whose events it is given: a constant of type `Topic<Greeted>`, whose type is compared with that of the event, or a name | must be there |
/// | `group = "audit"` or `group = AUDIT` | with whom it shares them: each event goes to one of a group, in all processes together; the constant is a `&'static str` | none: every subscriber gets every event |
/// | `at_most_once` | an event that it fails to handle is gone, and no dead letter | at least once |
/// | `attempts = 5` | after how many attempts an event becomes a dead letter; at least 1; not with `at_most_once` | 5 |
/// | `concurrency = 16` | how many events are handled at the same time at the most, by this method in this process; at least 1 | 16 |
/// | `ordered` | events with the same key are handled one after the other, in the order in which they were published | in any order |
/// | `timeout = "5s"` | how long an attempt may take | no limit |
///
/// A service whose broker cannot give what its subscribers ask for, order for example, does not start, and says why.
///
/// The attribute is read by `#[micro::handler]`, and so it needs no `use`. Anywhere else it is an error.
#[proc_macro_attribute]
pub fn subscribe(_options: TokenStream, item: TokenStream) -> TokenStream {
    handler::explain_subscribe(item.into()).into()
}

/// Makes a serde type a message, so that it can travel between services.
///
/// ```ignore
/// #[derive(micro::Message, serde::Serialize, serde::Deserialize)]
/// pub struct HelloRequest { pub name: String }
/// ```
///
/// The message describes itself with its documentation and the names that serde gives its fields.
/// A type that holds one value is described as that value. A parameter of a generic message must
/// itself be a message that serde knows.
///
/// # Options
///
/// In `#[micro(…)]` on the type: `name = "greeter.v1.HelloRequest"`, the name the message goes by
/// (default: the name of the type), and `crate = "path::to::micro"` (default: `::micro`).
#[proc_macro_derive(Message, attributes(micro))]
pub fn message(item: TokenStream) -> TokenStream {
    message::expand(item.into()).into()
}
