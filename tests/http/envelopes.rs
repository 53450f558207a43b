use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{BOTH, STREAM, Wire, chunked, post};

async fn refused(path: &str, body: Vec<u8>, code: &str) -> Vec<String> {
    let site = Site::start().await;
    let mut errors = Vec::new();
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        errors.push(wire.post(path, STREAM, body.clone()).await.stream_error(code).1);
        // The next call finds everything as it was.
        let answer = wire.post("/Lab/Sum", STREAM, [envelope(0, "1"), envelope(0, "2")].concat()).await;
        assert_eq!(answer.stream().0, [3]);
    }
    site.handlers(0).await;
    errors
}

#[tokio::test]
async fn a_stream_that_ends_inside_an_envelope_is_refused() {
    let whole = envelope(0, "12345");
    for cut in 1..whole.len() {
        for path in ["/Lab/Sum", "/Lab/Count"] {
            let body =
                if path == "/Lab/Sum" { [&whole[..], &whole[..cut]].concat() } else { whole[..cut].to_vec() };
            for message in refused(path, body, "invalid_argument").await {
                assert!(message.contains("ends in the middle of a message"), "{message}");
                assert!(message.contains(&format!("last {cut} bytes")), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn two_messages_where_one_is_due_are_refused() {
    let body = [envelope(0, "1"), envelope(0, "2")].concat();
    for message in refused("/Lab/Count", body, "unimplemented").await {
        assert_eq!(message, "there is more than one message, and the method takes one");
    }
}

#[tokio::test]
async fn no_message_where_one_is_due_is_refused() {
    for body in [vec![], envelope(2, "{}").to_vec()] {
        for message in refused("/Lab/Count", body, "unimplemented").await {
            assert_eq!(message, "there is no message, and the method takes one");
        }
    }
}

#[tokio::test]
async fn envelopes_do_not_care_how_they_are_cut() {
    let site = Site::start().await;
    let body = [envelope(0, "10"), envelope(0, "200"), envelope(0, "3000")].concat();
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for size in [1, 2, 3, 5, 7, 100] {
            let chunks = body.chunks(size).map(|chunk| chunk.to_vec().into()).collect();
            let answer = wire.send(post("/Lab/Double", STREAM, chunked(chunks))).await;
            assert_eq!(answer.stream().0, [20, 400, 6000]);
        }
    }
}

#[tokio::test]
async fn a_stream_with_no_message_is_a_stream() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for body in [vec![], envelope(2, "").to_vec()] {
            let (messages, end) = wire.post("/Lab/Sum", STREAM, body.clone()).await.stream();
            assert_eq!((messages, end), (vec![0.into()], serde_json::json!({})));
            let (messages, _) = wire.post("/Lab/Double", STREAM, body).await.stream();
            assert!(messages.is_empty());
        }
    }
}
