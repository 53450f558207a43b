//! Writes the request for a plugin of `protoc` that makes Go code of `proto/say.proto`, or takes the
//! plugin's answer apart:
//!
//! ```text
//! go-messages request | protoc-gen-go | go-messages write <folder>
//! ```

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::path::Path;

use prost::Message as _;
use prost_types::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["request"] => request(),
        ["write", folder] => write(Path::new(folder)),
        _ => Err("`go-messages request` or `go-messages write <folder>`".into()),
    }
}

fn request() -> Result<(), Box<dyn Error>> {
    let request = CodeGeneratorRequest {
        file_to_generate: vec!["say.proto".to_owned()],
        parameter: Some("paths=source_relative".to_owned()),
        proto_file: protox::compile(["say.proto"], ["proto"])?.file,
        compiler_version: None,
    };
    Ok(std::io::stdout().write_all(&request.encode_to_vec())?)
}

fn write(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut answer = Vec::new();
    std::io::stdin().read_to_end(&mut answer)?;
    let answer = CodeGeneratorResponse::decode(&*answer)?;
    if let Some(error) = answer.error {
        return Err(error.into());
    }
    std::fs::create_dir_all(folder)?;
    for file in answer.file {
        std::fs::write(folder.join(file.name()), file.content())?;
    }
    Ok(())
}
