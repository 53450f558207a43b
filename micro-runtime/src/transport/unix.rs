use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use super::{BoxIo, Listener, SCHEME, Transport};
use crate::error::{Error, Result};

/// Who may connect unless it is said otherwise: the user that the service runs as.
const MODE: u32 = 0o600;

/// How many connections wait to be accepted. The system has a limit of its own as well.
const BACKLOG: i32 = 1024;

/// A socket that nobody listens on may be one that somebody is just about to listen on, so it is asked
/// twice.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// How long a client waits before it tries again where the listener's queue is full: this at first, and
/// twice as long each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Unix sockets: connections between programs on one machine, without its network.
///
/// An address is `unix:` and an absolute path, `unix:/run/greeter/greeter.sock` for example. Services and
/// clients take such addresses without being told of this transport, which is for those that should take
/// no others, or listen with another [`mode`](Self::mode).
///
/// To listen on `unix:` alone, or on a directory that exists (`unix:/run/greeter`), chooses a free name in it;
/// `unix:` alone is the directory of `XDG_RUNTIME_DIR`, or else that for temporary files.
///
/// * The directory of a socket must exist. The service's user may connect and nobody else (mode 0600),
///   unless the mode is another one.
/// * A socket that a program left behind which is gone is replaced. One that somebody listens on is
///   `unavailable`, and a file that is no socket is never touched.
/// * The file is removed when the listener is dropped, unless another one took its place.
/// * Only programs on this machine, with the same view of its files, reach it: one in a container needs the
///   directory mounted. A registry entry with such an address is of no use elsewhere; callers there
///   find that nobody listens, and go to other nodes.
/// * In HTTP requests the authority is `localhost`. With TLS a client has to say whom it expects, with
///   `ClientTls::server_name`, because a path is no name.
///
/// ```
/// # use micro_runtime::{Client, Environment, Service, registry::Memory, transport::Unix};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// # let service = || Service::new("greeter").environment(Environment::empty()).registry(Memory::new());
/// let running = service().address("unix:").start().await?;
/// assert!(running.address().starts_with("unix:/"));
/// let client = Client::builder().address(running.address()).build();
/// # running.stop().await?;
///
/// // The group of the service may connect as well.
/// let running = service().transport(Unix::new().mode(0o660)).start().await?;
/// # running.stop().await
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Unix {
    mode: u32,
}

impl Unix {
    /// Unix sockets that nobody but the service's user connects to.
    pub fn new() -> Self {
        Self { mode: MODE }
    }

    /// The mode of the files of sockets that are listened on; 0600 unless set. To connect takes the
    /// right to write, and the right to pass through all directories above. Only the nine bits
    /// of permissions count.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o777;
        self
    }

    fn bind(self, path: &Path) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect before it listens, so nobody gets in before this.
        let prepared = fs::set_permissions(path, Permissions::from_mode(self.mode))
            .and_then(|()| socket.listen(BACKLOG));
        match prepared {
            Ok(()) => Ok(socket),
            Err(error) => {
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }
}

impl Default for Unix {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Transport for Unix {
    fn name(&self) -> &'static str {
        "unix"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        let path = place(address)?;
        let mut bound = self.bind(&path);
        if matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            replace(address, &path).await?;
            bound = self.bind(&path);
        }
        let cannot = |error| cannot_listen(address, &path, error);
        let listener = bound.and_then(|socket| UnixListener::from_std(socket.into())).map_err(cannot)?;
        let file = identity(&fs::symlink_metadata(&path).map_err(cannot)?);
        Ok(Box::new(Listening { listener, path, file }))
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        let path = path_of(address).map_err(Error::never_processed)?;
        let mut pause = FIRST_PAUSE;
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => return Ok(Box::new(stream)),
                // The queue of the listener is full. Whoever asks for the connection waits for as long as they
                // like.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pause).await,
                Err(error) => return Err(cannot_connect(address, error)),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn any_address(&self) -> &'static str {
        SCHEME
    }
}

/// The path of an address.
fn path_of(address: &str) -> Result<&Path> {
    let path = address.strip_prefix(SCHEME).map(Path::new).filter(|path| path.is_absolute());
    path.ok_or_else(|| {
        Error::invalid_argument(format!(
            "`{address}` is not the address of a Unix socket: it is `unix:` and an absolute path, \
             `unix:/run/greeter.sock` for example"
        ))
    })
}

