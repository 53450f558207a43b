//! What the client says when the other side speaks no HTTP/2.

use micro::Code;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{client, refused};
use crate::raw::Raw;
use crate::soon::soon;

#[tokio::test]
async fn a_server_of_http1_alone_is_told_from_one_that_is_broken() {
    let (server, address) = Raw::listen().await;
    let lab = client(&address, |client| client);
    // As often as it is asked: a call that was not taken may come again on another connection.
    let serving = async {
        loop {
            let mut stream = server.accept().await;
            soon(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")).await.unwrap();
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        }
    };
    let error = tokio::select! {
        error = refused(&lab) => error,
        () = serving => unreachable!(),
    };
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("`http_version`"), "{error}");
}
