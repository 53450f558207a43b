//! Nothing that a module calls by the name of something in the standard library gets in the way.

#![deny(warnings)]
#![allow(dead_code, unreachable_pub)]

mod shadowing {
    pub struct Option;
    pub struct Result;
    pub struct Box;
    pub struct Vec;
    pub struct String;
    pub struct Arc;
    pub struct Some;
    pub struct None;
    pub struct Ok;
    pub struct Err;
    pub struct Context;
    pub struct Sender;
    pub struct Call;
    pub struct Client;
    pub struct Event;
    pub struct Topic;
    pub struct Cow;
    pub struct Duration;
    pub trait Send {}
    pub trait Sync {}
    pub trait Sized {}
    pub trait Clone {}
    pub trait Debug {}
    pub trait Into {}
    pub trait Future {}
    pub trait Iterator {}
    pub trait Fn {}
    pub trait Handler {}
    pub trait Message {}
    pub trait Outcome {}
    pub mod std {}
    pub mod core {}
    pub mod alloc {}
    pub mod micro {}
    pub mod serde {}

    #[derive(::micro::Message, ::serde::Serialize, ::serde::Deserialize)]
    pub struct Request {
        /// A name.
        pub name: ::std::string::String,
        pub inner: ::std::vec::Vec<Kind>,
    }

    #[derive(::micro::Message, ::serde::Serialize, ::serde::Deserialize)]
    pub enum Kind {
        One,
        Two(u32),
    }

    #[derive(::micro::Message, ::serde::Serialize, ::serde::Deserialize)]
    pub struct Wrapper<T> {
        pub inner: ::std::option::Option<T>,
    }

    #[::micro::service(package = "hygiene.v1")]
    pub trait Greeter {
        #[micro(idempotent, timeout = "1s")]
        async fn hello(&self, ctx: &::micro::Context, request: Request) -> ::micro::Result<Kind>;
        async fn count(
            &self,
            ctx: &::micro::Context,
            request: Wrapper<Kind>,
            out: &mut ::micro::Sender<Request>,
        ) -> ::micro::Result<()>;
        async fn sum(
            &self,
            ctx: &::micro::Context,
            mut request: ::micro::Streaming<Request>,
        ) -> ::micro::Result<::micro::Streaming<Kind>> {
            let _ = ctx;
            while request.next().await?.is_some() {}
            ::std::result::Result::Ok(::micro::Streaming::empty())
        }
    }

    pub struct Here;

    #[::micro::handler]
    impl Greeter for Here {
        async fn hello(&self, _: &::micro::Context, _: Request) -> ::micro::Result<Kind> {
            ::std::result::Result::Ok(Kind::One)
        }
        async fn count(
            &self,
            _: &::micro::Context,
            _: Wrapper<Kind>,
            _: &mut ::micro::Sender<Request>,
        ) -> ::micro::Result<()> {
            ::std::result::Result::Ok(())
        }
    }

    const HELD: ::micro::Topic<Kind> = ::micro::Topic::new("held");

    pub struct Say;

    #[::micro::handler]
    impl Say {
        pub async fn hello(&self, _: &::micro::Context, request: Request) -> ::micro::Result<Request> {
            ::std::result::Result::Ok(request)
        }
        #[subscribe(topic = "greeted")]
        async fn on_greeted(&self, _: &::micro::Context, _: Request) -> ::micro::Result<()> {
            ::std::result::Result::Ok(())
        }
        #[subscribe(topic = HELD, group = "here", attempts = 2, concurrency = 1, ordered, timeout = "1s")]
        async fn on_held(&self, _: &::micro::Context, _: ::micro::Event<Kind>) -> ::micro::Result<()> {
            ::std::result::Result::Ok(())
        }
    }
}

pub(crate) fn main() {}
