//! Runs targets without coverage: on the inputs to begin with, on files, and on changed inputs for a
//! while.

use std::env::args;
use std::fs;
use std::io::{self, Write as _};
use std::panic;
use std::path::Path;
use std::process::{ExitCode, abort};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use micro_fuzz::{TARGETS, TOKENS, Target, seeds};

const USAGE: &str =
    "usage: micro-fuzz run SECONDS [TARGET...]   inputs to begin with, then changed ones, so long in all
       micro-fuzz run 5000x [TARGET...]      the same with so many changed ones for each target
       micro-fuzz replay TARGET FILE...      the inputs in these files
       micro-fuzz seeds FOLDER               writes the inputs to begin with, and a dictionary

MICRO_FUZZ_SEED=NUMBER repeats the changes of a run.";

/// How long one input may take by the clock on the wall.
const SLOW: Duration = Duration::from_secs(30);

/// The largest input that is made.
const LARGEST: usize = 4096;

/// What runs now, for whoever has to say what went wrong.
static CURRENT: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));

/// Counts inputs, so that one that hangs is noticed.
static COUNT: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments: Vec<_> = args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    // A panic that somebody catches is one all the same.
    let printed = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        printed(panic);
        tell();
        abort();
    }));
    thread::spawn(watch);
    let done = match arguments[..] {
        ["run", seconds, ref names @ ..] => run(seconds, names),
        ["replay", name, ref files @ ..] if !files.is_empty() => replay(name, files),
        ["seeds", folder] => write_seeds(Path::new(folder)),
        _ => Err(io::Error::other(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(seconds: &str, names: &[&str]) -> io::Result<()> {
    let wrong = || io::Error::other(USAGE);
    let most = seconds.strip_suffix('x').map(str::parse).transpose().map_err(|_| wrong())?;
    let seconds: f64 = if most.is_some() { 0.0 } else { seconds.parse().map_err(|_| wrong())? };
    let targets = match names {
        [] => TARGETS.to_vec(),
        names => names.iter().map(|name| find(name)).collect::<io::Result<_>>()?,
    };
    let seed = std::env::var("MICRO_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    println!("MICRO_FUZZ_SEED={seed}");
    let share = Duration::from_secs_f64(seconds.max(0.0) / targets.len() as f64);
    for target in targets {
        let start = Instant::now();
        let mut inputs = seeds(target.0);
        inputs.extend(found(target.0)?);
        for input in &inputs {
            one(target, input);
        }
        let (begun, mut changed, mut random) = (start.elapsed(), 0_u64, Rng::with_seed(seed));
        while most.map_or_else(|| start.elapsed() < share, |most| changed < most) {
            one(target, &change(&inputs, &mut random));
            changed += 1;
        }
        println!(
            "{:<10}  {} inputs to begin with in {begun:.1?}, {changed} changed ones, {:.1?} in all",
            target.0,
            inputs.len(),
            start.elapsed()
        );
    }
    Ok(())
}

fn replay(name: &str, files: &[&str]) -> io::Result<()> {
    let target = find(name)?;
    for file in files {
        one(target, &fs::read(file)?);
        println!("{file}: nothing is wrong");
    }
    Ok(())
}

fn write_seeds(folder: &Path) -> io::Result<()> {
    for (name, _) in TARGETS {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
        for (number, input) in found(name)?.iter().enumerate() {
            fs::write(folder.join(format!("found-{number:04}")), input)?;
        }
    }
    let mut dictionary = fs::File::create(folder.join("dictionary"))?;
    for token in TOKENS {
        let bytes = token.bytes().map(|byte| format!("\\x{byte:02x}"));
        writeln!(dictionary, "\"{}\"", bytes.collect::<String>())?;
    }
    Ok(())
}

/// What a target has found once: it stays fixed.
fn found(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(target);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    files.iter().map(|file| fs::read(file.path())).collect()
}

fn find(name: &str) -> io::Result<Target> {
    let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| io::Error::other(format!("`{name}` is not a target; known: {}", known.join(", "))))
}

fn one((name, target): Target, input: &[u8]) {
    if let Ok(mut current) = CURRENT.lock() {
        current.0 = name;
        current.1.clear();
        current.1.extend_from_slice(input);
    }
    target(input);
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// An input that is like one of these, or like two.
fn change(inputs: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let any = |random: &mut Rng| match inputs {
        [] => Vec::new(),
        inputs => inputs[random.usize(..inputs.len())].clone(),
    };
    let mut input = any(random);
    for _ in 0..1 + random.usize(..4) {
        let at = random.usize(..=input.len());
        match random.u8(..8) {
            0 => input.insert(at, random.u8(..)),
            1 => drop(input.drain(at..(at + random.usize(..8)).min(input.len()))),
            2 => drop(input.splice(at..at, random.choice(TOKENS).copied().unwrap_or_default().bytes())),
            3 => {
                let other = any(random);
                let from = random.usize(..=other.len());
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            4 => {
                let again = input[at..(at + random.usize(..64)).min(input.len())].to_vec();
                drop(input.splice(at..at, again));
            }
            5 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = *random.choice(&[0, 1, 2, 0x7f, 0x80, 0xff]).unwrap_or(&0);
                }
            }
            6 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.u8(..);
                }
            }
        }
        input.truncate(LARGEST);
    }
    input
}

/// Notices an input that does not come to its end.
fn watch() {
    loop {
        let before = COUNT.load(Ordering::Relaxed);
        thread::sleep(SLOW);
        if COUNT.load(Ordering::Relaxed) == before {
            eprintln!("an input takes longer than {SLOW:?}");
            tell();
            abort();
        }
    }
}

/// Says what runs now, and keeps it.
fn tell() {
    // Whoever holds the lock is the one that stopped.
    let Ok(current) = CURRENT.try_lock() else { return };
    let (name, input) = (current.0, &current.1);
    let file = format!("{name}-{:016x}", fastrand::u64(..));
    eprintln!("with the input b\"{}\"", input.escape_ascii());
    match fs::write(&file, input) {
        Ok(()) => eprintln!("which is in the file {file}: micro-fuzz replay {name} {file}"),
        Err(error) => eprintln!("which could not be kept: {error}"),
    }
}
