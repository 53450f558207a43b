//! Servers that break the rules, or use them as ours does not. Each is a script of frames.

use std::sync::Arc;
use std::time::Duration;

use micro::transport::{Memory, Transport as _};
use micro::{Client, Code, Context, Environment, Error, Streaming};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::lab::{LabClient, Site, client};
use crate::soon::soon;
use crate::wire::{
    ACK, CALL_WINDOW, COMPRESSED, CREDIT, DATA, DONE, END, FAILED, FLOW, GO_AWAY, HEAD, HELLO, LAST,
    METADATA, MORE, OPEN, PING, PREFACE, PROTOCOL, RESET, ROUTE, TOO_MUCH, Wire, frame, go_away, hello,
    metadata, number, text,
};

/// Answers every connection by this script, and tells where.
async fn serve<Fut>(script: impl Fn(Wire) -> Fut + Send + 'static) -> String
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(Wire::<TcpStream>::on(stream)));
        }
    });
    address
}

/// Opens the connection with these settings, and waits for the first call.
async fn asked(wire: &mut Wire, settings: &[(u64, u64)]) -> u32 {
    assert_eq!(wire.opening().await.kind, HELLO);
    wire.send(hello(&[1], settings)).await;
    wire.next_of(OPEN).await.call
}

async fn echo(lab: &LabClient) -> Result<String, Error> {
    soon(lab.echo(&Context::new(), "Ada".to_owned()).send()).await
}

/// A client whose call is answered with this, and what becomes of the call. The connection is held.
async fn answered(with: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static) -> Result<String, Error> {
    let address = serve(move |mut wire| {
        let with = with.clone();
        async move {
            let call = asked(&mut wire, &[]).await;
            wire.send(with(call)).await;
            wire.closed().await;
        }
    })
    .await;
    echo(&client(&address, |client| client)).await
}

async fn fails(with: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static, code: Code, words: &str) {
    let error = answered(with).await.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(words), "{error}");
}

#[tokio::test]
async fn an_answer_may_come_in_many_ways() {
    let ada: &'static [u8] = br#""Ada""#;
    assert_eq!(answered(move |call| frame(DATA, LAST, call, ada)).await.unwrap(), "Ada");
    assert_eq!(
        answered(move |call| [frame(DATA, 0, call, ada), frame(END, 0, call, "")].concat()).await.unwrap(),
        "Ada"
    );
    let pieces = move |call| {
        let pieces = ada.chunks(2).map(|piece| frame(DATA, MORE, call, piece));
        [pieces.collect::<Vec<_>>().concat(), frame(DATA, LAST, call, "")].concat()
    };
    assert_eq!(answered(pieces).await.unwrap(), "Ada");
    let with_others = move |call| {
        let head = frame(HEAD, 0, call, metadata(&[("a", "b")]));
        let others =
            [frame(0x99, 1, call, [1; 50]), frame(PING, ACK, 0, [9; 8]), frame(DATA, LAST, 99, "?")].concat();
        [head, others, frame(DATA, LAST, call, ada)].concat()
    };
    assert_eq!(answered(with_others).await.unwrap(), "Ada");
}

