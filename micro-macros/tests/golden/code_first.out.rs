#[allow(unreachable_pub, clippy::unused_async)]
/// Says things.
impl Say {
    pub fn new() -> Self {
        Self
    }
    /// Says hello.
    pub async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply> {
        self.helper(ctx).await
    }
    pub async fn repeat(
        &self,
        _ctx: &Context,
        request: Request,
        out: &mut Sender<Reply>,
    ) -> Result<()> {
        Ok(())
    }
    async fn helper(&self, ctx: &Context) -> Result<Reply> {
        Ok(Reply)
    }
    pub async fn close(self) {}
    async fn on_said(&self, ctx: &Context, event: Said) -> Result<()> {
        Ok(())
    }
    async fn on_repeated(&self, ctx: &Context, event: Event<Said>) -> Result<()> {
        Ok(())
    }
    async fn on_tick(&self, ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}
/// A client of `Say`.
///
/// It is cheap to clone, and clones share their connections.
#[allow(
    deprecated,
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    private_interfaces,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct SayClient {
    channel: ::micro::__private::Channel,
}
#[allow(
    deprecated,
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    private_interfaces,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
const _: () = {
    struct __Micro_hello;
    impl ::micro::__private::Signature for __Micro_hello {
        type Context = Context;
        type Request = Request;
        type Response = Reply;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_returning::<
            Self,
        >("Say", "Hello", "/Say/Hello", "Says hello.")
            .idempotent();
    }
    impl ::micro::__private::Returning for __Micro_hello {
        type Outcome = Result<Reply>;
    }
    struct __Micro_repeat;
    impl ::micro::__private::Signature for __Micro_repeat {
        type Context = Context;
        type Request = Request;
        type Response = ::micro::__private::Streaming<Reply>;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_pushing::<
            Self,
        >("Say", "Repeat", "/Say/Repeat", "");
    }
    impl ::micro::__private::Pushing for __Micro_repeat {
        type Sender = Sender<Reply>;
        type Outcome = Result<()>;
    }
    impl SayClient {
        /// What the service says about itself: its name, its methods and their messages.
        pub const DESCRIPTOR: &'static ::micro::__private::ServiceDescriptor = {
            const METHODS: &'static [::micro::__private::MethodDescriptor] = &[
                *<__Micro_hello as ::micro::__private::Signature>::DESCRIPTOR,
                *<__Micro_repeat as ::micro::__private::Signature>::DESCRIPTOR,
            ];
            &::micro::__private::ServiceDescriptor::new("Say", "Says things.", METHODS)
        };
        /// A client of the service that is registered as `say`.
        #[must_use]
        pub fn new(client: &::micro::__private::Client) -> Self {
            Self::with_name(client, "say")
        }
        /// A client of the same contract where it is registered under another name.
        #[must_use]
        pub fn with_name(
            client: &::micro::__private::Client,
            service: impl ::core::convert::Into<::std::string::String>,
        ) -> Self {
            Self {
                channel: ::micro::__private::Channel::new(client, service),
            }
        }
        /// Says hello.
        pub fn hello(
            &self,
            ctx: &::micro::__private::Context,
            request: Request,
        ) -> ::micro::__private::Call<Request, Reply> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_hello as ::micro::__private::Signature>::DESCRIPTOR,
                request,
            )
        }
        /// Calls `/Say/Repeat`.
        pub fn repeat(
            &self,
            ctx: &::micro::__private::Context,
            request: Request,
        ) -> ::micro::__private::Call<Request, ::micro::__private::Streaming<Reply>> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_repeat as ::micro::__private::Signature>::DESCRIPTOR,
                request,
            )
        }
    }
    struct __Micro_on_said;
    impl ::micro::__private::Subscribing for __Micro_on_said {
        type Context = Context;
        type Event = Said;
        type Outcome = Result<()>;
        const DESCRIPTOR: &'static ::micro::__private::SubscriberDescriptor = &::micro::__private::describe_subscriber::<
            Self,
        >("said", "echo", "Say", "OnSaid", "/Say/OnSaid", "");
    }
    struct __Micro_on_repeated;
    impl ::micro::__private::Subscribing for __Micro_on_repeated {
        type Context = Context;
        type Event = Event<Said>;
        type Outcome = Result<()>;
        const DESCRIPTOR: &'static ::micro::__private::SubscriberDescriptor = &::micro::__private::describe_subscriber::<
            Self,
        >(
                ::micro::__private::topic_of::<Self, _>(topics::REPEATED),
                <Say>::GROUP,
                "Say",
                "OnRepeated",
                "/Say/OnRepeated",
                "",
            )
            .attempts(3)
            .concurrency(1)
            .ordered()
            .timeout(::core::time::Duration::new(1, 500000000));
    }
    struct __Micro_on_tick;
    impl ::micro::__private::Subscribing for __Micro_on_tick {
        type Context = Context;
        type Event = ();
        type Outcome = Result<()>;
        const DESCRIPTOR: &'static ::micro::__private::SubscriberDescriptor = &::micro::__private::describe_subscriber::<
            Self,
        >("tick", "", "Say", "OnTick", "/Say/OnTick", "")
            .at_most_once();
    }
    #[allow(
        deprecated,
        non_local_definitions,
        clippy::all,
        clippy::pedantic,
        clippy::nursery
    )]
    #[automatically_derived]
    impl ::micro::__private::OneHandlerPerTypeWithOtherContractsInAlso for Say {
        fn bind(
            self: ::std::sync::Arc<Self>,
            __micro_binder: &mut ::micro::__private::Binder,
        ) {
            let __micro_self = self;
            ::micro::__private::Binder::service(__micro_binder, SayClient::DESCRIPTOR);
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_hello as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_returning::<
                        __Micro_hello,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            Self::hello(&*__micro_this, &__micro_ctx, __micro_request)
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_repeat as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_pushing::<
                        __Micro_repeat,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request, mut __micro_out| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            Self::repeat(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_request,
                                    &mut __micro_out,
                                )
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::subscriber(
                    __micro_binder,
                    <__Micro_on_said as ::micro::__private::Subscribing>::DESCRIPTOR,
                    ::micro::__private::serve_subscriber::<
                        __Micro_on_said,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_event| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            Self::on_said(&*__micro_this, &__micro_ctx, __micro_event)
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::subscriber(
                    __micro_binder,
                    <__Micro_on_repeated as ::micro::__private::Subscribing>::DESCRIPTOR,
                    ::micro::__private::serve_subscriber::<
                        __Micro_on_repeated,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_event| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            Self::on_repeated(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_event,
                                )
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::subscriber(
                    __micro_binder,
                    <__Micro_on_tick as ::micro::__private::Subscribing>::DESCRIPTOR,
                    ::micro::__private::serve_subscriber::<
                        __Micro_on_tick,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_event| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            Self::on_tick(&*__micro_this, &__micro_ctx, __micro_event)
                                .await
                        }
                    }),
                );
            }
        }
    }
};
