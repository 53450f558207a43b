//! Files are written all or not at all, and only where they changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{folder, put};

const A: &str = "syntax = \"proto3\";\npackage a;\nmessage A { string x = 1; }\n";
const B: &str = "syntax = \"proto3\";\npackage b;\nmessage B { string x = 1; }\n";

fn compile(root: &Path) -> micro_build::Result<()> {
    micro_build::configure()
        .out_dir(root.join("out"))
        .rerun_if_changed(false)
        .compile(&[root.join("a.proto"), root.join("b.proto")], &[root])
}

/// The names of all files with their content.
fn written(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(root.join("out")) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn nothing_is_written_when_one_of_the_files_is_wrong() {
    let folder = folder(&[("a.proto", A), ("b.proto", "syntax = \"proto3\";\nmessage {")]);
    compile(folder.path()).unwrap_err();
    assert!(written(folder.path()).is_empty());

    put(folder.path(), "b.proto", B);
    compile(folder.path()).unwrap();
    let before = written(folder.path());
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        ["a.descriptors.bin", "a.rs", "b.descriptors.bin", "b.rs", "micro_protos.rs"]
    );

    put(folder.path(), "a.proto", &A.replace("string", "bytes"));
    put(folder.path(), "b.proto", &B.replace("string", "nothing"));
    compile(folder.path()).unwrap_err();
    assert_eq!(written(folder.path()), before);
}

#[test]
fn only_what_changed_is_written_again() {
    let folder = folder(&[("a.proto", A), ("b.proto", B)]);
    let root = folder.path();
    compile(root).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in ["a.rs", "b.rs"] {
        let file = fs::File::options().write(true).open(root.join("out").join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    put(root, "a.proto", &A.replace("string", "bytes"));
    compile(root).unwrap();

    let changed = |name| fs::metadata(root.join("out").join(name)).unwrap().modified().unwrap() != long_ago;
    assert!(changed("a.rs"));
    assert!(!changed("b.rs"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_and_no_file_is_left_behind() {
    let folder = folder(&[("a.proto", A), ("b.proto", B)]);
    // A folder where a file should be: the last rename fails.
    fs::create_dir_all(folder.path().join("out/micro_protos.rs/x")).unwrap();
    let error = compile(folder.path()).unwrap_err();
    assert!(error.to_string().contains("micro_protos.rs: cannot write: "), "{error}");
    let left: Vec<_> =
        fs::read_dir(folder.path().join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn all_files_on_disk_are_inputs_and_those_of_google_are_not() {
    let folder = folder(&[
        ("a.proto", "syntax = \"proto3\";\nimport \"sub/c.proto\";\nimport \"google/protobuf/any.proto\";\n"),
        ("sub/c.proto", "syntax = \"proto3\";\n"),
    ]);
    let generated = micro_build::configure().generate(&["a.proto"], &[folder.path()]).unwrap();
    let inputs: Vec<_> = generated.inputs().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
    assert_eq!(inputs, [Path::new("a.proto"), Path::new("sub/c.proto")]);
}
