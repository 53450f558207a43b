//! Turns the contract into messages and a trait.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["proto/library.proto"], &["proto"])
}
