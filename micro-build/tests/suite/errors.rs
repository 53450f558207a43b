//! A mistake in a `.proto` file is reported with its place, the reason, and the line.

use crate::folder;

/// Compiles `a.proto` among other files; the error as it is printed, without the folder.
#[track_caller]
fn error_with(
    files: &[(&str, &str)],
    configure: impl Fn(micro_build::Config) -> micro_build::Config,
) -> String {
    let folder = folder(files);
    let root = folder.path();
    let config = configure(micro_build::configure());
    let error = config.generate(&[root.join("a.proto")], &[root]).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    error.to_string().replace(&format!("{}/", root.display()), "").replace(&root.display().to_string(), ".")
}

#[track_caller]
fn error(text: &str) -> String {
    error_with(&[("a.proto", text)], |config| config)
}

#[test]
fn a_syntax_error() {
    assert_eq!(
        error("syntax = \"proto3\";\nmessage A {\n  strin g = ;\n}\n"),
        "a.proto:3:13: expected an integer, but found ';'\n  |\n3 |   strin g = ;\n  |             ^"
    );
}

#[test]
fn the_end_of_the_file_in_the_middle() {
    let error = error("syntax = \"proto3\";\nmessage A {\n  string b = 1;");
    assert!(error.starts_with("a.proto:3:16: expected"), "{error}");
    assert!(error.contains("reached end of file"), "{error}");
}

#[test]
fn an_unknown_type() {
    let error = error("syntax = \"proto3\";\nmessage A {\n  Missing b = 1;\n}\n");
    assert!(error.starts_with("a.proto:3:3: name 'Missing' is not defined\n"), "{error}");
    assert!(error.contains("\n3 |   Missing b = 1;\n  |   ^"), "{error}");
}

#[test]
fn a_type_whose_file_is_not_imported() {
    let files = [
        ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\nmessage A {\n  C c = 1;\n}\n"),
        ("b.proto", "syntax = \"proto3\";\nimport \"c.proto\";\nmessage B { C c = 1; }\n"),
        ("c.proto", "syntax = \"proto3\";\nmessage C {}\n"),
    ];
    let error = error_with(&files, |config| config);
    assert!(error.starts_with("a.proto:4:3: name 'C' is not defined"), "{error}");
    assert!(error.contains("help:") && error.contains("c.proto"), "{error}");
}

#[test]
fn an_import_that_is_not_there() {
    let error = error("syntax = \"proto3\";\n\nimport \"missing/b.proto\";\n");
    assert!(error.starts_with("a.proto:3:1: import 'missing/b.proto' not found"), "{error}");
    assert!(error.contains("the include folders are: ."), "{error}");
}

#[test]
fn a_mistake_in_an_imported_file_is_reported_there() {
    let files = [
        ("a.proto", "syntax = \"proto3\";\nimport \"sub/b.proto\";\n"),
        ("sub/b.proto", "syntax = \"proto3\";\nmessage B {\n  string b = 0;\n}\n"),
    ];
    let error = error_with(&files, |config| config);
    assert!(error.starts_with("sub/b.proto:3:14: message numbers must be between 1 and"), "{error}");
}

#[test]
fn a_number_that_is_there_twice() {
    let error = error("syntax = \"proto3\";\nmessage A {\n  string b = 1;\n  string c = 1;\n}\n");
    assert!(error.starts_with("a.proto:4:14: field number '1' is already used"), "{error}");
}

#[test]
fn imports_in_a_circle() {
    let files = [
        ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n"),
        ("b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"),
    ];
    let error = error_with(&files, |config| config);
    assert!(error.contains("import cycle detected: a.proto -> b.proto -> a.proto"), "{error}");
}

#[test]
fn a_file_that_is_not_there() {
    let folder = folder(&[]);
    let error = micro_build::configure().generate(&["proto/nowhere.proto"], &[folder.path()]).unwrap_err();
    assert!(error.to_string().starts_with("proto/nowhere.proto: there is no such file\n  help: "), "{error}");
    assert_eq!(error.file().unwrap().to_str(), Some("proto/nowhere.proto"));
}

