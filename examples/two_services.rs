//! One service calls another one: `shop` finds `prices` through the registry, and hands its
//! context on, so that both work against one deadline.
//!
//! ```text
//! cargo run --example two_services
//! ```
//!
//! They could as well be two programs on two machines; nothing in the handlers would change.

use std::collections::HashMap;
use std::time::Duration;

use micro::{Client, Context, Error, Result, Service};
use serde::{Deserialize, Serialize};

/// An article.
#[derive(Debug, Clone, micro::Message, Serialize, Deserialize)]
pub struct Article {
    /// Its name.
    pub name: String,
}

/// A price in cents.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Price {
    /// The amount.
    pub cents: u64,
}

/// What somebody wants to buy.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Order {
    /// The articles.
    pub articles: Vec<Article>,
}

/// Knows what things cost.
#[micro::service(package = "shop.v1")]
pub trait Prices {
    /// The price of an article.
    #[micro(idempotent)]
    async fn price(&self, ctx: &Context, article: Article) -> Result<Price>;
}

/// Sells things.
#[micro::service(package = "shop.v1")]
pub trait Shop {
    /// What an order costs.
    async fn total(&self, ctx: &Context, order: Order) -> Result<Price>;
}

struct List(HashMap<&'static str, u64>);

#[micro::handler]
impl Prices for List {
    async fn price(&self, ctx: &Context, article: Article) -> Result<Price> {
        println!("prices: {} is asked for, {:?} left", article.name, ctx.remaining().unwrap_or_default());
        let cents = self.0.get(&*article.name);
        let cents = cents.ok_or_else(|| Error::not_found(format!("there is no `{}`", article.name)))?;
        Ok(Price { cents: *cents })
    }
}

/// Generic over the contract: `PricesClient` here, a mock in a test.
struct Counter<P> {
    prices: P,
}

#[micro::handler]
impl<P: Prices> Shop for Counter<P> {
    async fn total(&self, ctx: &Context, order: Order) -> Result<Price> {
        let mut cents = 0;
        for article in order.articles {
            // `forward` makes the other service's error this one's own answer.
            cents += self.prices.price(ctx, article).await.map_err(Error::forward)?.cents;
        }
        Ok(Price { cents })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let prices = HashMap::from([("tea", 450), ("cup", 1200)]);
    let prices = Service::new("prices").handle(List(prices)).start().await?;

    let shop = Service::new("shop");
    let counter = Counter { prices: PricesClient::new(&shop.client()) };
    let shop = shop.handle(counter).start().await?;

    let client = ShopClient::new(&Client::new());
    let ctx = Context::new().with_timeout(Duration::from_secs(10));
    let order = |names: &[&str]| Order {
        articles: names.iter().map(|name| Article { name: (*name).to_owned() }).collect(),
    };
    let total = client.total(&ctx, order(&["tea", "cup", "tea"])).await?;
    println!("shop: that makes {}.{:02}", total.cents / 100, total.cents % 100);
    if let Err(error) = client.total(&ctx, order(&["yacht"])).await {
        println!("shop: {error}");
    }

    shop.stop().await?;
    prices.stop().await
}
