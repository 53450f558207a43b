//! The messages and the contract.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["../proto/greeter.proto"], &["../proto"])
}
