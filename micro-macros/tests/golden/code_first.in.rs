/// Says things.
#[micro::handler]
impl Say {
    pub fn new() -> Self {
        Self
    }

    /// Says hello.
    #[micro(idempotent)]
    pub async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply> {
        self.helper(ctx).await
    }

    pub async fn repeat(&self, _ctx: &Context, request: Request, out: &mut Sender<Reply>) -> Result<()> {
        Ok(())
    }

    async fn helper(&self, ctx: &Context) -> Result<Reply> {
        Ok(Reply)
    }

    #[micro(skip)]
    pub async fn close(self) {}

    #[subscribe(topic = "said", group = "echo")]
    async fn on_said(&self, ctx: &Context, event: Said) -> Result<()> {
        Ok(())
    }

    #[subscribe(
        topic = topics::REPEATED,
        group = Self::GROUP,
        attempts = 3,
        concurrency = 1,
        ordered,
        timeout = "1s 500ms"
    )]
    async fn on_repeated(&self, ctx: &Context, event: Event<Said>) -> Result<()> {
        Ok(())
    }

    #[subscribe(topic = "tick", at_most_once)]
    async fn on_tick(&self, ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}
