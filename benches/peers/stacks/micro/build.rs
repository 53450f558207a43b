//! The messages and the contract that micro generates.

fn main() -> micro_build::Result<()> {
    let payload = ["peers.v1.Note.payload"];
    micro_build::configure().bytes(&payload).compile(&["../../proto/bench.proto"], &["../../proto"])
}
