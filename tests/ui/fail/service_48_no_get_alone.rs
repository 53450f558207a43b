use micro::{Context, Result};

#[micro::service]
pub trait Users {
    #[micro(no_get)]
    async fn remove(&self, ctx: &Context, name: String) -> Result<()>;
}

fn main() {}
