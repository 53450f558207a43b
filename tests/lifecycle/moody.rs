//! A registry that counts what it is told, and that can be down, hang, panic, and lose all that it knows.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use micro::registry::{Memory, Registration, Registry, ServiceRecord, Watch};
use micro::{Environment, Error, Result, Service, transport};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(super) enum Mood {
    Well,
    Down,
    Hangs,
    Panics,
    /// Registers, and says that it failed.
    LosesAnswers,
}

const MOODS: [Mood; 5] = [Mood::Well, Mood::Down, Mood::Hangs, Mood::Panics, Mood::LosesAnswers];

#[derive(Clone, Debug)]
pub(super) struct Moody {
    memory: Arc<Mutex<Memory>>,
    mood: Arc<AtomicU8>,
    /// Ends all watches when it changes.
    breaks: Arc<watch::Sender<u32>>,
    pub(super) registrations: Arc<AtomicUsize>,
    pub(super) deregistrations: Arc<AtomicUsize>,
    pub(super) watches: Arc<AtomicUsize>,
    /// It cannot lose nodes.
    pub(super) keeps: Arc<AtomicBool>,
}

impl Default for Moody {
    fn default() -> Self {
        Self {
            memory: Arc::default(),
            mood: Arc::default(),
            breaks: Arc::new(watch::Sender::new(0)),
            registrations: Arc::default(),
            deregistrations: Arc::default(),
            watches: Arc::default(),
            keeps: Arc::default(),
        }
    }
}

impl Moody {
    pub(super) fn service(&self, name: &str) -> Service {
        Service::new(name)
            .environment(Environment::empty())
            .registry(self.clone())
            .transport(transport::Memory::new())
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
        if mood != Mood::Well {
            self.breaks.send_modify(|breaks| *breaks += 1);
        }
    }

    /// It knows nothing any more, and goes on.
    pub(super) async fn forget(&self) {
        let memory = self.memory();
        for record in memory.services().await.unwrap() {
            for registration in Registration::from_record(record) {
                memory.deregister(&registration).await.unwrap();
            }
        }
    }

    /// It was stopped, and starts with nothing.
    pub(super) fn restart_empty(&self) {
        *self.memory.lock().unwrap() = Memory::new();
        self.set(Mood::Well);
    }

    pub(super) async fn nodes(&self) -> Vec<Registration> {
        let records = self.memory().services().await.unwrap();
        records.into_iter().flat_map(Registration::from_record).collect()
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        (self.registrations.load(Ordering::SeqCst), self.deregistrations.load(Ordering::SeqCst))
    }

    fn memory(&self) -> Memory {
        self.memory.lock().unwrap().clone()
    }

    async fn answer(&self) -> Result<()> {
        match MOODS[usize::from(self.mood.load(Ordering::SeqCst))] {
            Mood::Well | Mood::LosesAnswers => Ok(()),
            Mood::Down => Err(Error::unavailable("the registry is down")),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("a bug in a driver"),
        }
    }
}

#[async_trait]
impl Registry for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn forgets(&self) -> bool {
        !self.keeps.load(Ordering::SeqCst)
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        self.registrations.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        self.memory().register(registration, ttl).await?;
        if self.mood.load(Ordering::SeqCst) == Mood::LosesAnswers as u8 {
            return Err(Error::unavailable("the connection was lost before the answer"));
        }
        Ok(())
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        self.deregistrations.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        self.memory().deregister(registration).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        self.watches.fetch_add(1, Ordering::SeqCst);
        let mut breaks = self.breaks.subscribe();
        if MOODS[usize::from(self.mood.load(Ordering::SeqCst))] != Mood::Well {
            return Err(Error::unavailable("the registry is down"));
        }
        let changes = self.memory().watch(service).await?;
        Ok(changes.take_until(async move { breaks.changed().await }).boxed())
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        self.memory().services().await
    }
}
