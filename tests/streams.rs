//! Streams in all shapes: order, ends, errors, back-pressure and cancellation.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use micro::call::{Invocation, Next, Payload};
use micro::{Code, Context, Error, Result, Running, Sender, Service, Streaming};
use tokio::sync::Notify;

#[micro::service(package = "test.v1")]
pub trait Numbers {
    async fn count(&self, ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn primes(&self, ctx: &Context, request: ()) -> Result<Streaming<u64>>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<u64>) -> Result<u64>;
    async fn squares(&self, ctx: &Context, numbers: Streaming<u64>, out: &mut Sender<u64>) -> Result<()>;
    async fn endless(&self, ctx: &Context, size: usize, out: &mut Sender<String>) -> Result<()>;
    async fn fail_after(&self, ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn panic_after(&self, ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn silent(&self, ctx: &Context, request: (), out: &mut Sender<u64>) -> Result<()>;
    async fn with_metadata(&self, ctx: &Context, gate: Streaming<u64>, out: &mut Sender<u64>) -> Result<()>;
    async fn as_asked(&self, ctx: &Context, names: Streaming<String>, out: &mut Sender<u64>) -> Result<()>;
    async fn first_of(&self, ctx: &Context, numbers: Streaming<u64>) -> Result<u64>;
}

#[derive(Default)]
struct Calculator {
    started: Notify,
    sent: Arc<AtomicU64>,
    dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[micro::handler]
impl Numbers for Calculator {
    async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }

    async fn primes(&self, _ctx: &Context, _request: ()) -> Result<Streaming<u64>> {
        Ok(Streaming::from_iter([2, 3, 5, 7]))
    }

    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }

    async fn squares(
        &self,
        _ctx: &Context,
        mut numbers: Streaming<u64>,
        out: &mut Sender<u64>,
    ) -> Result<()> {
        let _guard = OnDrop(self.dropped.clone());
        self.started.notify_one();
        while let Some(number) = numbers.next().await? {
            out.send(number * number).await?;
        }
        Ok(())
    }

    async fn endless(&self, ctx: &Context, size: usize, out: &mut Sender<String>) -> Result<()> {
        self.started.notify_one();
        ctx.set_header("kind", "endless")?;
        let _guard = OnDrop(self.dropped.clone());
        let message = "x".repeat(size);
        loop {
            out.send(message.clone()).await?;
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn fail_after(&self, _ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 0..good {
            out.send(number).await?;
        }
        Err(Error::aborted("enough"))
    }

    async fn panic_after(&self, _ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 0..good {
            out.send(number).await?;
        }
        panic!("secret");
    }

    async fn silent(&self, _ctx: &Context, _request: (), _out: &mut Sender<u64>) -> Result<()> {
        let _guard = OnDrop(self.dropped.clone());
        std::future::pending().await
    }

    async fn with_metadata(
        &self,
        ctx: &Context,
        mut gate: Streaming<u64>,
        out: &mut Sender<u64>,
    ) -> Result<()> {
        ctx.set_header("head", "first")?;
        out.send(1).await?;
        gate.next().await?;
        let late = ctx.set_header("late", "x").unwrap_err();
        assert!(late.message().contains("sent already"), "{late}");
        ctx.set_trailer("tail", "last")
    }

    async fn as_asked(
        &self,
        ctx: &Context,
        mut names: Streaming<String>,
        out: &mut Sender<u64>,
    ) -> Result<()> {
        if let Some(name) = names.next().await? {
            ctx.set_header(&name, "as asked")?;
        }
        out.send(names.collect().await?.len() as u64).await
    }

    async fn first_of(&self, ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        ctx.set_header("head", "first")?;
        ctx.set_trailer("tail", "last")?;
        numbers.next().await?.ok_or_else(|| Error::invalid_argument("there is none"))
    }
}

async fn start() -> (Arc<Calculator>, Running, NumbersClient) {
    let calculator = Arc::new(Calculator::default());
    let service = Service::new("numbers").handle(calculator.clone()).in_memory().await.unwrap();
    let client = NumbersClient::new(&service.client());
    (calculator, service, client)
}

#[tokio::test]
async fn all_four_shapes_keep_every_message_in_order() {
    let (_, _service, numbers) = start().await;
    let ctx = Context::new();
    let counted = numbers.count(&ctx, 1000).await.unwrap().collect().await.unwrap();
    assert_eq!(counted, (1..=1000).collect::<Vec<_>>());
    assert_eq!(numbers.sum(&ctx, Streaming::from_iter(1..=1000)).await.unwrap(), 500_500);
    let squares =
        numbers.squares(&ctx, Streaming::from_iter(1..=1000)).await.unwrap().collect().await.unwrap();
    assert_eq!(squares, (1..=1000u64).map(|n| n * n).collect::<Vec<_>>());
    let primes = numbers.primes(&ctx, ()).await.unwrap().collect().await.unwrap();
    assert_eq!(primes, [2, 3, 5, 7]);
}

#[tokio::test]
async fn an_empty_stream_is_a_stream() {
    let (_, _service, numbers) = start().await;
    let ctx = Context::new();
    assert_eq!(numbers.count(&ctx, 0).await.unwrap().next().await.unwrap(), None);
    assert_eq!(numbers.sum(&ctx, Streaming::empty()).await.unwrap(), 0);
    assert_eq!(numbers.squares(&ctx, Streaming::empty()).await.unwrap().next().await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_comes_before_the_next_question_is_asked() {
    let (_, _service, numbers) = start().await;
    let (mut questions, stream) = Streaming::channel();
    let mut answers = numbers.squares(&Context::new(), stream).await.unwrap();
    for number in 1..=20 {
        questions.send(number).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(number * number));
    }
    drop(questions);
    assert_eq!(answers.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_error_comes_after_the_messages_before_it() {
    let (_, _service, numbers) = start().await;
    for good in [0, 1, 40] {
        let mut answers = numbers.fail_after(&Context::new(), good).await.unwrap();
        for number in 0..good {
            assert_eq!(answers.next().await.unwrap(), Some(number));
        }
        let error = answers.next().await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Aborted, "enough"));
        assert_eq!(error.origin().as_deref(), Some("test.v1.Numbers/FailAfter"));
        assert_eq!(answers.next().await.unwrap(), None, "an error is the end");
    }
}

#[tokio::test]
async fn a_panic_in_a_stream_is_an_internal_error_of_that_stream() {
    let (_, _service, numbers) = start().await;
    let mut answers = numbers.panic_after(&Context::new(), 1).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), Some(0));
    let error = answers.next().await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert!(!error.message().contains("secret"), "{error}");
    assert_eq!(numbers.primes(&Context::new(), ()).await.unwrap().collect().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_request_stream_that_fails_fails_the_call_with_its_own_error() {
    let (_, _service, numbers) = start().await;
    let (mut sender, stream) = Streaming::channel();
    let feed = async {
        sender.send(1).await?;
        sender.fail(Error::data_loss("the file is torn")).await
    };
    let ctx = Context::new();
    let (fed, sum) = tokio::join!(feed, numbers.sum(&ctx, stream));
    fed.unwrap();
    let error = sum.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::DataLoss, "the file is torn"));
    assert!(!error.is_remote());
}

#[tokio::test]
async fn a_slow_reader_holds_the_handler_back() {
    let (calculator, _service, numbers) = start().await;
    let mut answers = numbers.endless(&Context::new(), 64 * 1024).await.unwrap();
    answers.next().await.unwrap();
    // Without reading any more, what is on the way is bounded by the windows and the channel.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let sent = calculator.sent.load(Ordering::Relaxed);
        if sent == before {
            break;
        }
        before = sent;
    }
    assert!(before < 200, "{before} messages of 64 KiB are on the way");
    for _ in 0..500 {
        answers.next().await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_drops_the_handler() {
    let (calculator, _service, numbers) = start().await;
    let mut answers = numbers.endless(&Context::new(), 10).await.unwrap();
    answers.next().await.unwrap();
    drop(answers);
    calculator.dropped.notified().await;
}

#[tokio::test]
async fn a_handler_that_answers_early_stops_the_sender() {
    let (_, _service, numbers) = start().await;
    let (mut sender, stream) = Streaming::channel();
    let feed = tokio::spawn(async move {
        loop {
            sender.send(7).await?;
        }
        #[allow(unreachable_code)]
        Ok::<(), Error>(())
    });
    assert_eq!(numbers.first_of(&Context::new(), stream).await.unwrap(), 7);
    let error = feed.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Canceled);
}

#[tokio::test]
async fn the_deadline_holds_until_the_end_of_the_stream() {
    let (calculator, _service, numbers) = start().await;
    let ctx = Context::new();
    let mut silent = numbers.silent(&ctx, ()).timeout(Duration::from_millis(50)).await.unwrap();
    let error = silent.next().await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    calculator.dropped.notified().await;

    let mut endless = numbers.endless(&ctx, 10).timeout(Duration::from_millis(100)).await.unwrap();
    let error = loop {
        match endless.next().await {
            Ok(message) => assert!(message.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::DeadlineExceeded);
    calculator.dropped.notified().await;
}

#[tokio::test]
async fn headers_come_before_a_stream_and_trailers_with_its_end() {
    let (_, _service, numbers) = start().await;
    let (mut gate, stream) = Streaming::channel();
    let mut answers = numbers.with_metadata(&Context::new(), stream).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), Some(1));
    gate.send(0).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), None);
    assert_eq!(answers.trailers().unwrap().get("tail"), Some("last"));
}

