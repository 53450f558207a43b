//! Compiles the suite's own `.proto` files, which are not copied in here.

use std::path::Path;
use std::process::ExitCode;

const FOLDER: &str = "CONFORMANCE_PROTO";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={FOLDER}");
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!(
            "cargo::error={FOLDER} is not set: it is the folder `proto` of the module connectrpc.com/conformance. \
             Build with tests/conformance/run, which downloads the suite and sets it"
        );
        return ExitCode::FAILURE;
    };
    let folder = Path::new(&folder);
    let files = ["client_compat", "server_compat", "service"]
        .map(|name| folder.join(format!("connectrpc/conformance/v1/{name}.proto")));
    // The suite wants one method that nobody implements.
    match micro_build::configure().default_methods(true).compile(&files, &[folder]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}", error.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
