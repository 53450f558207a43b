//! Go code for the messages, made by Go's own generator of the same file as the Rust code.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use prost::Message as _;
use prost_types::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};

use crate::Result;
use crate::programs::run;

/// The generator; its version is that of the library in `go.mod`.
const GENERATOR: &str = "google.golang.org/protobuf/cmd/protoc-gen-go";

/// Writes the package `bench` of the module.
pub(crate) fn generate(home: &Path, module: &Path, folder: &Path) -> Result<()> {
    let generator = folder.join("protoc-gen-go");
    let mut build = Command::new("go");
    build.current_dir(module).args(["build", "-mod=readonly", "-o"]).arg(&generator).arg(GENERATOR);
    run(&mut build)?;
    let answer = ask(&generator, &request(home)?)?;
    if let Some(error) = answer.error {
        return Err(format!("Go's generator refuses the contract: {error}").into());
    }
    for file in answer.file {
        let path = module.join("bench").join(file.name());
        // What did not change is not compiled again.
        if fs::read_to_string(&path).is_ok_and(|old| old == file.content()) {
            continue;
        }
        crate::results::write(&path, file.content())?;
    }
    Ok(())
}

fn request(home: &Path) -> Result<Vec<u8>> {
    let request = CodeGeneratorRequest {
        file_to_generate: vec!["bench.proto".to_owned()],
        parameter: Some("paths=source_relative".to_owned()),
        proto_file: protox::compile(["bench.proto"], [home.join("proto")])?.file,
        compiler_version: None,
    };
    Ok(request.encode_to_vec())
}

fn ask(generator: &Path, request: &[u8]) -> Result<CodeGeneratorResponse> {
    let mut process = Command::new(generator).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = process.stdin.take() {
        input.write_all(request)?;
    }
    let output = process.wait_with_output()?;
    Ok(CodeGeneratorResponse::decode(&*output.stdout)?)
}
