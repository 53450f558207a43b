//! The messages, client and server that volo generates.

fn main() {
    println!("cargo::rerun-if-changed=bench.thrift");
    if let Err(error) = volo_build::Builder::thrift().add_service("bench.thrift").write() {
        println!("cargo::error=volo does not read the contract: {error}");
    }
}
