//! Calls go-micro's server: `go-micro-client mucp <address>` or `go-micro-client grpc <address>`.

use std::process::ExitCode;
use std::time::Duration;

use micro::client::Protocol;
use micro::{Client, Code, Context, Result, Streaming};
use micro_interop_go_micro::{
    CODES, Greeting, Kind, Names, Nothing, Number, PlainGreeting, Report, SayClient, Wish,
};

/// How often one connection is used anew: go-micro's server forgets a request now and then whose
/// number is that of the one before.
const MANY: usize = 5000;

/// The other side of Go's `Plain`.
#[micro::service(name = "Plain")]
trait Plain {
    async fn hello(&self, ctx: &Context, request: PlainGreeting) -> Result<PlainGreeting>;
    async fn close(&self, ctx: &Context, request: PlainGreeting) -> Result<PlainGreeting>;
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [protocol, address] = arguments.as_slice() else {
        eprintln!("go-micro-client mucp|grpc <address>");
        return ExitCode::FAILURE;
    };
    let Ok(protocol) = protocol.parse::<Protocol>() else {
        eprintln!("`{protocol}` is no protocol");
        return ExitCode::FAILURE;
    };
    let client = Client::builder().address(address).protocol(protocol).build();
    let mut report = Report::default();
    let mut cases = Cases { say: SayClient::new(&client), protocol, report: &mut report };
    for codec in ["json", "proto"] {
        cases.unary(codec).await;
    }
    cases.plain(&client).await;
    if protocol == Protocol::Mucp {
        cases.many().await;
        cases.no_streams().await;
    } else {
        for codec in ["json", "proto"] {
            cases.streams(codec).await;
        }
    }
    report.end()
}

struct Cases<'a> {
    say: SayClient,
    protocol: Protocol,
    report: &'a mut Report,
}

impl Cases<'_> {
    fn name(&self, codec: &str, case: &str) -> String {
        format!("rust -> go  {:4} {codec:5} {case}", self.protocol.name())
    }

    async fn unary(&mut self, codec: &str) {
        let ctx = Context::new();
        let case = self.name(codec, "a message with fields of every kind comes back");
        let reply = self.say.hello(&ctx, greeting()).codec(codec).await;
        self.report.same(&case, reply, Greeting { name: "Hello Ada <&> ü".into(), ..greeting() });

        let case = self.name(codec, "an empty message comes back");
        let reply = self.say.ping(&ctx, Nothing {}).codec(codec).await;
        self.report.same(&case, reply, Nothing {});

        for (number, code) in CODES {
            let case = self.name(codec, &format!("the code {number} is {code}"));
            let wish = Wish { code: number, detail: format!("detail of {number} ü"), panic: false };
            let detail = wish.detail.clone();
            self.report.fails(&case, self.say.fail(&ctx, wish).codec(codec).await, code, &detail);
        }
        let case = self.name(codec, "an error that is not go-micro's is unknown");
        let wish = Wish { detail: "boom".into(), ..Wish::default() };
        self.report.fails(&case, self.say.fail(&ctx, wish).codec(codec).await, Code::Unknown, "boom");

        let case = self.name(codec, "metadata arrives");
        let names = Names { names: vec!["Tenant-Id".into(), "tenant-id".into()] };
        let reply = self.say.carry(&ctx, names).codec(codec).metadata("tenant-id", "acme").await;
        // Go finds it in the spelling that the protocol has.
        let found = reply.as_ref().is_ok_and(|reply| reply.values.values().any(|value| value == "acme"));
        self.report.case(&case, found, &reply);

        let case = self.name(codec, "the deadline is the server's as well");
        let reply = self.say.sleep(&ctx, Nothing {}).codec(codec).timeout(Duration::from_millis(300)).await;
        self.report.fails(&case, reply, Code::DeadlineExceeded, "");
    }

    async fn plain(&mut self, client: &Client) {
        let plain = PlainClient::new(client);
        let request = PlainGreeting {
            name: "Ada".into(),
            number: i64::MAX,
            tags: Some(vec!["a".into()]),
            inner: Some(Box::new(PlainGreeting { name: "inner".into(), ..PlainGreeting::default() })),
        };
        let case = self.name("json", "a plain struct comes back");
        let reply = plain.hello(&Context::new(), request.clone()).await;
        self.report.same(&case, reply, PlainGreeting { name: "Hello Ada".into(), ..request });

        let case = self.name("json", "a method that is not there is unimplemented");
        let reply = plain.close(&Context::new(), PlainGreeting::default()).await;
        self.report.fails(&case, reply, Code::Unimplemented, "Close");
    }

    async fn many(&mut self) {
        let (mut lost, ctx) = (0, Context::new());
        for _ in 0..MANY {
            let call = self.say.ping(&ctx, Nothing {}).timeout(Duration::from_secs(1));
            lost += usize::from(call.await.is_err());
        }
        let case = self.name("proto", &format!("of {MANY} calls one after the other none is lost"));
        self.report.same(&case, Ok(lost), 0);
    }

    async fn no_streams(&mut self) {
        let case = self.name("proto", "a stream names the gRPC plugin");
        let stream = self.say.count(&Context::new(), Number { value: 1 }).await;
        self.report.fails(&case, stream, Code::Unimplemented, "gRPC plugin");
    }

    async fn streams(&mut self, codec: &str) {
        let ctx = Context::new();
        let numbers = |values: &[i64]| {
            let numbers: Vec<_> = values.iter().map(|value| Number { value: *value }).collect();
            Streaming::from_iter(numbers)
        };
        let case = self.name(codec, "a stream of answers");
        let got = all(self.say.count(&ctx, Number { value: 1000 }).codec(codec).await).await;
        self.report.same(&case, got, (1..=1000).collect());

        let case = self.name(codec, "a stream of requests");
        let got = self.say.sum(&ctx, numbers(&[1, 2, 3])).codec(codec).await;
        self.report.same(&case, got, Number { value: 6 });

        let case = self.name(codec, "a stream both ways");
        let got = all(self.say.double(&ctx, numbers(&[1, 2, 3])).codec(codec).await).await;
        self.report.same(&case, got, vec![2, 4, 6]);

        let case = self.name(codec, "a stream that fails in its middle");
        let got = all(self.say.double(&ctx, numbers(&[1, -2, 3])).codec(codec).await).await;
        self.report.fails(&case, got, Code::InvalidArgument, "-2 is negative");
    }
}

async fn all(stream: Result<Streaming<Number>>) -> Result<Vec<i64>> {
    let (mut stream, mut values) = (stream?, Vec::new());
    while let Some(number) = stream.next().await? {
        values.push(number.value);
    }
    Ok(values)
}

fn greeting() -> Greeting {
    Greeting {
        name: "Ada <&> ü".into(),
        big_number: i64::MIN,
        data: vec![0, 0xff, 0x10],
        kind: Kind::Formal.into(),
        tags: vec!["a".into(), String::new()],
        marks: [("most".to_owned(), u64::MAX)].into(),
        inner: Some(Box::new(Greeting { name: "inner".into(), ..Greeting::default() })),
        ratio: 0.1,
        loud: true,
    }
}
