impl<T> greeter::Greeter for Polite<T>
where
    T: Send + Sync + 'static,
{
    async fn hello(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        self.0.hello(ctx, request).await
    }
}
#[allow(
    deprecated,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#[automatically_derived]
impl<T> ::micro::__private::OneHandlerPerTypeWithOtherContractsInAlso for Polite<T>
where
    T: Send + Sync + 'static,
{
    fn bind(
        self: ::std::sync::Arc<Self>,
        __micro_binder: &mut ::micro::__private::Binder,
    ) {
        let __micro_self = self;
        <Self as greeter::Greeter>::__micro_service(
            ::std::sync::Arc::clone(&__micro_self),
            __micro_binder,
        );
        <Self as Admin>::__micro_service(
            ::std::sync::Arc::clone(&__micro_self),
            __micro_binder,
        );
        <Self as other::Contract>::__micro_service(
            ::std::sync::Arc::clone(&__micro_self),
            __micro_binder,
        );
    }
}
