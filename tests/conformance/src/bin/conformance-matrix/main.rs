//! Prints the table of what the suite says works, from its logs of a server, of a client and of the native wire, or puts
//! it into a page, or checks that the page has it. See `tests/conformance/matrix`.

mod case;
mod suites;
mod table;

use std::fs;
use std::process::ExitCode;

use suites::Suites;
use table::Table;

/// Around the table in a page.
const BEGIN: &str =
    "<!-- conformance: what is between here and the end is written by tests/conformance/matrix -->\n";
const END: &str = "<!-- conformance: end -->\n";

/// The suite does not know this wire, and gives out the cases of Connect and gRPC for it.
const NATIVE: &str =
    "Our client against our server on the native wire, with the cases of Connect and those of gRPC";

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match run(&Vec::from_iter(std::env::args().skip(1))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let [version, suites, server, client, native, rest @ ..] = args else {
        return Err("it takes the version of the suite, the folder of its files, and three logs".to_owned());
    };
    let suites = Suites::read(suites.as_ref())?;
    let mut text = format!(
        "\nThe cases of the ConnectRPC conformance suite {version} that pass. \"31 + 32\" are 31 without TLS and 32 with it.\n"
    );
    for (what, log) in [("The server", server), ("The client", client), (NATIVE, native)] {
        let log = fs::read_to_string(log).map_err(|error| {
            format!("`{log}`: {error}; tests/conformance/run writes it, unless told what to run")
        })?;
        let mut table = Table::of(&log, &suites)?;
        if what == NATIVE {
            table = table.all_native();
        }
        text += &table.write(what);
    }
    text.push('\n');
    match rest {
        [] => print!("{text}"),
        [option, page] if option == "--write" => {
            let whole = read(page)?;
            let (before, _, after) = apart(page, &whole)?;
            fs::write(page, [before, BEGIN, &text, END, after].concat())
                .map_err(|error| format!("`{page}`: {error}"))?;
        }
        [option, page] if option == "--check" => {
            if apart(page, &read(page)?)?.1 != text {
                return Err(format!(
                    "the table in {page} is not what the suite says: `tests/conformance/matrix --write {page}`"
                ));
            }
        }
        _ => return Err("it takes nothing more, or --write or --check with a page".to_owned()),
    }
    Ok(())
}

fn read(page: &str) -> Result<String> {
    fs::read_to_string(page).map_err(|error| format!("`{page}`: {error}"))
}

/// What stands before the marks, between them, and after them.
fn apart<'a>(page: &str, whole: &'a str) -> Result<(&'a str, &'a str, &'a str)> {
    let parts = whole.split_once(BEGIN).and_then(|(before, rest)| {
        let (inner, after) = rest.split_once(END)?;
        Some((before, inner, after))
    });
    parts.ok_or_else(|| format!("{page} has no place for the table, which is\n{BEGIN}{END}"))
}
