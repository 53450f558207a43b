#[micro::handler(also(Admin, other::Contract))]
impl<T> greeter::Greeter for Polite<T>
where
    T: Send + Sync + 'static,
{
    async fn hello(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        self.0.hello(ctx, request).await
    }
}
