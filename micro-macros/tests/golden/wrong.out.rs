::core::compile_error! {
    "`#[micro::service(…)]` has no option `pakage`\nit has: `package = \"greeter.v1\"`, `name = \"Greeter\"`, `descriptors = DESCRIPTORS`, `crate = \"path::to::micro\"`"
}
::core::compile_error! {
    "a contract has no constants: a remote service could not show its own\nput the constant beside the trait, or make it the answer of a method"
}
::core::compile_error! {
    "a method is `async`, and `not_async` is not: its caller may wait for another machine\nwrite `async fn not_async(&self, ctx: &Context, request: Request) -> Result<Reply>`"
}
::core::compile_error! {
    "`soon` is not a duration: expected number at 0\nwrite a number and a unit, for example `timeout = \"500ms\"`, `\"2s\"` or `\"1m 30s\"`"
}
::core::compile_error! {
    "a method takes a context first, which carries the deadline and the metadata of the call, and `no_context` takes none\nwrite `async fn no_context(&self, ctx: &Context, request: Request) -> Result<Reply>`"
}
#[allow(dead_code)]
pub trait Greeter: ::core::marker::Send + ::core::marker::Sync + 'static {
    const LIMIT: u32;
    fn not_async(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;
    fn right(
        &self,
        ctx: &Context,
        request: HelloRequest,
    ) -> impl ::core::future::Future<Output = Result<HelloReply>> + ::core::marker::Send;
    fn no_context(
        &self,
    ) -> impl ::core::future::Future<Output = Result<HelloReply>> + ::core::marker::Send;
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
    struct __Micro_right;
    impl ::micro::__private::Signature for __Micro_right {
        type Context = Context;
        type Request = HelloRequest;
        type Response = HelloReply;
        const DESCRIPTOR: &'static ::micro::__private::MethodDescriptor = &::micro::__private::describe_returning::<
            Self,
        >("Greeter", "Right", "/Greeter/Right", "");
    }
    impl ::micro::__private::Returning for __Micro_right {
        type Outcome = Result<HelloReply>;
    }
    impl GreeterClient {
        /// What the service says about itself: its name, its methods and their messages.
        pub const DESCRIPTOR: &'static ::micro::__private::ServiceDescriptor = {
            const METHODS: &'static [::micro::__private::MethodDescriptor] = &[
                *<__Micro_right as ::micro::__private::Signature>::DESCRIPTOR,
            ];
            &::micro::__private::ServiceDescriptor::new("Greeter", "", METHODS)
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
        /// Calls `/Greeter/Right`.
        pub fn right(
            &self,
            ctx: &::micro::__private::Context,
            request: HelloRequest,
        ) -> ::micro::__private::Call<HelloRequest, HelloReply> {
            ::micro::__private::call(
                &self.channel,
                ctx,
                <__Micro_right as ::micro::__private::Signature>::DESCRIPTOR,
                request,
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
                    <__Micro_right as ::micro::__private::Signature>::DESCRIPTOR,
                    ::micro::__private::serve_returning::<
                        __Micro_right,
                        _,
                        _,
                    >(move |__micro_ctx, __micro_request| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        async move {
                            <__MicroServed as Greeter>::right(
                                    &*__micro_this,
                                    &__micro_ctx,
                                    __micro_request,
                                )
                                .await
                        }
                    }),
                );
            }
        }
    }
};
