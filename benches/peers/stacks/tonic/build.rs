//! The messages, client and server that tonic generates.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/bench.proto");
    let files = protox::compile(["bench.proto"], ["../../proto"])?;
    Ok(tonic_prost_build::configure().bytes(".peers.v1.Note.payload").compile_fds(files)?)
}
