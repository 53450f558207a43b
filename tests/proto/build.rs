//! Generates everything in `proto/`.

fn main() -> micro_build::Result<()> {
    micro_build::configure()
        .descriptor_set("descriptors.bin")
        .bytes(&["conformance.v1.Shared.bytes"])
        .btree_map(&["conformance.v1.Maps"])
        .type_attribute("single.v1", "#[derive(PartialOrd)]")
        .compile(
            &[
                "proto/anything.proto",
                "proto/conformance/everything.proto",
                "proto/conformance/legacy.proto",
                "proto/contract.proto",
                "proto/shop/shop.proto",
                "proto/single.proto",
                "proto/unnamed.proto",
            ],
            &["proto"],
        )?;
    // As another crate would.
    micro_build::configure()
        .include_file("outside.rs")
        .descriptor_set("outside.bin")
        .extern_path("common", "crate::all::common")
        .compile(&["proto/outside.proto"], &["proto"])?;
    // What the manual calls.
    micro_build::configure()
        .include_file("manual.rs")
        .compile(&["../../examples/proto/proto/greeter.proto"], &["../../examples/proto/proto"])
}
