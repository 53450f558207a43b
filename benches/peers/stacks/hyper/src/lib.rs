//! Bare hyper, as one uses it by hand: HTTP/2 with gRPC's framing, and HTTP/1.1 with JSON.

pub mod h1;
pub mod h2;
mod prefixed;

/// Serves each connection that comes with `connection`, in a task of its own.
async fn accept<F, E>(
    listener: tokio::net::TcpListener,
    connection: impl Fn(hyper_util::rt::TokioIo<tokio::net::TcpStream>) -> F,
) -> load::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display + Send,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = connection(hyper_util::rt::TokioIo::new(stream));
        tokio::spawn(async move {
            // A client that goes away is how every run ends.
            let _ = serving.await;
        });
    }
}
