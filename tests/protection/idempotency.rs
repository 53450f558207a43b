//! Calls that are made twice, and done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micro::client::Protocol;
use micro::idempotency::{Idempotency, MemoryKeys};
use micro::registry::Memory;
use micro::{Client, Code, Context, Detail, Environment, Error, Result, Running, Sender, Service};
use tokio::sync::{Semaphore, watch};

use crate::soon::soon;

#[derive(Clone)]
struct Till {
    paid: Arc<AtomicUsize>,
    /// How many wait for their turn.
    waiting: watch::Sender<usize>,
    turn: Arc<Semaphore>,
}

struct Waits(watch::Sender<usize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[micro::handler]
impl Till {
    /// Returns the number of the payment.
    pub async fn pay(&self, ctx: &Context, _cents: u64) -> Result<usize> {
        let number = self.paid.fetch_add(1, Ordering::SeqCst) + 1;
        ctx.set_header("number", number.to_string())?;
        ctx.set_trailer("tail-bin", [0, 255])?;
        Ok(number)
    }

    /// The same, when it is its turn.
    pub async fn pay_slowly(&self, _ctx: &Context, _cents: u64) -> Result<usize> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _waits = Waits(self.waiting.clone());
        self.turn.acquire().await.unwrap().forget();
        Ok(self.paid.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The same, and says its number around the answer.
    pub async fn announce(&self, ctx: &Context, cents: u64) -> Result<usize> {
        let number = self.pay_slowly(ctx, cents).await?;
        ctx.set_header("number", number.to_string())?;
        Ok(number)
    }

    /// Fails with the code of this number, or panics.
    pub async fn fail(&self, _ctx: &Context, code: u32) -> Result<usize> {
        let number = self.paid.fetch_add(1, Ordering::SeqCst) + 1;
        let code = Code::from_number(code).expect("as the test wants it");
        Err(Error::new(code, format!("payment {number}")).with_detail(Detail::new("till.Why", vec![1, 2])))
    }

    pub async fn receipts(&self, _ctx: &Context, count: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 0..count {
            out.send(number).await?;
        }
        Ok(())
    }
}

struct Site {
    running: Running,
    till: Till,
    once: Idempotency,
}

impl Site {
    async fn start() -> Self {
        Self::with(|once| once).await
    }

    async fn with(options: impl FnOnce(Idempotency) -> Idempotency) -> Self {
        let till =
            Till { paid: Arc::default(), waiting: watch::channel(0).0, turn: Arc::new(Semaphore::new(0)) };
        let once = options(Idempotency::new(MemoryKeys::new()));
        let service = Service::new("till").environment(Environment::empty()).registry(Memory::new());
        let service = service.spread_delay(Duration::ZERO).drain_timeout(Duration::ZERO);
        let running = service.intercept(once.clone()).handle(till.clone()).start().await.unwrap();
        Self { running, till, once }
    }

    fn client(&self, protocol: Option<Protocol>) -> TillClient {
        TillClient::new(&match protocol {
            None => self.running.client(),
            Some(protocol) => Client::builder()
                .environment(Environment::empty())
                .address(self.running.address())
                .protocol(protocol)
                .build(),
        })
    }

    fn clients(&self) -> Vec<(Option<Protocol>, TillClient)> {
        let all = [
            Some(Protocol::Connect),
            Some(Protocol::Grpc),
            Some(Protocol::GrpcWeb),
            Some(Protocol::Mucp),
            Some(Protocol::Native),
            None,
        ];
        all.into_iter().map(|protocol| (protocol, self.client(protocol))).collect()
    }

    async fn waiting(&self, count: usize) {
        let mut waiting = self.till.waiting.subscribe();
        drop(soon(waiting.wait_for(|now| *now == count)).await.unwrap());
    }
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_with_all_that_stands_around_it_in_every_protocol() {
    let site = Site::start().await;
    let mut due = 0;
    for (index, (protocol, client)) in site.clients().into_iter().enumerate() {
        due += 1;
        for attempt in 0..3 {
            let call = client.pay(&Context::new(), 500).idempotency_key(format!("key-{index}"));
            let response = call.response().await.unwrap();
            assert_eq!(*response.get_ref(), due, "{protocol:?}");
            assert_eq!(response.headers().get("number"), Some(due.to_string().as_str()), "{protocol:?}");
            let around = [response.headers(), response.trailers()];
            let tail = around.iter().find_map(|metadata| metadata.get_bytes("tail-bin"));
            assert_eq!(tail.map(|value| &value[..]), Some(&[0, 255][..]), "{protocol:?}");
            let replayed = response.headers().get("idempotent-replayed");
            assert_eq!(replayed, (attempt > 0).then_some("true"), "{protocol:?}");
        }
    }
    // And across protocols: it is the same thing to do.
    let first = site.client(None).pay(&Context::new(), 500).idempotency_key("key-0").await.unwrap();
    assert_eq!((first, site.till.paid.load(Ordering::SeqCst)), (1, 6));
    // Without a key every call is another one.
    assert_eq!(site.client(None).pay(&Context::new(), 500).await.unwrap(), 7);
    let counts = site.once.counts();
    assert_eq!((counts.ran, counts.replayed, counts.refused), (6, 13, 0));
}

#[tokio::test]
async fn a_key_for_another_request_is_refused_and_one_for_another_method_is_another_key() {
    let site = Site::start().await;
    for (protocol, client) in site.clients() {
        let key = format!("{protocol:?}");
        client.pay(&Context::new(), 500).idempotency_key(&key).await.unwrap();
        let error = client.pay(&Context::new(), 700).idempotency_key(&key).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{protocol:?}");
        assert!(error.message().contains("another request"), "{error}");
        site.till.turn.add_permits(1);
        client.pay_slowly(&Context::new(), 500).idempotency_key(&key).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_comes_while_the_first_one_runs_gets_its_answer() {
    let site = Site::start().await;
    for (protocol, client) in site.clients() {
        let (key, waited) = (format!("{protocol:?}"), site.once.counts().waited);
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (client, key) = (client.clone(), key.clone());
                tokio::spawn(async move { client.pay_slowly(&Context::new(), 1).idempotency_key(key).await })
            })
            .collect();
        site.waiting(1).await;
        soon(async {
            while site.once.counts().waited < waited + 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        site.till.turn.add_permits(1);
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().unwrap());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{protocol:?}: {answers:?}");
    }
    assert_eq!(site.till.paid.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn who_would_wait_too_long_is_told_to_come_again() {
    let site = Site::with(|once| once.wait(Duration::ZERO)).await;
    let client = site.client(Some(Protocol::Connect));
    let first = client.clone();
    let first = tokio::spawn(async move { first.pay_slowly(&Context::new(), 1).idempotency_key("a").await });
    site.waiting(1).await;
    let error = client.pay_slowly(&Context::new(), 1).idempotency_key("a").await.unwrap_err();
    assert_eq!(error.code(), Code::Aborted);
    assert!(error.retry_after().is_some());
    site.till.turn.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(client.pay_slowly(&Context::new(), 1).idempotency_key("a").await.unwrap(), 1);
}

#[tokio::test]
async fn errors_that_a_handler_has_decided_are_kept_and_after_any_other_the_key_is_free() {
    let site = Site::start().await;
    let client = site.client(Some(Protocol::Native));
    let kept = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::OutOfRange,
    ];
    for code in Code::ALL {
        let mut texts = Vec::new();
        for _ in 0..2 {
            let call = client.fail(&Context::new(), code.number()).idempotency_key(code.as_str());
            let error = call.await.unwrap_err();
            assert_eq!((error.code(), error.details().len()), (*code, 1));
            texts.push(error.message().to_owned());
        }
        assert_eq!(texts[0] == texts[1], kept.contains(code), "{code}: {texts:?}");
    }
    let before = site.till.paid.load(Ordering::SeqCst);
    for _ in 0..2 {
        // It panics; what releases the key runs behind the answer, and the next call waits for that.
        let error = client.fail(&Context::new(), 99).idempotency_key("panic").await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
    }
    assert_eq!(site.till.paid.load(Ordering::SeqCst), before + 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_and_asks_again_gets_the_answer_of_what_it_began() {
    let site = Site::start().await;
    for (index, (protocol, client)) in site.clients().into_iter().enumerate() {
        let (gone, key) = (client.clone(), format!("{protocol:?}"));
        let call = {
            let key = key.clone();
            tokio::spawn(async move { gone.pay_slowly(&Context::new(), 1).idempotency_key(key).await })
        };
        site.waiting(1).await;
        call.abort();
        let waited = site.once.counts().waited;
        let again =
            tokio::spawn(async move { client.pay_slowly(&Context::new(), 1).idempotency_key(key).await });
        soon(async {
            while site.once.counts().waited == waited {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(*site.till.waiting.borrow(), 1, "{protocol:?}: the handler runs once");
        site.till.turn.add_permits(1);
        assert_eq!(again.await.unwrap().unwrap(), index + 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_handler_whose_caller_ran_out_of_time_ends_what_it_began() {
    let site = Site::start().await;
    let client = site.client(Some(Protocol::Grpc));
    let short = Context::new().with_timeout(Duration::from_millis(50));
    let error = client.announce(&short, 1).idempotency_key("a").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    site.waiting(1).await;
    site.till.turn.add_permits(1);
    let response = client.announce(&Context::new(), 1).idempotency_key("a").response().await.unwrap();
    // What it set on its answer is there although nobody waited for it.
    assert_eq!((*response.get_ref(), response.headers().get("number")), (1, Some("1")));
    assert_eq!(site.till.paid.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_given_anew() {
    let site = Site::with(|once| once.keep(Duration::from_millis(1))).await;
    let client = site.client(None);
    let mut last = client.pay(&Context::new(), 1).idempotency_key("a").await.unwrap();
    let first = last;
    soon(async {
        while last == first {
            last = client.pay(&Context::new(), 1).idempotency_key("a").await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(last, first + 1);
}

#[tokio::test]
async fn a_method_can_want_a_key_and_a_stream_cannot_have_one() {
    let site = Site::with(|once| once.require("Till/Pay")).await;
    for (protocol, client) in site.clients() {
        let error = client.pay(&Context::new(), 1).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{protocol:?}");
        assert!(error.message().contains("Till/Pay is called with an `idempotency-key`"), "{error}");
        let error = client.pay(&Context::new(), 1).idempotency_key("").await.unwrap_err();
        assert!(error.message().contains("visible ASCII"), "{error}");
        if protocol != Some(Protocol::Mucp) {
            let numbers = client.receipts(&Context::new(), 1).idempotency_key("a").await;
            let error = match numbers {
                Err(error) => error,
                Ok(mut numbers) => numbers.next().await.unwrap_err(),
            };
            assert!(error.message().contains("streams"), "{protocol:?}: {error}");
        }
    }
    assert_eq!(site.till.paid.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_same_key_of_another_caller_is_another_key() {
    let site =
        Site::with(|once| once.scope(|ctx| ctx.metadata().get("account").unwrap_or_default().to_owned()))
            .await;
    let client = site.client(None);
    let pay =
        |account: &str| client.pay(&Context::new(), 1).idempotency_key("a").metadata("account", account);
    let (ada, bob) = (pay("ada").await.unwrap(), pay("bob").await.unwrap());
    assert_ne!(ada, bob);
    assert_eq!((pay("ada").await.unwrap(), pay("bob").await.unwrap()), (ada, bob));
}
