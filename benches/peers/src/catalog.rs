//! The stacks: what they are called, and how they are run.

use std::fmt::Write as _;

use load::{Kind, Workload};

use crate::plan;

/// One line of the report: a program with the settings it is run with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    /// What it is, for the report.
    pub(crate) about: &'static str,
    pub(crate) program: Program,
    /// What both halves are given as `--variant`.
    pub(crate) variant: &'static str,
    /// The environment of the client.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The client has one runtime per core as well.
    pub(crate) per_core: bool,
    pub(crate) streams: bool,
    /// Calls share connections, so that their number can be chosen.
    pub(crate) multiplexed: bool,
}

/// What is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A member of this workspace.
    Rust(&'static str),
    /// A folder of the Go module.
    Go(&'static str),
}

const RUST: Stack = Stack {
    name: "",
    about: "",
    program: Program::Rust(""),
    variant: "",
    environment: &[],
    per_core: false,
    streams: true,
    multiplexed: true,
};

/// Each call has a connection for itself.
const PER_CALL: Stack = Stack { streams: false, multiplexed: false, ..RUST };

const MICRO: Stack = Stack { program: Program::Rust("stack-micro"), ..RUST };

/// All of them, in the order in which they are run.
pub(crate) const STACKS: &[Stack] = &[
    Stack {
        name: "raw-tcp",
        about: "the floor: length-prefixed protobuf on TCP, many messages to a write, no task per call",
        program: Program::Rust("stack-raw-tcp"),
        ..RUST
    },
    Stack {
        name: "micro-native",
        about: "micro, its own wire between its own nodes",
        environment: &[("MICRO_PROTOCOL", "native")],
        ..MICRO
    },
    Stack { name: "micro-grpc", about: "micro, gRPC", variant: "grpc", ..MICRO },
    Stack {
        name: "micro-grpc-per-core",
        about: "micro, gRPC with one runtime per core on both sides",
        variant: "grpc-per-core",
        per_core: true,
        ..MICRO
    },
    Stack {
        name: "micro-connect",
        about: "micro, Connect over HTTP/2 with protobuf",
        variant: "connect",
        ..MICRO
    },
    Stack {
        name: "micro-json-http1",
        about: "micro, Connect over HTTP/1.1 with JSON",
        variant: "json-http1",
        streams: false,
        multiplexed: false,
        ..MICRO
    },
    Stack {
        name: "hyper-h2",
        about: "bare hyper over HTTP/2: gRPC's framing and nothing else of it",
        program: Program::Rust("stack-hyper-h2"),
        ..RUST
    },
    Stack {
        name: "hyper-h1",
        about: "bare hyper over HTTP/1.1 with serde_json",
        program: Program::Rust("stack-hyper-h1"),
        ..PER_CALL
    },
    Stack {
        name: "tonic",
        about: "gRPC, as its documentation sets it up",
        program: Program::Rust("stack-tonic"),
        ..RUST
    },
    Stack {
        name: "connectrpc-grpc",
        about: "connectrpc, gRPC over HTTP/2",
        program: Program::Rust("stack-connectrpc"),
        variant: "grpc",
        ..RUST
    },
    Stack {
        name: "connectrpc-connect",
        about: "connectrpc, Connect over HTTP/2 with protobuf",
        program: Program::Rust("stack-connectrpc"),
        variant: "connect",
        ..RUST
    },
    Stack {
        name: "volo-grpc",
        about: "gRPC, as its documentation sets it up",
        program: Program::Rust("stack-volo-grpc"),
        ..RUST
    },
    Stack {
        name: "volo-thrift",
        about: "thrift, with its pool of connections",
        program: Program::Rust("stack-volo-thrift"),
        ..PER_CALL
    },
    Stack {
        name: "tarpc",
        about: "bincode over TCP, as its documentation sets it up",
        program: Program::Rust("stack-tarpc"),
        streams: false,
        ..RUST
    },
    Stack {
        name: "axum",
        about: "JSON over HTTP/1.1; the client is that of hyper-h1",
        program: Program::Rust("stack-axum"),
        ..PER_CALL
    },
    Stack { name: "grpc-go", about: "gRPC in Go", program: Program::Go("grpc-go"), ..RUST },
    Stack {
        name: "go-micro-rpc",
        about: "go-micro in Go, its own RPC, which is its default",
        program: Program::Go("go-micro"),
        variant: "rpc",
        ..PER_CALL
    },
    Stack {
        name: "go-micro-grpc",
        about: "go-micro in Go, its gRPC plugin",
        program: Program::Go("go-micro"),
        variant: "grpc",
        multiplexed: false,
        ..RUST
    },
];

/// The stack of this name.
pub(crate) fn find(name: &str) -> Result<&'static Stack, String> {
    STACKS.iter().find(|stack| stack.name == name).ok_or_else(|| {
        let known: Vec<_> = STACKS.iter().map(|stack| stack.name).collect();
        format!("`{name}` is not a stack; known: {}", known.join(", "))
    })
}

impl Stack {
    /// Whether it can be put to this workload, and if not, why.
    pub(crate) fn refuses(&self, workload: Workload) -> Option<&'static str> {
        if workload.kind.is_streaming() && !self.streams {
            return Some("it has no streams");
        }
        if workload.connections > 1 && !self.multiplexed {
            return Some("it has a connection for every call in flight");
        }
        if workload.kind == Kind::IdleConnections && !self.multiplexed {
            return Some("its pool opens connections as it likes");
        }
        None
    }
}

/// What there is, for people.
pub(crate) fn list() -> String {
    let mut list = "Stacks\n".to_owned();
    // Writing to a string does not fail.
    for stack in STACKS {
        let _ = writeln!(list, "  {:<22} {}", stack.name, stack.about);
    }
    let _ = writeln!(list, "Workloads; those with * are the quick ones");
    let quick = plan::workloads(true);
    for workload in plan::workloads(false) {
        let star = if quick.contains(&workload) { "*" } else { " " };
        let _ = writeln!(list, "{star} {workload}");
    }
    list
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_stack_has_a_name_of_its_own() {
        let names: HashSet<_> = STACKS.iter().map(|stack| stack.name).collect();
        assert_eq!(names.len(), STACKS.len());
        for name in names {
            assert_eq!(find(name).unwrap().name, name);
        }
    }

    #[test]
    fn the_list_has_all() {
        let list = list();
        assert!(list.contains("micro-native") && list.contains("unary-0-64-4c"), "{list}");
    }
}