#[tokio::test]
async fn interceptors_see_every_message_of_a_stream() {
    async fn double(mut call: Invocation, next: Next) -> Result<Payload> {
        fn doubled(payload: Payload) -> Payload {
            match payload {
                Payload::Stream(messages) => Payload::Stream(messages.map(|mut message| {
                    *message.downcast_mut::<u64>().unwrap() *= 2;
                    Ok(message)
                })),
                message => message,
            }
        }
        call.request = doubled(call.request);
        next.run(call).await.map(doubled)
    }
    let service =
        Service::new("numbers").handle(Calculator::default()).intercept(double).in_memory().await.unwrap();
    let numbers = NumbersClient::new(&service.client());
    let squares = numbers.squares(&Context::new(), Streaming::from_iter([1, 2, 3])).await.unwrap();
    assert_eq!(squares.collect().await.unwrap(), [8, 32, 72]);
}

#[tokio::test]
async fn the_client_in_place_of_the_handler_streams_as_well() {
    async fn run(numbers: &impl Numbers) -> Vec<u64> {
        let ctx = Context::new();
        let (questions, answers) = (Streaming::from_iter([1, 2, 3]), Streaming::channel());
        let (mut sender, receiver) = answers;
        let work = async move { numbers.squares(&ctx, questions, &mut sender).await };
        let (worked, answers) = tokio::join!(work, receiver.collect());
        worked.unwrap();
        answers.unwrap()
    }
    let (calculator, _service, client) = start().await;
    assert_eq!(run(&*calculator).await, [1, 4, 9]);
    assert_eq!(run(&client).await, [1, 4, 9]);
}

