//! Turns `proto/greeter.proto` into messages and a contract. No `protoc` is needed.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["proto/greeter.proto"], &["proto"])
}
