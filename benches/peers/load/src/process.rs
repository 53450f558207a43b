//! Processor time and memory of processes, as the kernel counts them.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{SockaddrIn, getpeername};
use nix::time::clock_gettime;
use nix::unistd::Pid;

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What it has now.
    pub now: u64,
    /// The most it has had.
    pub peak: u64,
}

/// The processor time of this process so far, or of another one, in seconds.
pub fn cpu_seconds(pid: Option<u32>) -> Option<f64> {
    let Some(pid) = pid else {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        return Some(seconds(usage.user_time()) + seconds(usage.system_time()));
    };
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    Some(Duration::from(clock_gettime(clock).ok()?).as_secs_f64())
}

/// The memory of this process, or of another one. Nothing where the system has no `/proc`.
pub fn memory(pid: Option<u32>) -> Option<Memory> {
    let path = pid.map_or_else(|| "/proc/self/status".to_owned(), |pid| format!("/proc/{pid}/status"));
    parse_memory(&fs::read_to_string(path).ok()?)
}

/// How many sockets of this process lead to that server.
///
/// Each one is asked: the tables of the kernel skip lines while connections come and go.
pub(crate) fn connections_to(server: SocketAddr) -> Option<usize> {
    let open = fs::read_dir("/proc/self/fd").ok()?;
    let descriptors = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // What is no socket, or not connected, has no peer.
    let peers = descriptors.filter_map(|descriptor| getpeername::<SockaddrIn>(descriptor).ok());
    Some(peers.filter(|peer| peer.port() == server.port()).count())
}

fn parse_memory(status: &str) -> Option<Memory> {
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { now: kilobytes("VmRSS")?, peak: kilobytes("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_lines_that_have_it() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse_memory(status), Some(Memory { now: 1 << 20, peak: 2 << 20 }));
        assert_eq!(parse_memory("Name:\tx\n"), None);
        assert_eq!(parse_memory("VmHWM:\t1 mB\nVmRSS:\t1 kB\n"), None);
    }

    #[test]
    fn connections_to_a_server_are_those_that_are_open() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connections_to(address), Some(0));
        let both = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
        assert_eq!(connections_to(address), Some(2));
        drop(both);
        assert_eq!(connections_to(address), Some(0));
    }

    #[test]
    fn a_process_knows_its_own_processor_time_as_others_do() {
        let own = cpu_seconds(None).unwrap();
        let seen = cpu_seconds(Some(std::process::id())).unwrap();
        assert!(seen >= own * 0.9, "{own} {seen}");
        assert!(memory(None).unwrap().peak > 0);
    }
}
