//! The messages and the contract of `proto/say.proto`.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["proto/say.proto"], &["proto"])
}
