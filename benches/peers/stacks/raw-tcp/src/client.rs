//! Two tasks for each connection, so that neither side waits for the other to read: one reads and wakes
//! those whose answers came, the other writes what callers have left for it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::future::try_join;
use load::{Kept, Result, Turns};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::frame::{BATCH, Kind, Note, Wish, put, take};

/// A connection; the tasks end when it is dropped.
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    written: Notify,
}

#[derive(Default)]
struct State {
    out: BytesMut,
    calls: Vec<Call>,
    free: Vec<u32>,
    broken: bool,
    dropped: bool,
}

/// A call in flight, or a place for one.
#[derive(Default)]
struct Call {
    arrived: VecDeque<Option<Note>>,
    caller: Option<Waker>,
}

pub(crate) async fn connect(address: SocketAddr) -> Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let shared = Arc::new(Shared { state: Mutex::default(), written: Notify::new() });
    tokio::spawn(write(writer, shared.clone()));
    let reading = shared.clone();
    tokio::spawn(async move {
        if let Err(error) = read(reader, &reading).await {
            eprintln!("raw-tcp: the connection broke: {error}");
        }
        let mut state = reading.lock();
        state.broken = true;
        state.calls.iter_mut().filter_map(|call| call.caller.take()).for_each(Waker::wake);
    });
    Ok(Connection { shared })
}

async fn write(mut writer: OwnedWriteHalf, shared: Arc<Shared>) {
    let mut taken = BytesMut::new();
    loop {
        shared.written.notified().await;
        // Those who were woken with the caller that wrote first write before the system is called.
        tokio::task::yield_now().await;
        {
            let mut state = shared.lock();
            std::mem::swap(&mut state.out, &mut taken);
            if state.broken || (state.dropped && taken.is_empty()) {
                return;
            }
        }
        if writer.write_all(&taken).await.is_err() {
            return;
        }
        taken.clear();
    }
}

async fn read(mut reader: OwnedReadHalf, shared: &Shared) -> Result<()> {
    let (mut received, mut notes) = (BytesMut::new(), Vec::new());
    let mut woken = Vec::new();
    loop {
        received.reserve(BATCH / 4);
        if reader.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let note = |id, kind, message: &[u8]| {
            Ok((id, if kind == Kind::End { None } else { Some(Note::decode(message)?) }))
        };
        while let Some(arrived) = take(&mut received, note)? {
            notes.push(arrived);
        }
        let mut state = shared.lock();
        for (id, note) in notes.drain(..) {
            let call = state.calls.get_mut(id as usize).ok_or("an answer to a call that there never was")?;
            call.arrived.push_back(note);
            woken.extend(call.caller.take());
        }
        drop(state);
        woken.drain(..).for_each(Waker::wake);
    }
}

impl Connection {
    /// A number for a call. It is given back by `end` alone: no call of the benchmark is broken off.
    fn begin(&self, kind: Kind, message: &impl prost::Message) -> Result<u32> {
        let mut state = self.shared.lock();
        let id = match state.free.pop() {
            Some(id) => id,
            None => {
                state.calls.push(Call::default());
                u32::try_from(state.calls.len() - 1)?
            }
        };
        drop(state);
        self.send(id, kind, message)?;
        Ok(id)
    }

    fn send(&self, id: u32, kind: Kind, message: &impl prost::Message) -> Result<()> {
        let mut state = self.shared.lock();
        let first = state.out.is_empty();
        put(&mut state.out, id, kind, message)?;
        drop(state);
        if first {
            self.shared.written.notify_one();
        }
        Ok(())
    }

    fn end(&self, id: u32) {
        self.shared.lock().free.push(id);
    }

    /// The next message of this call; `None` is the end of its stream.
    async fn next(&self, id: u32) -> Result<Option<Note>> {
        poll_fn(|context| {
            let mut state = self.shared.lock();
            let broken = state.broken;
            let Some(call) = state.calls.get_mut(id as usize) else {
                return Poll::Ready(Err("there is no such call".into()));
            };
            match call.arrived.pop_front() {
                Some(note) => Poll::Ready(Ok(note)),
                None if broken => Poll::Ready(Err("the connection broke".into())),
                None => {
                    call.caller = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let id = self.begin(Kind::Note, &Note { name: name.to_owned(), payload: payload.to_vec() })?;
        let note = self.next(id).await?.ok_or("the answer is an end")?;
        self.end(id);
        Ok(note.payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let id = self.begin(Kind::Wish, &Wish { count, size })?;
        while let Some(note) = self.next(id).await? {
            each(note.payload.len());
        }
        self.end(id);
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], turns: Turns) -> Result<()> {
        let note = || Note { name: name.to_owned(), payload: payload.to_vec() };
        let mut sent = pin!(turns.clone());
        let Some(()) = sent.next().await else { return Ok(()) };
        let id = self.begin(Kind::Note, &note())?;
        let send = async {
            while let Some(()) = sent.next().await {
                self.send(id, Kind::Note, &note())?;
            }
            self.send(id, Kind::End, &Note::default())
        };
        let receive = async {
            while let Some(note) = self.next(id).await? {
                turns.back(note.payload.len());
            }
            self.end(id);
            Ok(())
        };
        try_join(send, receive).await?;
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        let id = self.begin(Kind::Note, &Note { name: name.to_owned(), payload: payload.to_vec() })?;
        self.next(id).await?;
        Ok(Box::new(()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.lock().dropped = true;
        self.shared.written.notify_one();
    }
}
