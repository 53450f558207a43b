//! The table of the smallest programs.

use std::fmt::{Result, Write as _};

use super::figures::{mebibytes, short};
use crate::hello::Hello;

pub(super) fn write(text: &mut String, programs: &[Hello]) -> Result {
    writeln!(text, "\n## The smallest program\n")?;
    writeln!(
        text,
        "A service with one method of a .proto file, and one call to it, built from nothing with everything \
         downloaded before. The first answer is that of the release build, from the start of the process.\n"
    )?;
    writeln!(
        text,
        "| | build s | crates | release build s | program MiB | stripped MiB | first answer ms |\n\
         |---|--:|--:|--:|--:|--:|--:|"
    )?;
    for Hello { name, debug, release, size, stripped, first_answer } in programs {
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            short(debug.seconds),
            debug.crates,
            short(release.seconds),
            mebibytes(Some(*size as f64)),
            mebibytes(stripped.map(|size| size as f64)),
            short(*first_answer)
        )?;
    }
    Ok(())
}
