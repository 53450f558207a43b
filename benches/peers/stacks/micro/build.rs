//! The messages and the contract that micro generates.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["../../proto/bench.proto"], &["../../proto"])
}