/// The path to listen on, chosen where the address leaves it open.
fn place(address: &str) -> Result<PathBuf> {
    let directory = if address == SCHEME {
        let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|own| own.is_dir());
        own.unwrap_or_else(std::env::temp_dir)
    } else {
        path_of(address)?.to_owned()
    };
    if !directory.is_dir() {
        return Ok(directory);
    }
    let directory =
        std::path::absolute(&directory).map_err(|error| cannot_listen(address, &directory, error))?;
    Ok(directory.join(format!("micro-{:016x}.sock", fastrand::u64(..))))
}

/// Removes the file of a socket that nobody listens on any more; an error says what else is there.
async fn replace(address: &str, path: &Path) -> Result<()> {
    let cannot = |error| cannot_listen(address, path, error);
    let Some(before) = there(path).map_err(cannot)? else { return Ok(()) };
    if !before.file_type().is_socket() {
        return Err(Error::failed_precondition(format!(
            "cannot listen on `{address}`: there is a file that is not a socket, which is left alone; choose another path"
        )));
    }
    for look in 0..2 {
        if look > 0 {
            sleep(SECOND_LOOK).await;
        }
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(cannot(error)),
            // A full queue is one that somebody has.
            _ => return Err(cannot(io::ErrorKind::AddrInUse.into())),
        }
    }
    match there(path).map_err(cannot)? {
        Some(now) if identity(&now) == identity(&before) => {
            tracing::info!(path = %path.display(), "replacing a socket that a program left behind");
            fs::remove_file(path).map_err(cannot)
        }
        Some(_) => Err(cannot(io::ErrorKind::AddrInUse.into())),
        None => Ok(()),
    }
}

fn there(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What tells a file from another one in its place. Numbers of files are used again; times are not.
type Identity = [i128; 4];

fn identity(file: &Metadata) -> Identity {
    [file.dev().into(), file.ino().into(), file.ctime().into(), file.ctime_nsec().into()]
}

/// A socket and its file.
struct Listening {
    listener: UnixListener,
    path: PathBuf,
    file: Identity,
}

#[async_trait]
impl Listener for Listening {
    fn address(&self) -> String {
        format!("{SCHEME}{}", self.path.display())
    }

    async fn accept(&mut self) -> io::Result<(BoxIo, String)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((Box::new(stream), "unix".to_owned()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let is_ours = |file: Metadata| identity(&file) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the file of a socket");
        }
    }
}

#[cold]
fn cannot_listen(address: &str, path: &Path, error: io::Error) -> Error {
    let parent = path.parent().unwrap_or(path).display();
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => ": another program listens there; choose another path".to_owned(),
        io::ErrorKind::NotFound => format!(": the directory `{parent}` does not exist; create it"),
        io::ErrorKind::NotADirectory => format!(": `{parent}` is not a directory"),
        io::ErrorKind::PermissionDenied => format!(": the user of this program may not write in `{parent}`"),
        io::ErrorKind::InvalidInput => too_long(path),
        _ => String::new(),
    };
    Error::unavailable(format!("cannot listen on `{address}` ({error}){hint}")).with_source(error)
}

#[cold]
fn cannot_connect(address: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            ": there is no such socket; is the service running, and on this machine?".to_owned()
        }
        io::ErrorKind::ConnectionRefused => ": nobody listens there any more".to_owned(),
        io::ErrorKind::PermissionDenied => {
            ": the user of this program may not; see the mode of the socket and of its directories".to_owned()
        }
        io::ErrorKind::InvalidInput => too_long(Path::new(address.strip_prefix(SCHEME).unwrap_or(address))),
        _ => String::new(),
    };
    let message = format!("cannot connect to {address} ({error}){hint}");
    Error::unavailable(message).with_source(error).never_processed()
}

#[cold]
fn too_long(path: &Path) -> String {
    let length = path.as_os_str().len();
    format!(": the path has {length} bytes, and systems take about 100 (107 on Linux), none of them zero")
}

#[cfg(test)]
mod tests {
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
}