#[tokio::test]
async fn what_breaks_the_rules_ends_the_connection_and_says_so() {
    for (frames, words) in [
        (frame(0x0c, 0, 0, ""), "a frame of the kind 12"),
        (frame(DATA, 0, 1, vec![0; 128 * 1024 + 1]), "a frame of 131073 bytes"),
        (frame(OPEN, 0, 1, number(1)), "a server that sends Some(Open)"),
        (frame(ROUTE, 0, 0, number(1)), "a server that sends Some(Route)"),
        (hello(&[1], &[])[PREFACE.len()..].to_vec(), "a second `Hello`"),
        (frame(PING, 0, 0, ""), "a ping that is not of 8 bytes"),
        (frame(CREDIT, 0, 0, ""), "a grant that is not of 4 bytes"),
        (frame(GO_AWAY, 0, 0, ""), "a `GoAway` that is too short"),
        (frame(HEAD, 0, 1, number(3)), "ends in the middle of a field"),
        (frame(HEAD, 0, 1, metadata(&[("x", &"y".repeat(17_000))])), "metadata of over 16384 bytes"),
        (frame(END, FAILED, 1, [5]), "ends in the middle of a field"),
        (
            frame(END, FAILED, 1, [&[5][..], &text("x"), &number(u64::MAX)].concat()),
            "ends in the middle of a field",
        ),
    ] {
        let address = serve({
            let (frames, words) = (frames.clone(), words.to_owned());
            move |mut wire| {
                let (frames, words) = (frames.clone(), words.clone());
                async move {
                    asked(&mut wire, &[]).await;
                    wire.send(frames).await;
                    let (_, reason, text) = wire.ends().await;
                    assert_eq!(reason, PROTOCOL);
                    assert!(text.contains(&words), "{text}");
                }
            }
        })
        .await;
        let error = echo(&client(&address, |client| client)).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn more_than_the_windows_is_not_kept() {
    let over = |call| {
        let frame = frame(DATA, 0, call, vec![b'1'; 100_000]);
        frame.repeat(CALL_WINDOW / 100_000 + 1)
    };
    let address = serve(move |mut wire| async move {
        let call = asked(&mut wire, &[]).await;
        wire.send(over(call)).await;
        assert_eq!(wire.ends().await.1, FLOW);
    })
    .await;
    let lab = client(&address, |client| client);
    let ended = match soon(lab.texts(&Context::new(), (1, 1)).send()).await {
        // Nobody reads it meanwhile.
        Ok(texts) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            soon(texts.collect()).await.map(|_| ())
        }
        Err(error) => Err(error),
    };
    assert!(ended.is_err());
}

#[tokio::test]
async fn grants_beyond_4_gib_end_the_connection() {
    fails(|_| frame(CREDIT, 0, 0, [0xff; 4]).repeat(2), Code::Internal, "a window of over 4 GiB").await;
}

#[tokio::test]
async fn answers_that_make_no_sense_fail_their_call() {
    let many = |call| [frame(DATA, 0, call, "1"), frame(DATA, 0, call, "2")].concat();
    fails(many, Code::Unimplemented, "more than one message").await;
    fails(|call| frame(END, 0, call, ""), Code::Unimplemented, "no message where one is due").await;
    let middle = |call| [frame(DATA, MORE, call, "\"A"), frame(END, 0, call, "")].concat();
    fails(middle, Code::Internal, "the answer ended in the middle of a message").await;
    fails(|call| frame(DATA, LAST, call, "Ada"), Code::Internal, "cannot be read").await;
    fails(
        |call| frame(DATA, LAST | COMPRESSED, call, "\x09x"),
        Code::Unimplemented,
        "the compression with the number 9",
    )
    .await;
}

#[tokio::test]
async fn errors_are_read_with_details_and_metadata_and_codes_of_tomorrow_are_unknown() {
    let error = |call| {
        let detail = [text("a.B"), text(b"\x08\x01")].concat();
        let payload = [&[5][..], &text("gone"), &number(1), &detail, &metadata(&[("why", "tea")])].concat();
        [frame(HEAD, 0, call, metadata(&[("head", "x")])), frame(END, FAILED | METADATA, call, payload)]
            .concat()
    };
    let error = answered(error).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "gone"));
    assert!(error.is_remote());
    assert_eq!(error.details()[0].type_name(), "a.B");
    assert_eq!((error.metadata().get("why"), error.metadata().get("head")), (Some("tea"), Some("x")));
    let tomorrow = |call| frame(END, FAILED, call, [&[99][..], &text("odd"), &number(0)].concat());
    fails(tomorrow, Code::Unknown, "odd").await;
}

#[tokio::test]
async fn a_call_that_is_reset_says_by_whom() {
    fails(|call| frame(RESET, 0, call, [0]), Code::Canceled, "broke the call off").await;
    fails(|call| frame(RESET, 0, call, ""), Code::Canceled, "broke the call off").await;
    fails(|call| frame(RESET, 0, call, [2]), Code::Internal, "could not read the call").await;
    fails(|call| frame(RESET, 0, call, [1]), Code::Unavailable, "did not take the call").await;
}

/// A node that does this with every call, and one that answers: which answer the call gets.
async fn other_node(with: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static) {
    let bad = serve(move |mut wire| {
        let with = with.clone();
        async move {
            let call = asked(&mut wire, &[]).await;
            wire.send(with(call)).await;
            if with(call).is_empty() {
                return;
            }
            wire.closed().await;
        }
    })
    .await;
    let site = Site::start().await;
    let lab = client(site.address(), |client| client.address(bad));
    for _ in 0..10 {
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
    }
}

#[tokio::test]
async fn a_call_that_was_surely_not_processed_moves_to_another_node() {
    other_node(|call| frame(RESET, 0, call, [1])).await;
    other_node(|call| go_away(call - 1, DONE, "")).await;
    other_node(|call| go_away(call - 1, TOO_MUCH, "tired")).await;
}

