/// Greets people.
#[allow(dead_code)]
pub trait Greeter: Debug + ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Greets one person.
    fn hello(
        &self,
        ctx: &Context,
        request: HelloRequest,
    ) -> impl ::core::future::Future<Output = Result<HelloReply>> + ::core::marker::Send;
    /// Looks a name up.
    fn find(
        &self,
        ctx: &Context,
        request: Name,
    ) -> impl ::core::future::Future<Output = Result<Found>> + ::core::marker::Send;
    /// Counts.
    #[cfg(feature = "counting")]
    fn count(
        &self,
        ctx: &Context,
        upto: Upto,
        out: &mut Sender<Number>,
    ) -> impl ::core::future::Future<Output = Result<()>> + ::core::marker::Send;
    #[deprecated = "add yourself"]
    #[allow(
        clippy::manual_async_fn,
        clippy::diverging_sub_expression,
        clippy::let_and_return
    )]
    fn sum(
        &self,
        _ctx: &Context,
        numbers: Streaming<Number>,
    ) -> impl ::core::future::Future<Output = AliasOfResult> + ::core::marker::Send {
        async move {
            if let ::core::option::Option::Some(__micro_answer) = ::core::option::Option::None::<
                AliasOfResult,
            > {
                return __micro_answer;
            }
            let _ctx = _ctx;
            let mut numbers = numbers;
            let __micro_answer: AliasOfResult = {
                while let Some(number) = numbers.next().await? {}
                Ok(0)
            };
            #[allow(unreachable_code)] __micro_answer
        }
    }
    fn chat(
        &self,
        _: &Context,
        lines: Lines,
        out: &mut LinesOut,
    ) -> impl ::core::future::Future<Output = Result<()>> + ::core::marker::Send;
    #[doc(hidden)]
    #[allow(deprecated)]
    fn __micro_service(
        self: ::std::sync::Arc<Self>,
        __micro_binder: &mut ::micro::__private::Binder,
    )
    where
        Self: ::core::marker::Sized,
    {
        GreeterClient::__micro_service(self, __micro_binder);
    }
}
/// A client of [`Greeter`].
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
pub struct GreeterClient {
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
        type Request = HelloRequest;
        type Response = HelloReply;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_returning::<
            Self,
        >(
                "greeter.v1.Greeter",
                "Hello",
                "/greeter.v1.Greeter/Hello",
                "Greets one person.",
            )
            .idempotent()
            .timeout(::core::time::Duration::new(1, 500000000));
    }
    impl ::micro::__private::Returning for __Micro_hello {
        type Outcome = Result<HelloReply>;
    }
    struct __Micro_find;
    impl ::micro::__private::Signature for __Micro_find {
        type Context = Context;
        type Request = Name;
        type Response = Found;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_returning::<
            Self,
        >("greeter.v1.Greeter", "Find", "/greeter.v1.Greeter/Find", "Looks a name up.")
            .idempotent()
            .retries(3)
            .attempt_timeout(::core::time::Duration::new(0, 200000000))
            .hedge(::core::time::Duration::new(0, 20000000))
            .coalesce();
    }
    impl ::micro::__private::Returning for __Micro_find {
        type Outcome = Result<Found>;
    }
    #[cfg(feature = "counting")]
    struct __Micro_count;
    #[cfg(feature = "counting")]
    impl ::micro::__private::Signature for __Micro_count {
        type Context = Context;
        type Request = Upto;
        type Response = ::micro::__private::Streaming<Number>;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_pushing::<
            Self,
        >("greeter.v1.Greeter", "Count", "/greeter.v1.Greeter/Count", "Counts.");
    }
    #[cfg(feature = "counting")]
    impl ::micro::__private::Pushing for __Micro_count {
        type Sender = Sender<Number>;
        type Outcome = Result<()>;
    }
    struct __Micro_sum;
    impl ::micro::__private::Signature for __Micro_sum {
        type Context = Context;
        type Request = Streaming<Number>;
        type Response = <AliasOfResult as ::micro::__private::Outcome>::Body;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_returning::<
            Self,
        >("greeter.v1.Greeter", "Total", "/greeter.v1.Greeter/Total", "")
            .deprecated();
    }
    impl ::micro::__private::Returning for __Micro_sum {
        type Outcome = AliasOfResult;
    }
    struct __Micro_chat;
    impl ::micro::__private::Signature for __Micro_chat {
        type Context = Context;
        type Request = Lines;
        type Response = <LinesOut as ::micro::__private::SenderArgument>::Answer;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_pushing::<
            Self,
        >("greeter.v1.Greeter", "Chat", "/greeter.v1.Greeter/Chat", "");
    }
    impl ::micro::__private::Pushing for __Micro_chat {
        type Sender = LinesOut;
        type Outcome = Result<()>;
    }
    impl GreeterClient {
        /// What the service says about itself: its name, its methods and their messages.
        pub const DESCRIPTOR: &'static ::micro::__private::ServiceDescriptor = {
            const METHODS: &'static [::micro::__private::MethodDescriptor] = &[
                *<__Micro_hello as ::micro::__private::Signature>::DESCRIPTOR,
                *<__Micro_find as ::micro::__private::Signature>::DESCRIPTOR,
                #[cfg(feature = "counting")]
                *<__Micro_count as ::micro::__private::Signature>::DESCRIPTOR,
                *<__Micro_sum as ::micro::__private::Signature>::DESCRIPTOR,
                *<__Micro_chat as ::micro::__private::Signature>::DESCRIPTOR,
            ];
            &::micro::__private::ServiceDescriptor::new(
                "greeter.v1.Greeter",
                "Greets people.",
                METHODS,
            )
        };
        /// A client of the service that is registered as `greeter`.
        #[must_use]
        pub fn new(client: &::micro::__private::Client) -> Self {
            Self::with_name(client, "greeter")
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
        /// Greets one person.
        pub fn hello(
            &self,
            ctx: &::micro::__private::Context,
            request: HelloRequest,
        ) -> ::micro::__private::Call<HelloRequest, HelloReply> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_hello as ::micro::__private::Signature>::DESCRIPTOR,
                request,
            )
        }
        /// Looks a name up.
        pub fn find(
            &self,
            ctx: &::micro::__private::Context,
            request: Name,
        ) -> ::micro::__private::Call<Name, Found> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_find as ::micro::__private::Signature>::DESCRIPTOR,
                request,
            )
        }
        /// Counts.
        #[cfg(feature = "counting")]
        pub fn count(
            &self,
            ctx: &::micro::__private::Context,
            upto: Upto,
        ) -> ::micro::__private::Call<Upto, ::micro::__private::Streaming<Number>> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_count as ::micro::__private::Signature>::DESCRIPTOR,
                upto,
            )
        }
        /// Calls `/greeter.v1.Greeter/Total`.
        #[deprecated = "add yourself"]
        pub fn sum(
            &self,
            ctx: &::micro::__private::Context,
            numbers: Streaming<Number>,
        ) -> ::micro::__private::Call<
            Streaming<Number>,
            <AliasOfResult as ::micro::__private::Outcome>::Body,
        > {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_sum as ::micro::__private::Signature>::DESCRIPTOR,
                numbers,
            )
        }
        /// Calls `/greeter.v1.Greeter/Chat`.
        pub fn chat(
            &self,
            ctx: &::micro::__private::Context,
            lines: Lines,
        ) -> ::micro::__private::Call<
            Lines,
            <LinesOut as ::micro::__private::SenderArgument>::Answer,
        > {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_chat as ::micro::__private::Signature>::DESCRIPTOR,
                lines,
            )
        }
        #[doc(hidden)]
        fn __micro_service<__MicroServed: Greeter>(
            __micro_self: ::std::sync::Arc<__MicroServed>,
            __micro_binder: &mut ::micro::__private::Binder,
        ) {
            ::micro::__private::Binder::service(
                __micro_binder,
                GreeterClient::DESCRIPTOR,
            );
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
                            <__MicroServed as Greeter>::hello(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_request,
                                )
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_find as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_returning::<
                        __Micro_find,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            <__MicroServed as Greeter>::find(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_request,
                                )
                                .await
                        }
                    }),
                );
            }
            #[cfg(feature = "counting")]
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_count as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_pushing::<
                        __Micro_count,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request, mut __micro_out| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            <__MicroServed as Greeter>::count(
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
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_sum as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_returning::<
                        __Micro_sum,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            <__MicroServed as Greeter>::sum(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_request,
                                )
                                .await
                        }
                    }),
                );
            }
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                ::micro::__private::Binder::endpoint(
                    __micro_binder,
                    <__Micro_chat as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_pushing::<
                        __Micro_chat,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request, mut __micro_out| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            <__MicroServed as Greeter>::chat(
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
        }
    }
    #[automatically_derived]
    impl Greeter for GreeterClient {
        async fn hello(
            &self,
            ctx: &Context,
            request: HelloRequest,
        ) -> Result<HelloReply> {
            ::micro::__private::answer::<__Micro_hello>(&self.channel, ctx, request)
                .await
        }
        async fn find(&self, ctx: &Context, request: Name) -> Result<Found> {
            ::micro::__private::answer::<__Micro_find>(&self.channel, ctx, request).await
        }
        #[cfg(feature = "counting")]
        async fn count(
            &self,
            ctx: &Context,
            upto: Upto,
            out: &mut Sender<Number>,
        ) -> Result<()> {
            ::micro::__private::pass_on::<__Micro_count>(&self.channel, ctx, upto, out)
                .await
        }
        async fn sum(&self, ctx: &Context, numbers: Streaming<Number>) -> AliasOfResult {
            ::micro::__private::answer::<__Micro_sum>(&self.channel, ctx, numbers).await
        }
        async fn chat(
            &self,
            ctx: &Context,
            lines: Lines,
            out: &mut LinesOut,
        ) -> Result<()> {
            ::micro::__private::pass_on::<__Micro_chat>(&self.channel, ctx, lines, out)
                .await
        }
    }
};
