//! Generates what is in `proto/`.

fn main() -> micro_build::Result<()> {
    micro_build::compile(&["proto/testing.proto", "proto/orca.proto", "proto/failures.proto"], &["proto"])
}
