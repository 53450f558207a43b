use std::fmt;
use std::path::{Path, PathBuf};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why `.proto` files could not be turned into code.
///
/// It prints the same with `{}` and `{:?}`, so that a build script can return it from `main`.
pub struct Error(Box<Inner>);

#[derive(Default)]
struct Inner {
    message: String,
    file: Option<PathBuf>,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    /// The line in question.
    line: Option<String>,
    help: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: message.into(), ..Inner::default() }))
    }

    /// Says in which file it is.
    pub(crate) fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.file = Some(file.into());
        self
    }

    /// Says where in the file it is, counted from 1, and shows the line from its text.
    pub(crate) fn at(mut self, (line, column): (usize, usize), text: Option<&str>) -> Self {
        self.0.place = Some((line, column));
        self.0.line = text.and_then(|text| text.lines().nth(line.saturating_sub(1))).map(str::to_owned);
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The file that is wrong.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.0.place.map(|(line, _)| line)
    }

    /// The column, counted from 1.
    pub fn column(&self) -> Option<usize> {
        self.0.place.map(|(_, column)| column)
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{}:", file.display())?;
            if let Some((line, column)) = self.0.place {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.0.message)?;
        if let (Some(text), Some((line, column))) = (&self.0.line, self.0.place) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs stay tabs, so that the mark is under its character however wide they are shown.
            let before: String =
                text.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
            write!(f, "\n{margin} |\n{number} | {text}\n{margin} | {before}^")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_column() {
        let text = "message A {\n\tstring b = 1;\n}\n";
        let error = Error::new("no").in_file("a.proto").at((2, 9), Some(text)).with_help("do");
        assert_eq!(
            error.to_string(),
            "a.proto:2:9: no\n  |\n2 | \tstring b = 1;\n  | \t       ^\n  help: do"
        );
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
