//! The messages, client and server that volo generates.

fn main() {
    println!("cargo::rerun-if-changed=../../proto/bench.proto");
    let built = volo_build::Builder::protobuf()
        .include_dirs(vec!["../../proto".into()])
        .add_service("../../proto/bench.proto")
        .write();
    if let Err(error) = built {
        println!("cargo::error=volo does not read the contract: {error}");
    }
}