#[tokio::test]
async fn a_call_that_a_farewell_names_is_answered() {
    let answer = |call| [go_away(call, DONE, ""), frame(DATA, LAST, call, r#""Ada""#)].concat();
    assert_eq!(answered(answer).await.unwrap(), "Ada");
}

#[tokio::test]
async fn a_farewell_in_the_first_packet_is_heard() {
    let address = serve(|mut wire| async move {
        wire.opening().await;
        wire.send([hello(&[1], &[]), go_away(0, DONE, "")].concat()).await;
        wire.closed().await;
    })
    .await;
    let site = Site::start().await;
    let lab = client(site.address(), |client| client.address(address));
    for _ in 0..10 {
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
    }
}

#[tokio::test]
async fn a_connection_may_break_off_in_the_middle_of_each_frame() {
    let whole = |call| {
        [
            frame(HEAD, 0, call, metadata(&[("a", "b")])),
            frame(DATA, MORE, call, "\"A"),
            frame(DATA, 0, call, "da\""),
            frame(END, METADATA, call, metadata(&[("c", "d")])),
        ]
        .concat()
    };
    let all = whole(1).len();
    for cut in 0..=all {
        let address = serve(move |mut wire| async move {
            let call = asked(&mut wire, &[]).await;
            wire.send(&whole(call)[..cut]).await;
        })
        .await;
        let lab = client(&address, |client| client);
        match echo(&lab).await {
            Ok(text) => assert!(text == "Ada" && cut == all),
            Err(error) => assert_eq!(error.code(), Code::Unavailable, "{error}"),
        }
        let streamed = soon(lab.texts(&Context::new(), (1, 1)).send()).await;
        if let Ok(texts) = streamed {
            assert_eq!(soon(texts.collect()).await.is_ok(), cut == all);
        }
    }
}

#[tokio::test]
async fn settings_of_the_server_are_kept_to() {
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let address = serve(move |mut wire| {
        let begins = begins.clone();
        async move {
            // No routes, one call, small frames.
            let first = asked(&mut wire, &[(1, 1), (2, 65536), (4, 16384), (6, 0)]).await;
            begins.notify_one();
            let mut length = 0;
            while length < 100_002 {
                let frame = wire.next_of(DATA).await;
                assert!(frame.payload.len() <= 16384);
                length += frame.payload.len();
                wire.send(frame_of_credit(frame.payload.len() + 32)).await;
            }
            // The second call begins when the first has ended.
            wire.send(frame(DATA, LAST, first, "100002")).await;
            let second = wire.next().await;
            assert_eq!((second.kind, second.call), (OPEN, first + 1));
            assert!(
                second.payload.starts_with(&[&number(0)[..], &text("/Lab/Length"), &text("json")].concat())
            );
            wire.send(frame(DATA, LAST, second.call, "5")).await;
            wire.closed().await;
        }
    })
    .await;
    let lab = client(&address, |client| client);
    let ctx = Context::new();
    let large = tokio::spawn(lab.length(&ctx, "x".repeat(100_000)).send());
    soon(begun.notified()).await;
    let small = soon(lab.length(&ctx, "x".repeat(5)).send()).await.unwrap();
    assert_eq!((soon(large).await.unwrap().unwrap(), small), (100_002, 5));
}

fn frame_of_credit(amount: usize) -> Vec<u8> {
    let amount = u32::try_from(amount).unwrap().to_be_bytes();
    [frame(CREDIT, 0, 0, amount), frame(CREDIT, 0, 1, amount)].concat()
}

#[tokio::test]
async fn pings_that_are_not_to_be_kept_end_the_connection() {
    let address = serve(|mut wire| async move {
        asked(&mut wire, &[]).await;
        let pings = frame(PING, 0, 0, [0; 8]).repeat(10_000);
        while tokio::time::timeout(Duration::from_secs(2), wire.io.write_all(&pings))
            .await
            .is_ok_and(|sent| sent.is_ok())
        {}
        wire.closed().await;
    })
    .await;
    let error = echo(&client(&address, |client| client)).await.unwrap_err();
    assert!(error.message().contains("pings whose answers are not read"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_asked_and_given_up() {
    let network = Memory::new();
    let mut listener = network.listen("silent").await.unwrap();
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let mut wire = Wire::on(io);
        wire.opening().await;
        wire.send(hello(&[1], &[])).await;
        wire.next_of(OPEN).await;
        // Longer than anything else is waited for here.
        let mut ping = [0; 17];
        wire.io.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping[..9], frame(PING, 0, 0, [0; 8])[..9]);
        std::future::pending::<()>().await;
    });
    let builder = Client::builder().environment(Environment::empty()).transport(network).address("silent");
    let lab =
        LabClient::new(&builder.protocol(micro::client::Protocol::Native).timeout(Duration::MAX).build());
    let error =
        tokio::time::timeout(Duration::from_secs(120), lab.echo(&Context::new(), String::new()).send());
    let error = error.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("did not answer a ping"), "{error}");
    server.abort();
}

#[tokio::test]
async fn a_stream_of_requests_stops_where_the_server_does_not_want_more() {
    let address = serve(|mut wire| async move {
        let call = asked(&mut wire, &[]).await;
        wire.next_of(DATA).await;
        wire.send(frame(DATA, LAST, call, "7")).await;
        wire.closed().await;
    })
    .await;
    let lab = client(&address, |client| client);
    assert_eq!(
        soon(
            lab.first_of(&Context::new(), Streaming::from_stream(futures_util::stream::iter((7..).map(Ok))))
                .send()
        )
        .await
        .unwrap(),
        7
    );
}
