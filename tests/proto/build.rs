//! Generates everything in `proto/`.

fn main() -> micro_build::Result<()> {
    micro_build::configure()
        // The contracts need the whole framework; their text is tested in micro-build.
        .services(false)
        .descriptor_set("descriptors.bin")
        .bytes(&["conformance.v1.Shared.bytes"])
        .btree_map(&["conformance.v1.Maps"])
        .type_attribute("single.v1", "#[derive(PartialOrd)]")
        .compile(
            &[
                "proto/conformance/everything.proto",
                "proto/conformance/legacy.proto",
                "proto/shop/shop.proto",
                "proto/single.proto",
                "proto/unnamed.proto",
            ],
            &["proto"],
        )
}
