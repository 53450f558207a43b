//! Prints the table of what the suite says works, from its logs of a server and of a client, or puts
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
    let [suites, server, client, rest @ ..] = args else {
        return Err(
            "it takes the folder of the suites, a log of the server, and one of the client".to_owned()
        );
    };
    let suites = Suites::read(suites.as_ref())?;
    let mut text = String::new();
    for (who, log) in [("server", server), ("client", client)] {
        let log = fs::read_to_string(log).map_err(|error| {
            format!("`{log}`: {error}; tests/conformance/run writes it, unless told what to run")
        })?;
        text += &Table::of(&log, &suites)?.write(who);
    }
    match rest {
        [] => print!("{text}"),
        [option, page] if option == "--write" => {
            let (whole, old) = old(page)?;
            fs::write(page, whole.replacen(&old, &text, 1)).map_err(|error| format!("`{page}`: {error}"))?;
        }
        [option, page] if option == "--check" => {
            if old(page)?.1 != text {
                return Err(format!(
                    "the table in {page} is not what the suite says: `tests/conformance/matrix --write {page}`"
                ));
            }
        }
        _ => return Err("it takes nothing more, or --write or --check with a page".to_owned()),
    }
    Ok(())
}

/// A page, and what stands in it between the marks.
fn old(page: &str) -> Result<(String, String)> {
    let whole = fs::read_to_string(page).map_err(|error| format!("`{page}`: {error}"))?;
    let inner = whole.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let inner = inner
        .ok_or_else(|| format!("{page} has no place for the table, which is\n{BEGIN}{END}"))?
        .0
        .to_owned();
    Ok((whole, inner))
}