#[tokio::test]
async fn a_call_is_on_its_way_before_its_answers_are_read() {
    let (calculator, _service, numbers) = start().await;
    let ctx = Context::new();
    let answers = numbers.endless(&ctx, 1).await.unwrap();
    calculator.started.notified().await;
    drop(answers);
    calculator.dropped.notified().await;

    let (mut questions, stream) = Streaming::channel();
    let answers = numbers.squares(&ctx, stream).await.unwrap();
    calculator.started.notified().await;
    // More than the channel between the two holds.
    for number in 0..100 {
        questions.send(number).await.unwrap();
    }
    drop(questions);
    assert_eq!(answers.collect().await.unwrap().len(), 100);
}

#[tokio::test]
async fn the_headers_of_a_stream_can_be_read() {
    let (_, _service, numbers) = start().await;
    let ctx = Context::new();
    let response = numbers.endless(&ctx, 1).response().await.unwrap();
    assert_eq!(response.headers().get("kind"), Some("endless"));
    let (_gate, stream) = Streaming::channel();
    let mut answers = numbers.with_metadata(&ctx, stream).await.unwrap();
    answers.next().await.unwrap();
    assert_eq!(answers.headers().unwrap().get("head"), Some("first"));
}

#[tokio::test]
async fn what_the_headers_are_can_depend_on_the_first_message_of_the_caller() {
    let (_, _service, numbers) = start().await;
    let (mut names, stream) = Streaming::channel();
    let mut answers = numbers.as_asked(&Context::new(), stream).await.unwrap();
    names.send("mood".to_owned()).await.unwrap();
    names.send("more".to_owned()).await.unwrap();
    drop(names);
    assert_eq!(answers.next().await.unwrap(), Some(1));
    assert_eq!(answers.headers().unwrap().get("mood"), Some("as asked"));
}

#[tokio::test]
async fn the_error_of_a_call_with_one_answer_has_all_metadata() {
    let (_, _service, numbers) = start().await;
    let error = numbers.first_of(&Context::new(), Streaming::empty()).await.unwrap_err();
    assert_eq!(error.message(), "there is none");
    assert_eq!(error.metadata().get("head"), Some("first"));
    assert_eq!(error.metadata().get("tail"), Some("last"));
}

#[tokio::test]
async fn a_reader_that_goes_away_drops_the_handler_also_while_the_request_could_go_on() {
    let (calculator, _service, numbers) = start().await;
    let (mut questions, stream) = Streaming::channel();
    questions.send(2).await.unwrap();
    let mut answers = numbers.squares(&Context::new(), stream).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), Some(4));
    drop(answers);
    calculator.dropped.notified().await;
    questions.closed().await;
}

#[tokio::test]
async fn a_request_stream_that_panics_fails_its_own_call_and_no_other() {
    let (calculator, _service, numbers) = start().await;
    let ctx = Context::new();
    let (mut questions, stream) = Streaming::channel();
    let answers = numbers.squares(&ctx, stream).await.unwrap();
    calculator.started.notified().await;
    let broken = Streaming::from_stream(futures_util::stream::poll_fn(|_| panic!("a bug of the caller")));
    let error = numbers.sum(&ctx, broken).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Internal, "the request stream panicked"));
    questions.send(3).await.unwrap();
    drop(questions);
    assert_eq!(answers.collect().await.unwrap(), [9]);
}
