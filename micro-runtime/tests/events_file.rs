//! The log in a file: the kit, several processes, and processes that are killed.

#![cfg(feature = "file")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use micro_runtime::broker::Envelope;
use micro_runtime::events::conformance::{self, Promises};
use micro_runtime::events::{ConsumeOptions, EventLog, File, Start};
use micro_runtime::{Code, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Where a child of a test finds the log; it does nothing where this is not set.
const LOG: &str = "MICRO_TEST_EVENTS_FILE";

const LONG: Duration = Duration::from_secs(60);

/// The machine that the tests run on may have much else to do.
fn promises() -> Promises {
    Promises { notice: LONG, ..Promises::default() }
}

fn maker(path: &Path) -> impl Fn() -> Arc<dyn EventLog> + use<> {
    let path = path.to_owned();
    move || Arc::new(File::new(&path))
}

#[tokio::test]
async fn the_log_in_a_file_conforms() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let make = maker(&folder.path().join("log"));
    conformance::run(&make, promises()).await?;
    conformance::run_durable(&make, promises()).await
}

/// This test program again, as another process that runs one of the functions below.
fn child(function: &str, log: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args([function, "--exact", "--nocapture", "--test-threads=1"])
        .env(LOG, log)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    (child, lines)
}

/// What a child says, word by word; what the test program itself says is left out.
async fn said(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Vec<u64>> {
    loop {
        let line = timeout(LONG, lines.next_line()).await.expect("it says something").expect("it is text")?;
        // A line that was cut off has no end.
        if let Some(words) = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" .")) {
            return Some(words.split(' ').map(|word| word.parse().expect("a number")).collect());
        }
    }
}

fn say(words: &[u64]) {
    let words: Vec<_> = words.iter().map(u64::to_string).collect();
    let line = format!("\n# {} .\n", words.join(" "));
    std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
}

fn log_of_the_parent() -> Option<PathBuf> {
    std::env::var_os(LOG).map(Into::into)
}

fn body(number: u64) -> Envelope {
    Envelope::new(format!("{number}:{}", "x".repeat((number % 700) as usize)))
}

fn number(envelope: &Envelope) -> u64 {
    let text = std::str::from_utf8(&envelope.body).expect("text");
    let number = text.split(':').next().and_then(|number| number.parse().ok()).expect("a number");
    assert_eq!(*envelope, body(number), "an event that was cut off");
    number
}

/// Publishes from eight tasks until it is killed, and says what was kept where.
#[tokio::test]
async fn child_that_publishes() -> Result<()> {
    let Some(path) = log_of_the_parent() else { return Ok(()) };
    let log = &File::new(path);
    let random = fastrand::u64(..) >> 20;
    let task = |task: u64| async move {
        for index in 0..100_000 {
            let number = random + index * 8 + task;
            say(&[log.publish("orders", body(number)).await?, number]);
        }
        Ok::<_, micro_runtime::Error>(())
    };
    try_join_all((0..8).map(task)).await.map(drop)
}

#[tokio::test]
async fn every_event_that_a_killed_publisher_was_promised_is_there() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let mut promised = BTreeMap::new();
    for round in 0..50 {
        let (mut child, mut lines) = child("child_that_publishes", &path);
        for _ in 0..=fastrand::usize(0..60) {
            let words = said(&mut lines).await.expect("it goes on");
            assert_eq!(
                promised.insert(words[0], words[1]),
                None,
                "an offset was given twice, in round {round}"
            );
        }
        child.kill().await.expect("it is killed");
        while let Some(words) = said(&mut lines).await {
            assert_eq!(
                promised.insert(words[0], words[1]),
                None,
                "an offset was given twice, in round {round}"
            );
        }
    }
    let log = File::new(&path);
    let mut next = 1;
    loop {
        let events = log.read("orders", Start::Offset(next), 1000).await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            assert_eq!(event.offset, next, "an offset is left out");
            if let Some(promised) = promised.remove(&event.offset) {
                assert_eq!(number(&event.envelope), promised);
            }
            next += 1;
        }
    }
    assert_eq!(promised, BTreeMap::new(), "promised and not there");
    Ok(())
}

