//! Compiles the messages that hold everything that proto3 has, which are those of the tests.

fn main() -> micro_build::Result<()> {
    micro_build::configure()
        // So that a message has one encoding, which can be compared.
        .btree_map(&["."])
        .compile(&["../tests/proto/proto/conformance/everything.proto"], &["../tests/proto/proto"])
}
