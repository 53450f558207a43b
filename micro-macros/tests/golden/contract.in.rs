/// Greets people.
#[micro::service(package = "greeter.v1")]
pub trait Greeter: Debug {
    /// Greets one person.
    #[micro(idempotent, timeout = "1s 500ms")]
    async fn hello(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;

    /// Looks a name up.
    #[micro(idempotent, retries = 3, attempt_timeout = "200ms", hedge = "20ms", coalesce)]
    async fn find(&self, ctx: &Context, request: Name) -> Result<Found>;

    /// Counts.
    #[cfg(feature = "counting")]
    async fn count(&self, ctx: &Context, upto: Upto, out: &mut Sender<Number>) -> Result<()>;

    #[deprecated = "add yourself"]
    #[micro(name = "Total")]
    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<Number>) -> AliasOfResult {
        while let Some(number) = numbers.next().await? {}
        Ok(0)
    }

    async fn chat(&self, _: &Context, lines: Lines, out: &mut LinesOut) -> Result<()>;
}
