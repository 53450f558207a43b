//! One run: a server, a client, and what the client says.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use load::{Outcome, Workload};

use crate::Result;
use crate::catalog::Stack;

/// How long a server may take until it says where it listens.
const START: Duration = Duration::from_secs(10);

/// How long a client may take beyond the time that it measures.
const CLIENT: Duration = Duration::from_secs(40);

/// Puts the workload on the stack in two new processes.
pub(crate) fn run(stack: &Stack, program: &Path, workload: Workload, times: (f64, f64)) -> Result<Outcome> {
    run_variant(stack, stack.variant, program, workload, times)
}

/// The same with another variant than that of the stack.
pub(crate) fn run_variant(
    stack: &Stack,
    variant: &str,
    program: &Path,
    workload: Workload,
    (warm_up, measure): (f64, f64),
) -> Result<Outcome> {
    let server = Server::start(program, variant)?;
    let mut client = Command::new(program);
    client.arg("client").arg(&server.address).arg(workload.to_string());
    client.arg("--warm-up").arg(warm_up.to_string()).arg("--measure").arg(measure.to_string());
    client.arg("--server-pid").arg(server.process.id().to_string());
    if !variant.is_empty() {
        client.arg("--variant").arg(variant);
    }
    if stack.per_core {
        client.arg("--per-core");
    }
    client.envs(stack.environment.iter().copied());
    let limit = Duration::from_secs_f64(warm_up + measure) + CLIENT;
    let line = output_of(&mut client, limit)?;
    Ok(serde_json::from_str(&line)
        .map_err(|error| format!("the client printed `{}`, which is no outcome: {error}", line.trim()))?)
}

/// A server that runs until it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(program: &Path, variant: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !variant.is_empty() {
            command.arg("--variant").arg(variant);
        }
        // It is stopped from here on, whatever happens.
        let mut server = Self { process: spawn(&mut command)?, address: String::new() };
        let errors = read_all(server.process.stderr.take());
        let (line, first_line) = channel();
        if let Some(stdout) = server.process.stdout.take() {
            thread::spawn(move || {
                let mut address = String::new();
                // An end without a line is told by the empty line.
                let _ = BufReader::new(stdout).read_line(&mut address);
                let _ = line.send(address);
            });
        }
        server.address = first_line.recv_timeout(START).unwrap_or_default().trim().to_owned();
        if server.address.is_empty() {
            server.stop(Duration::ZERO);
            return Err(format!("the server does not start: {}", last_line(&errors())).into());
        }
        Ok(server)
    }

    /// Ends its input, and itself if that does not help.
    fn stop(&mut self, patience: Duration) {
        drop(self.process.stdin.take());
        if !matches!(wait(&mut self.process, patience), Ok(true)) {
            // It may have ended by itself in between, which is as well.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(2));
    }
}

/// What a program prints, if it succeeds within that time.
pub(crate) fn output_of(command: &mut Command, limit: Duration) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = spawn(command)?;
    let (output, errors) = (read_all(process.stdout.take()), read_all(process.stderr.take()));
    if !wait(&mut process, limit)? {
        process.kill()?;
        process.wait()?;
        return Err(format!("it did not end within {} s", limit.as_secs()).into());
    }
    if process.wait()?.success() { Ok(output()) } else { Err(last_line(&errors()).into()) }
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        format!("`{program}` cannot be started: {error}; is it built? leave `--no-build` away").into()
    })
}

/// Whether it ended within that time.
fn wait(process: &mut Child, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    loop {
        if process.try_wait()?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        // There is no way to wait for a process and a time in the standard library.
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads in the background, so that the program never waits for its reader.
fn read_all(from: Option<impl Read + Send + 'static>) -> impl FnOnce() -> String {
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut from) = from {
            // What was read before an error is what there is.
            let _ = from.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    move || reader.join().unwrap_or_default()
}

/// The line that says most: the last one.
fn last_line(text: &str) -> String {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo last >&2; exit 3"]);
        assert_eq!(output_of(&mut command, START).unwrap_err().to_string(), "last");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut command = Command::new("sh");
        command.args(["-c", "exec sleep 60"]);
        let error = output_of(&mut command, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_by_its_name() {
        let error = output_of(&mut Command::new("/nowhere/stack-x"), START).unwrap_err().to_string();
        assert!(error.contains("`stack-x` cannot be started") && error.contains("built"), "{error}");
    }
}
