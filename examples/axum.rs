//! A web page and calls on one port: whatever is no call goes to an `axum::Router`. The page calls
//! the service from the browser, with nothing but `fetch`.
//!
//! ```text
//! cargo run --example axum
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::Html;
use axum::{Router, routing};
use micro::{Context, Error, Result, Service};
use serde::{Deserialize, Serialize};

/// Who visits.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Visitor {
    /// Under which name.
    pub name: String,
}

/// What visitors are told.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Welcome {
    /// The words.
    pub text: String,
}

/// Receives visitors.
#[micro::service(package = "visits.v1")]
pub trait Reception {
    /// Welcomes one.
    async fn welcome(&self, ctx: &Context, visitor: Visitor) -> Result<Welcome>;
}

/// Shared by the pages and the handler.
#[derive(Clone, Default)]
struct Desk {
    visits: Arc<AtomicU64>,
}

#[micro::handler]
impl Reception for Desk {
    async fn welcome(&self, _ctx: &Context, visitor: Visitor) -> Result<Welcome> {
        if visitor.name.is_empty() {
            return Err(Error::invalid_argument("`name` is empty: whom shall I welcome?"));
        }
        let visit = self.visits.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Welcome { text: format!("Welcome, {}! You are visit {visit}.", visitor.name) })
    }
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Reception</title>
<input id="name" placeholder="Your name"> <button id="go">Come in</button> <output id="answer"></output>
<script>
  go.onclick = async () => {
    const response = await fetch("/visits.v1.Reception/Welcome", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: document.getElementById("name").value }),
    });
    const reply = await response.json();
    answer.textContent = response.ok ? reply.text : reply.message;
  };
</script>
"#;

async fn visits(State(desk): State<Desk>) -> String {
    format!("{}\n", desk.visits.load(Ordering::Relaxed))
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_target(false).with_max_level(tracing::Level::INFO).init();

    let desk = Desk::default();
    let pages = Router::new()
        .route("/", routing::get(async || Html(PAGE)))
        .route("/visits", routing::get(visits))
        .with_state(desk.clone());
    let service = Service::new("reception").handle(desk).mount(pages).start().await?;

    let address = service.address();
    println!("\nLook at http://{address}/, or:\n");
    println!(
        "  curl -H 'content-type: application/json' -d '{{\"name\":\"Ada\"}}' http://{address}/visits.v1.Reception/Welcome"
    );
    println!("  curl http://{address}/visits");
    println!("\nCtrl-C stops the service.");
    service.until_signal().await
}
