//! The same calls in each protocol: the caller does not see which one it is.

use std::time::Duration;

use micro::client::Protocol;
use micro::{Code, Context, Streaming};

use crate::lab::{Site, client, failure};
use crate::soon::soon;

const ALL: [Protocol; 5] =
    [Protocol::Grpc, Protocol::GrpcWeb, Protocol::GrpcWebText, Protocol::Connect, Protocol::Native];

#[tokio::test]
async fn all_four_shapes_work_in_each_encoding() {
    let site = Site::start().await;
    let ctx = Context::new();
    for protocol in ALL {
        let lab = site.client(protocol);
        for codec in ["json", "proto"] {
            assert_eq!(lab.echo(&ctx, "Ada".to_owned()).codec(codec).await.unwrap(), "Ada");
            assert_eq!(lab.echo(&ctx, String::new()).codec(codec).await.unwrap(), "");
            let counted = lab.count(&ctx, 1000).codec(codec).await.unwrap().collect().await.unwrap();
            assert_eq!(counted, (1..=1000).collect::<Vec<_>>());
            let sum = lab.sum(&ctx, Streaming::from_iter(1..=1000)).codec(codec).await.unwrap();
            assert_eq!(sum, 500_500);
            let doubled = lab.double(&ctx, Streaming::from_iter(1..=1000)).codec(codec).await.unwrap();
            let doubled = doubled.collect().await.unwrap();
            assert_eq!(doubled, (1..=1000).map(|number| 2 * number).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn messages_of_any_size_arrive_as_they_were() {
    let site = Site::start().await;
    for protocol in ALL {
        let lab = site.client(protocol);
        // Below and above what travels in one piece, and in one window.
        for size in [1, 1000, 32 * 1024, 33 * 1024, 3_000_000] {
            let text = "x".repeat(size);
            assert_eq!(soon(lab.echo(&Context::new(), text.clone()).send()).await.unwrap(), text);
        }
    }
}

#[tokio::test]
async fn an_empty_stream_is_a_stream() {
    let site = Site::start().await;
    let ctx = Context::new();
    for protocol in ALL {
        let lab = site.client(protocol);
        assert_eq!(lab.count(&ctx, 0).await.unwrap().next().await.unwrap(), None);
        assert_eq!(lab.sum(&ctx, Streaming::empty()).await.unwrap(), 0);
        assert_eq!(lab.double(&ctx, Streaming::empty()).await.unwrap().next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_answer_comes_before_the_next_question_is_asked() {
    let site = Site::start().await;
    for protocol in ALL {
        let (mut questions, stream) = Streaming::channel();
        let mut answers = site.client(protocol).double(&Context::new(), stream).await.unwrap();
        for number in 1..=20 {
            questions.send(number).await.unwrap();
            assert_eq!(soon(answers.next()).await.unwrap(), Some(2 * number));
        }
        drop(questions);
        assert_eq!(soon(answers.next()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_error_arrives_with_its_details_and_its_metadata() {
    let site = Site::start().await;
    for protocol in ALL {
        for text in ["100 % of ünïcode\n at once ", "with headers", ""] {
            let call = site.client(protocol).fail(&Context::new(), text.to_owned());
            let error = call.await.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, text), "{protocol}");
            assert_eq!(error.details(), failure(text).details(), "{protocol}");
            assert_eq!(error.metadata().get("why"), Some("so"));
            assert_eq!(&error.metadata().get_bytes("why-bin").unwrap()[..], [0xfe, 0x00]);
            let head = (text == "with headers").then_some("first");
            assert_eq!(error.metadata().get("head"), head, "{protocol}");
            assert!(error.is_remote());
            assert_eq!(error.origin().as_deref(), Some("lab.v1.Lab/Fail"));
        }
    }
}

#[tokio::test]
async fn an_error_comes_after_the_messages_before_it() {
    let site = Site::start().await;
    for protocol in ALL {
        for good in [0, 1, 40] {
            let mut answers = site.client(protocol).fail_after(&Context::new(), good).await.unwrap();
            for number in 1..=good {
                assert_eq!(answers.next().await.unwrap(), Some(number));
            }
            let error = answers.next().await.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, "enough"));
            assert_eq!(error.details(), failure("").details());
            assert_eq!(error.metadata().get("why"), Some("so"));
            assert_eq!(answers.next().await.unwrap(), None, "an error is the end");
        }
    }
}

#[tokio::test]
async fn metadata_travels_both_ways() {
    let site = Site::start().await;
    for protocol in ALL {
        let call = site.client(protocol).echo(&Context::new(), "Ada".to_owned());
        let call = call.metadata("tenant", "acme").metadata("tenant", "umbrella, inc.");
        let response =
            call.metadata("trace-bin", [1, 0xff]).metadata("trace-bin", []).response().await.unwrap();
        for (prefix, metadata) in [("head", response.headers()), ("tail", response.trailers())] {
            let tenants: Vec<_> = metadata.get_all(&format!("{prefix}-tenant")).collect();
            assert_eq!(tenants, ["acme", "umbrella, inc."], "{protocol} {prefix}");
            let traces = metadata.iter().filter(|(name, _)| *name == format!("{prefix}-trace-bin"));
            let traces: Vec<_> = traces.map(|(_, value)| value.to_vec()).collect();
            assert_eq!(traces, [vec![1, 0xff], vec![]], "{protocol} {prefix}");
        }

        let mut answers = site.client(protocol).count(&Context::new(), 2).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(1));
        assert_eq!(answers.headers().unwrap().get("head"), Some("first"));
        while answers.next().await.unwrap().is_some() {}
        assert_eq!(answers.trailers().unwrap().get("tail"), Some("last"));
    }
}

#[tokio::test]
async fn the_deadline_arrives_and_holds() {
    let site = Site::start().await;
    for protocol in ALL {
        let lab = site.client(protocol);
        let left = lab.time(&Context::new(), ()).timeout(Duration::from_secs(7)).await.unwrap();
        assert!((1000..=7000).contains(&left), "{left} ms over {protocol}");

        let error = lab.hang(&Context::new(), ()).timeout(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded, "{protocol}");
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_its_handler() {
    let site = Site::start().await;
    for protocol in ALL {
        let lab = site.client(protocol);
        let call = tokio::spawn(lab.hang(&Context::new(), ()).send());
        site.handlers(1).await;
        call.abort();
        site.handlers(0).await;

        let (mut questions, stream) = Streaming::channel();
        let mut answers = lab.double(&Context::new(), stream).await.unwrap();
        questions.send(1).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(2));
        site.handlers(1).await;
        drop(answers);
        site.handlers(0).await;
        drop(questions);

        let answers = lab.count(&Context::new(), u64::MAX).await.unwrap();
        site.handlers(1).await;
        drop(answers);
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    #[micro::service(package = "lab.v2", name = "Lab")]
    trait Newer {
        async fn echo(&self, ctx: &Context, text: String) -> micro::Result<String>;
    }
    let site = Site::start().await;
    for protocol in ALL {
        let client = micro::Client::builder()
            .environment(micro::Environment::empty())
            .address(site.running.address())
            .protocol(protocol)
            .build();
        let error = NewerClient::new(&client).echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented, "{protocol}");
        assert!(error.message().contains("known services: lab.v1.Lab"), "{error}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_of_its_reader_is_refused() {
    let site = Site::start().await;
    for protocol in ALL {
        let lab = client(site.running.address(), protocol, |client| client.max_message_size(1000));
        let call = lab.echo(&Context::new(), "x".repeat(2000));
        assert_eq!(call.await.unwrap_err().code(), Code::ResourceExhausted, "{protocol}");
        let call = lab.echo(&Context::new(), "x".repeat(5_000_000));
        assert_eq!(soon(call.send()).await.unwrap_err().code(), Code::ResourceExhausted, "{protocol}");
    }
}

#[tokio::test]
async fn trailers_that_clients_do_not_take_are_an_error_that_says_so() {
    let site = Site::start().await;
    for protocol in [Protocol::Grpc, Protocol::GrpcWeb, Protocol::GrpcWebText] {
        let error = site.client(protocol).label(&Context::new(), 20_000).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains("`x-tail`"), "{error}");
        // What kind of error it is arrives even where all of it does not fit.
        let error = site.client(protocol).fail(&Context::new(), "x".repeat(20_000)).await.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert!(error.message().starts_with("xxx") && error.message().ends_with("..."), "{error}");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_calls_work_in_all_shapes() {
    use micro::codec::Compression;

    let site = Site::start().await;
    for protocol in ALL {
        let lab = client(site.running.address(), protocol, |client| client.compression(Compression::Gzip));
        let ctx = Context::new();
        for size in [0, 1, 100_000] {
            let text = "x".repeat(size);
            assert_eq!(lab.echo(&ctx, text.clone()).await.unwrap(), text);
        }
        assert_eq!(lab.count(&ctx, 100).await.unwrap().collect().await.unwrap().len(), 100);
        assert_eq!(lab.sum(&ctx, Streaming::from_iter(1..=100)).await.unwrap(), 5050);
        let doubled = lab.double(&ctx, Streaming::from_iter(1..=100)).await.unwrap();
        assert_eq!(doubled.collect().await.unwrap().len(), 100);
        assert_eq!(lab.fail(&ctx, "no".to_owned()).await.unwrap_err().message(), "no");
    }
}
