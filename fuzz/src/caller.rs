//! A client that calls somebody who answers as the input says.

use std::time::Duration;

use micro::client::{HttpVersion, Protocol};
use micro::codec::Compression;
use micro::transport::{BoxIo, Memory, Transport as _};
use micro::{Client, Context, Environment, Result, Streaming};
use tokio::task::JoinSet;

use crate::input::Input;
use crate::lab::{ADDRESS, LabClient, MAX_MESSAGE_SIZE, messages};
use crate::world::soon;

/// How long a call may take, by the clock that jumps.
const DEADLINE: Duration = Duration::from_secs(50);

/// The protocols over HTTP.
const OVER_HTTP: [Protocol; 5] =
    [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb, Protocol::GrpcWebText, Protocol::Mucp];

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Echo,
    Split,
    Join,
    Chat,
    Same,
    Fail,
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calling {
    pub(crate) protocol: Protocol,
    pub(crate) method: Method,
    pub(crate) codec: &'static str,
    pub(crate) version: HttpVersion,
    pub(crate) compression: Option<Compression>,
}

impl Calling {
    /// Reads a call: a byte each for the protocol, the method, and the rest of it:
    ///
    /// | Bit | If set |
    /// |---|---|
    /// | 0 | in protobuf, and not in JSON |
    /// | 1 | over HTTP/1.1, and not over HTTP/2 |
    /// | 2 | compressed with gzip |
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        let protocol = input.one_of(&OVER_HTTP);
        let method = input.one_of(&[
            Method::Echo,
            Method::Split,
            Method::Join,
            Method::Chat,
            Method::Same,
            Method::Fail,
        ]);
        let how = input.byte();
        // go-micro's own protocol knows HTTP/1.1 alone.
        let version =
            if how & 2 != 0 || protocol == Protocol::Mucp { HttpVersion::Http1 } else { HttpVersion::Http2 };
        Self {
            protocol,
            method,
            codec: if how & 1 == 0 { "json" } else { "proto" },
            version,
            compression: (how & 4 != 0).then_some(Compression::Gzip),
        }
    }

    /// Whether the call is one message each way.
    pub(crate) fn is_unary(self) -> bool {
        matches!(self.method, Method::Echo | Method::Same | Method::Fail)
    }

    /// Makes the call to somebody who answers every connection in this way, and reads the answer to
    /// its end.
    pub(crate) async fn make<Fut>(self, answer: impl Fn(BoxIo) -> Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let network = Memory::new();
        let mut listener = network.listen(ADDRESS).await.expect("nobody else listens");
        let answers = async {
            // All of them end when this does.
            let mut connections = JoinSet::new();
            while let Ok((io, _)) = listener.accept().await {
                connections.spawn(answer(io));
            }
        };
        let mut client = Client::builder()
            .environment(Environment::empty())
            .transport(network.clone())
            .address(ADDRESS)
            .protocol(self.protocol)
            .http_version(self.version)
            .max_message_size(MAX_MESSAGE_SIZE);
        if let Some(compression) = self.compression {
            client = client.compression(compression);
        }
        let client = LabClient::new(&client.build());
        tokio::select! {
            biased;
            // An error is as good an answer as any.
            _ = soon("a call", self.call(&client)) => {}
            () = answers => {}
        }
    }

    async fn call(self, client: &LabClient) -> Result<()> {
        let context = Context::new();
        let (text, texts) =
            ("text".to_owned(), || Streaming::from_iter(["one".to_owned(), "two".to_owned()]));
        match self.method {
            Method::Echo => {
                let text = client.echo(&context, text).codec(self.codec).timeout(DEADLINE).await?;
                assert!(text.len() <= MAX_MESSAGE_SIZE);
            }
            Method::Split => {
                read(client.split(&context, text).codec(self.codec).timeout(DEADLINE).await?).await?;
            }
            Method::Join => {
                let text = client.join(&context, texts()).codec(self.codec).timeout(DEADLINE).await?;
                assert!(text.len() <= MAX_MESSAGE_SIZE);
            }
            Method::Chat => {
                read(client.chat(&context, texts()).codec(self.codec).timeout(DEADLINE).await?).await?;
            }
            Method::Same => {
                let message = messages::WellKnown::default();
                client.same(&context, message).codec(self.codec).timeout(DEADLINE).await?;
            }
            Method::Fail => client.fail(&context, text).codec(self.codec).timeout(DEADLINE).await?,
        }
        Ok(())
    }
}

async fn read(mut texts: Streaming<String>) -> Result<()> {
    while let Some(text) = texts.next().await? {
        assert!(text.len() <= MAX_MESSAGE_SIZE);
    }
    Ok(())
}
