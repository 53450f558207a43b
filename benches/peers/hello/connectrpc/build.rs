//! The messages, client and server.

use std::path::Path;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../proto/greeter.proto");
    let descriptors = Path::new(&std::env::var("OUT_DIR")?).join("greeter.bin");
    std::fs::write(&descriptors, protox::compile(["greeter.proto"], ["../proto"])?.encode_to_vec())?;
    connectrpc_build::Config::new()
        .files(&["greeter.proto"])
        .descriptor_set(descriptors)
        .include_file("_connectrpc.rs")
        .compile()?;
    Ok(())
}
