//! The generated code, as text. Set `UPDATE_GOLDEN=1` to write what is generated now.

use std::fs;
use std::path::{Path, PathBuf};

use micro_build::{Config, configure};

use crate::folder;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares one generated file with the one in `tests/golden`.
#[track_caller]
fn check(config: &Config, proto: &str, file: &str, expected: &str) {
    let generated = config.generate(&[golden(proto)], &[golden("")]).unwrap();
    let (_, text) = generated.files().find(|(name, _)| *name == file).unwrap();
    let text = std::str::from_utf8(text).unwrap();
    let path = golden(expected);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == known, "{expected} is not what is generated; see it with UPDATE_GOLDEN=1 and git diff");
}

#[test]
fn a_contract_with_all_four_shapes() {
    check(&configure(), "greeter.proto", "greeter.v1.rs", "greeter.rs");
}

#[test]
fn a_contract_whose_methods_have_bodies_in_a_crate_of_another_name() {
    let config = configure().default_methods(true).crate_path("::other::micro");
    check(&config, "admin.proto", "_.rs", "admin.rs");
}

#[test]
fn every_kind_of_field() {
    check(&configure().btree_map(&["kinds.Kinds.names"]), "kinds.proto", "kinds.rs", "kinds.rs");
}

#[test]
fn a_module_for_each_package() {
    let config = configure().services(false);
    check(&config, "packages/shop.proto", "micro_protos.rs", "packages.rs");
    check(&config, "packages/shop.proto", "shop.v1.rs", "packages_refused.rs");
}

#[test]
fn a_package_of_another_crate_is_not_generated() {
    let config = configure().extern_path("common", "::common_protos::common");
    let generated = config.generate(&[golden("packages/shop.proto")], &[golden("")]).unwrap();
    let names: Vec<_> = generated.files().map(|(name, _)| name).collect();
    assert_eq!(names, ["micro_protos.rs", "shop.v1.descriptors.bin", "shop.v1.rs"]);
    let (_, text) = generated.files().find(|(name, _)| *name == "shop.v1.rs").unwrap();
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.contains("::core::option::Option<::common_protos::common::Money>"), "{text}");
    assert!(text.contains("Msg<::common_protos::common::Money>"), "{text}");
}

#[test]
fn the_descriptors_of_all_files_are_kept_on_request() {
    let generated =
        configure().descriptor_set("all.bin").generate(&[golden("greeter.proto")], &[golden("")]).unwrap();
    let (_, bytes) = generated.files().find(|(name, _)| *name == "all.bin").unwrap();
    let pool = prost_reflect::DescriptorPool::decode(bytes).unwrap();
    assert!(pool.get_service_by_name("greeter.v1.Greeter").is_some());
}

#[test]
fn a_package_carries_its_descriptors_with_all_imports_and_options_and_without_comments() {
    let folder = folder(&[
        (
            "a.proto",
            "syntax = \"proto3\";\npackage p;\nimport \"b.proto\";\nimport \"google/protobuf/any.proto\";\n\
             // Secret.\nmessage A { bool b = 1 [(q.loud) = true]; google.protobuf.Any c = 2; }\n",
        ),
        (
            "b.proto",
            "syntax = \"proto2\";\npackage q;\nimport \"google/protobuf/descriptor.proto\";\n\
             extend google.protobuf.FieldOptions { optional bool loud = 50001; }\n",
        ),
        ("c.proto", "syntax = \"proto3\";\npackage r;\nmessage C {}\n"),
    ]);
    let generated = configure().generate(&["a.proto", "c.proto"], &[folder.path()]).unwrap();
    let (_, set) = generated.files().find(|(name, _)| *name == "p.descriptors.bin").unwrap();
    // Each file is behind what it imports, or this would fail.
    let pool = prost_reflect::DescriptorPool::decode(set).unwrap();
    let names: Vec<_> = pool.files().map(|file| file.name().to_owned()).collect();
    assert!(
        names.iter().any(|name| name == "google/protobuf/any.proto")
            && !names.contains(&"c.proto".to_owned()),
        "{names:?}"
    );
    let field = pool.get_message_by_name("p.A").unwrap().get_field_by_name("b").unwrap();
    let loud = pool.get_extension_by_name("q.loud").unwrap();
    assert_eq!(field.options().get_extension(&loud).as_bool(), Some(true));
    assert!(!set.windows(6).any(|text| text == b"Secret"));

    let generated = configure().embed_descriptors(false).generate(&["c.proto"], &[folder.path()]).unwrap();
    for (name, text) in generated.files() {
        assert!(!String::from_utf8_lossy(text).to_lowercase().contains("descriptors"), "{name}");
    }
}

#[test]
fn two_files_of_one_package_make_one_module() {
    let folder = folder(&[
        ("a.proto", "syntax = \"proto3\";\npackage p;\nimport \"b.proto\";\nmessage A { B b = 1; }\n"),
        ("b.proto", "syntax = \"proto3\";\npackage p;\nmessage B {}\n"),
    ]);
    let generated = configure().generate(&["a.proto"], &[folder.path()]).unwrap();
    let (_, text) = generated.files().find(|(name, _)| *name == "p.rs").unwrap();
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.contains("pub struct A {") && text.contains("pub struct B {"), "{text}");
}
