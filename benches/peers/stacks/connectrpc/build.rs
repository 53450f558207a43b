//! The messages, client and server that connectrpc generates.

use std::path::Path;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/bench.proto");
    let out = std::env::var("OUT_DIR")?;
    let descriptors = Path::new(&out).join("bench.bin");
    std::fs::write(&descriptors, protox::compile(["bench.proto"], ["../../proto"])?.encode_to_vec())?;
    connectrpc_build::Config::new()
        .files(&["bench.proto"])
        .descriptor_set(descriptors)
        .include_file("_connectrpc.rs")
        .compile()?;
    Ok(())
}
