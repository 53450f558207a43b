//! Indented text.

use std::fmt::Write as _;

use crate::docs;

/// Code that is being written.
#[derive(Debug, Default)]
pub(crate) struct Code {
    text: String,
    depth: usize,
}

impl Code {
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> &mut Self {
        let line = line.as_ref();
        if line.is_empty() {
            self.text.push('\n');
        } else {
            let indent = self.depth * 4;
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
        self
    }

    /// A line that opens a block.
    pub(crate) fn open(&mut self, line: impl AsRef<str>) -> &mut Self {
        self.line(line);
        self.depth += 1;
        self
    }

    /// A line that closes a block.
    pub(crate) fn close(&mut self, line: impl AsRef<str>) -> &mut Self {
        self.depth -= 1;
        self.line(line)
    }

    /// Documentation.
    pub(crate) fn docs(&mut self, text: &str) -> &mut Self {
        let mut fenced = false;
        for line in docs::without_code(text).lines() {
            fenced ^= line.trim_start().starts_with("```");
            let line = if fenced { line.to_owned() } else { docs::escape(line) };
            self.line(format!("/// {line}").trim_end());
        }
        self
    }

    /// Text that is indented already.
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}
