#[micro::service(pakage = "greeter.v1")]
pub trait Greeter {
    const LIMIT: u32;
    fn not_async(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;
    #[micro(timeout = "soon")]
    async fn right(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;
    async fn no_context(&self) -> Result<HelloReply>;
}