#[test]
fn a_file_outside_the_include_folders() {
    let folder = folder(&[("a.proto", "syntax = \"proto3\";"), ("b/c.proto", "syntax = \"proto3\";")]);
    let (file, include) = (folder.path().join("a.proto"), folder.path().join("b"));
    let error = micro_build::configure().generate(&[file], &[include]).unwrap_err();
    assert!(
        error.to_string().contains("is not in any include path\n  help: the include folders are: "),
        "{error}"
    );
}

#[test]
fn an_edition() {
    let error = error("edition = \"2023\";\nmessage A {}\n");
    assert!(error.starts_with("a.proto:1:1: "), "{error}");
}

#[test]
fn names_that_are_the_same_in_rust() {
    for (text, expected) in [
        (
            "message A {\n  optional string Bc = 1;\n  optional string bc = 2;\n}",
            "a.proto:4:3: `bc` and `Bc` are both the field `bc` in Rust",
        ),
        (
            "enum E {\n  E_A_B = 0;\n  AB = 1;\n  A_B = 2;\n}",
            "a.proto:5:3: `A_B` and `E_A_B` are both the variant `AB` in Rust",
        ),
        ("message A {}\nmessage a {}", "a.proto:3:1: `a` and `A` are both the type `A` in Rust"),
        (
            "message A { oneof o {\n  string X = 1;\n  string x = 2;\n} }",
            "a.proto:4:3: `x` and `X` are both the variant `X` in Rust",
        ),
        (
            "message M {}\nservice S {\n  rpc GetA(M) returns (M);\n  rpc get_a(M) returns (M);\n}",
            "a.proto:5:3: `get_a` and `GetA` are both the method `get_a` in Rust",
        ),
        (
            "message SClient {}\nservice S {}",
            "a.proto:3:1: `S` and `SClient` are both the trait or client `SClient` in Rust",
        ),
    ] {
        let error = error(&format!("syntax = \"proto2\";\n{text}\n"));
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_package_in_the_module_of_a_message() {
    let files = [
        (
            "a.proto",
            "syntax = \"proto3\";\npackage p;\nimport \"b.proto\";\nmessage Foo { message Bar {} }\n",
        ),
        ("b.proto", "syntax = \"proto3\";\npackage p.foo;\nmessage Baz {}\n"),
    ];
    let error = error_with(&files, |config| config);
    assert!(
        error.starts_with(
            "a.proto:4:15: `p.Foo.Bar` needs the module `p::foo`, which is that of the package `p.foo`"
        ),
        "{error}"
    );
}

#[test]
fn types_that_have_no_code() {
    let error = error(
        "syntax = \"proto3\";\nimport \"google/protobuf/type.proto\";\nmessage A {\n  google.protobuf.Type t = 1;\n}\n",
    );
    assert!(error.starts_with("a.proto:4:3: `google.protobuf.Type` cannot be used here"), "{error}");
    assert!(error.contains("help: of google.protobuf these are supported: Any"), "{error}");

    let error = self::error(
        "syntax = \"proto3\";\nimport \"google/protobuf/wrappers.proto\";\nmessage A {}\nservice S {\n  rpc F(google.protobuf.BytesValue) returns (A);\n}\n",
    );
    assert!(
        error.starts_with("a.proto:5:3: `google.protobuf.BytesValue` cannot be what a method takes"),
        "{error}"
    );
}

#[test]
fn an_option_that_makes_no_sense() {
    let error = error_with(&[("a.proto", "syntax = \"proto3\";")], |config| {
        config.extern_path("a", "::a").extern_path("a", "::b")
    });
    assert!(error.contains("cannot generate the messages: duplicate extern Protobuf path: .a"), "{error}");
}
