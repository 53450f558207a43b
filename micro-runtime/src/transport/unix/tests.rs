use proptest::prelude::*;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::error::Code;

fn directory() -> TempDir {
    TempDir::new().unwrap()
}

fn address(directory: &TempDir) -> String {
    format!("unix:{}", directory.path().join("a.sock").display())
}

async fn refused(address: &str) -> Error {
    Unix::new().listen(address).await.err().unwrap()
}

proptest! {
    #[test]
    fn any_address_is_an_absolute_path_or_refused(address in "(unix:)?/?[a-z/. ]{0,10}|.{0,12}") {
        match path_of(&address) {
            Ok(path) => prop_assert_eq!(format!("unix:{}", path.display()), address),
            Err(error) => prop_assert!(error.message().contains("`unix:` and an absolute path"), "{}", error),
        }
    }
}

#[tokio::test]
async fn bytes_pass_and_the_file_goes_with_its_listener() {
    let directory = directory();
    let address = address(&directory);
    let mut listener = Unix::new().listen(&address).await.unwrap();
    assert_eq!(listener.address(), address);
    let mut client = Unix::new().connect(&address).await.unwrap();
    let (mut server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, "unix");
    client.write_all(b"hi").await.unwrap();
    let mut read = [0; 2];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"hi");

    drop(listener);
    assert!(!path_of(&address).unwrap().exists());
    let gone = Unix::new().connect(&address).await.err().unwrap();
    assert!(gone.was_never_processed() && gone.message().contains("there is no such socket"), "{gone}");
}

#[tokio::test]
async fn a_socket_is_its_users_alone_unless_another_mode_is_set() {
    let directory = directory();
    let address = address(&directory);
    let mode = || fs::metadata(path_of(&address).unwrap()).unwrap().permissions().mode() & 0o777;
    let listener = Unix::new().listen(&address).await.unwrap();
    assert_eq!(mode(), 0o600);
    drop(listener);
    let _listener = Unix::new().mode(0o660).listen(&address).await.unwrap();
    assert_eq!(mode(), 0o660);
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let directory = directory();
    let address = address(&directory);
    let path = path_of(&address).unwrap();
    // What is left of a program that was killed.
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert!(path.exists());
    let stale = Unix::new().connect(&address).await.err().unwrap();
    assert!(stale.was_never_processed() && stale.message().contains("any more"), "{stale}");

    let _listener = Unix::new().listen(&address).await.unwrap();
    let refused = refused(&address).await;
    assert!(refused.message().contains("another program listens there"), "{refused}");
    Unix::new().connect(&address).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = directory();
    let address = address(&directory);
    fs::write(path_of(&address).unwrap(), "precious").unwrap();
    let refused = refused(&address).await;
    assert!(refused.message().contains("not a socket"), "{refused}");
    assert_eq!(fs::read(path_of(&address).unwrap()).unwrap(), b"precious");
}

#[tokio::test]
async fn a_listener_does_not_take_the_file_of_its_successor() {
    let directory = directory();
    let address = address(&directory);
    let first = Unix::new().listen(&address).await.unwrap();
    fs::remove_file(path_of(&address).unwrap()).unwrap();
    let _second = Unix::new().listen(&address).await.unwrap();
    drop(first);
    Unix::new().connect(&address).await.unwrap();
}

#[tokio::test]
async fn a_directory_stands_for_a_free_name_in_it() {
    let directory = directory();
    let address = format!("unix:{}", directory.path().display());
    let (one, other) =
        (Unix::new().listen(&address).await.unwrap(), Unix::new().listen(&address).await.unwrap());
    assert_ne!(one.address(), other.address());
    assert!(one.address().starts_with(&address), "{}", one.address());
    assert!(Unix::new().listen("unix:").await.unwrap().address().starts_with("unix:/"));
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_said_in_words() {
    let directory = directory();
    let at = |name: &str| format!("unix:{}/{name}", directory.path().display());
    fs::write(directory.path().join("file"), "").unwrap();
    for (address, words) in [
        ("unix:a.sock".to_owned(), "an absolute path"),
        ("unix:@a".to_owned(), "an absolute path"),
        ("127.0.0.1:80".to_owned(), "an absolute path"),
        (at("none/a.sock"), "does not exist; create it"),
        (at("file/a.sock"), "is not a directory"),
        (at(&"x".repeat(120)), "107 on Linux"),
        (at("a\0b"), "none of them zero"),
    ] {
        let refused = refused(&address).await;
        assert!(refused.message().contains(words), "{refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_said_in_words_and_was_never_processed() {
    let long = format!("unix:/{}", "x".repeat(120));
    for (address, words) in
        [("unix:a", "an absolute path"), (&long, "107 on Linux"), ("unix:/", "cannot connect")]
    {
        let refused = Unix::new().connect(address).await.err().unwrap();
        assert!(refused.was_never_processed() && refused.message().contains(words), "{refused}");
    }
    assert_eq!(Unix::new().connect("unix:a").await.err().unwrap().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_client_waits_where_the_queue_of_the_listener_is_full() {
    let directory = directory();
    let address = address(&directory);
    let path = path_of(&address).unwrap();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(1).unwrap();
    let listener = UnixListener::from_std(socket.into()).unwrap();
    let mut waiting = Vec::new();
    let full = loop {
        match UnixStream::connect(path).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
    };
    // Elsewhere the queue may be full in other words.
    if full.kind() != io::ErrorKind::WouldBlock {
        return;
    }
    let accepted = async {
        loop {
            waiting.push(listener.accept().await.unwrap().0);
        }
    };
    let unix = Unix::new();
    tokio::select! {
        connected = unix.connect(&address) => drop(connected.unwrap()),
        () = accepted => {}
    }
}