/// Consumes until it is killed, and says what it got before it acknowledges it.
#[tokio::test]
async fn child_that_consumes() -> Result<()> {
    let Some(path) = log_of_the_parent() else { return Ok(()) };
    let mut consumer = File::new(path).consume(ConsumeOptions::new("orders").group("invoices")).await?;
    while let Some(delivery) = consumer.next().await {
        say(&[number(&delivery.envelope), u64::from(delivery.attempts_before)]);
        delivery.ack().await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_event_comes_to_a_group_whose_members_are_killed_and_what_comes_again_says_so() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = File::new(&path);
    let options = ConsumeOptions::new("orders").group("invoices").start(Start::Oldest);
    drop(log.consume(options.clone()).await?);
    log.publish_all("orders", (0..2000).map(body).collect()).await?;
    let mut seen = BTreeSet::new();
    let mut again = 0;
    let mut see = |number: u64, attempts_before: u64| {
        let is_new = seen.insert(number);
        assert!(is_new || attempts_before > 0, "{number} came again and does not say so");
        again += usize::from(!is_new);
    };
    for _ in 0..10 {
        let (mut child, mut lines) = child("child_that_consumes", &path);
        for _ in 0..fastrand::usize(1..100) {
            let words = said(&mut lines).await.expect("it goes on");
            see(words[0], words[1]);
        }
        child.kill().await.expect("it is killed");
        while let Some(words) = said(&mut lines).await {
            see(words[0], words[1]);
        }
    }
    let mut consumer = log.consume(options).await?;
    while log.groups("orders").await?[0].lag > 0 {
        if let Ok(delivery) = timeout(Duration::from_secs(1), consumer.next()).await {
            let delivery = delivery.expect("it goes on");
            see(number(&delivery.envelope), u64::from(delivery.attempts_before));
            delivery.ack().await?;
        }
    }
    assert_eq!(seen, (0..2000).collect());
    assert!(again < 1000, "{again} of 2000 events came again");
    Ok(())
}

#[tokio::test]
async fn two_processes_write_and_read_one_log() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = File::new(&path);
    let mut consumer = log.consume(ConsumeOptions::new("orders")).await?;
    let (mut child, mut lines) = child("child_that_publishes", &path);
    let mut expected = BTreeMap::new();
    for index in 0..100 {
        let ours = u64::MAX - index;
        expected.insert(log.publish("orders", body(ours)).await?, ours);
        let theirs = said(&mut lines).await.expect("it goes on");
        expected.insert(theirs[0], theirs[1]);
    }
    child.kill().await.expect("it is killed");
    assert_eq!(expected.len(), 200);
    while let Some((offset, _)) = expected.first_key_value() {
        let delivery = timeout(LONG, consumer.next()).await.expect("in time").expect("it goes on");
        let at = delivery.position.expect("it has one").offset;
        assert!(at <= *offset, "{offset} was left out");
        if let Some(expected) = expected.remove(&at) {
            assert_eq!(number(&delivery.envelope), expected);
        }
        delivery.ack().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_group_goes_to_another_process_when_the_one_that_has_it_is_killed() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = File::new(&path);
    log.publish("orders", body(0)).await?;
    let options = ConsumeOptions::new("orders").group("invoices").start(Start::Oldest);
    drop(log.consume(options.clone()).await?);
    let (mut child, mut lines) = child("child_that_consumes", &path);
    assert_eq!(said(&mut lines).await, Some(vec![0, 0]));
    let mut standby = log.consume(options).await?;
    log.publish("orders", body(1)).await?;
    assert_eq!(said(&mut lines).await, Some(vec![1, 0]));
    child.kill().await.expect("it is killed");
    log.publish("orders", body(2)).await?;
    loop {
        let delivery = timeout(LONG, standby.next()).await.expect("in time").expect("it goes on");
        let number = number(&delivery.envelope);
        assert!(number == 2 || delivery.attempts_before > 0, "{number} came again and does not say so");
        delivery.ack().await?;
        if number == 2 {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_file_that_is_something_else_is_an_error_and_stays_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    for content in [b"Dear diary".to_vec(), vec![0; 100_000], vec![b'x'; 100_000]] {
        std::fs::write(&path, &content).expect("it is written");
        let error = File::new(&path).publish("orders", body(1)).await.expect_err("it is no log");
        assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
        for part in ["notes.txt", "no file of events"] {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(std::fs::read(&path).expect("it is there") == content, "it was changed");
    }
    // A database of the same library, with other tables.
    let path = folder.path().join("other");
    let database = redb::Database::create(&path).expect("it is made");
    let writing = database.begin_write().expect("it begins");
    writing.open_table(redb::TableDefinition::<u64, u64>::new("theirs")).expect("it is made");
    writing.commit().expect("it is written");
    let error = File::new(&path).publish("orders", body(1)).await.expect_err("somebody has it");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("for itself"), "{error}");
    drop(database);
    let error = File::new(&path).publish("orders", body(1)).await.expect_err("it is no log");
    assert!(error.message().contains("no file of events"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_stays_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = File::new(&path);
    log.publish_all("orders", (0..200).map(body).collect()).await?;
    log.close().await?;
    let good = std::fs::read(&path).expect("it is there");
    let mut refused = 0;
    for _ in 0..40 {
        let mut bad = good.clone();
        for _ in 0..20 {
            let place = fastrand::usize(..bad.len());
            bad[place] ^= fastrand::u8(1..);
        }
        std::fs::write(&path, &bad).expect("it is written");
        match File::new(&path).read("orders", Start::Oldest, 1000).await {
            // Nothing that was hit is in use.
            Ok(events) => assert_eq!(events.iter().map(|event| number(&event.envelope)).max(), Some(199)),
            Err(error) => {
                refused += 1;
                assert!(matches!(error.code(), Code::DataLoss | Code::FailedPrecondition), "{error}");
                assert!(error.message().contains("log"), "{error}");
                assert!(std::fs::read(&path).expect("it is there") == bad, "it was changed: {error}");
            }
        }
    }
    assert!(refused > 20, "{refused} of 40 damaged files were refused");
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let error = File::new(file.join("log")).publish("orders", body(1)).await.expect_err("there is no folder");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("file/log"), "{error}");
}
