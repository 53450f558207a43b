//! The messages, client and server.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../proto/greeter.proto");
    Ok(tonic_prost_build::configure().compile_fds(protox::compile(["greeter.proto"], ["../proto"])?)?)
}
