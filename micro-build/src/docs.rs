//! Comments of `.proto` files as Rust documentation.

use prost_types::SourceCodeInfo;
use prost_types::source_code_info::Location;

/// The text of the comment before an item and of the one after it.
pub(crate) fn text(location: Option<&Location>) -> String {
    let Some(location) = location else { return String::new() };
    let comments = [location.leading_comments(), location.trailing_comments()];
    let texts: Vec<_> = comments.into_iter().map(unindented).filter(|text| !text.is_empty()).collect();
    texts.join("\n\n")
}

/// Makes comments safe to be documentation: rustdoc compiles code blocks and runs them, but what is
/// in a `.proto` file is hardly Rust.
pub(crate) fn tame(info: &mut SourceCodeInfo) {
    for location in &mut info.location {
        for comment in [&mut location.leading_comments, &mut location.trailing_comments].into_iter().flatten()
        {
            *comment = without_code(comment);
        }
    }
}

/// One line of documentation, in which brackets and addresses are what they look like and no links.
pub(crate) fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut words = line.split(' ');
    escaped.push_str(&escape_word(words.next().unwrap_or_default()));
    for word in words {
        escaped.push(' ');
        escaped.push_str(&escape_word(word));
    }
    escaped
}

fn escape_word(word: &str) -> String {
    if word.starts_with("http://") || word.starts_with("https://") {
        let end = word.trim_end_matches(['.', ',', ';', ')']).len();
        return format!("<{}>{}", &word[..end], &word[end..]);
    }
    word.replace('[', "\\[").replace(']', "\\]")
}

fn unindented(comment: &str) -> String {
    let lines: Vec<_> =
        comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}

/// Names the language of fenced blocks that name none, and takes the indentation from lines that
/// would be code by it: four spaces make code, beside the one that every line has, and the backend
/// adds one to a line with several.
pub(crate) fn without_code(comment: &str) -> String {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in comment.lines() {
        let trimmed = line.trim_start();
        if let Some(language) = trimmed.strip_prefix("```") {
            fenced = !fenced;
            lines.push(if fenced && language.trim().is_empty() {
                format!("{line}text")
            } else {
                line.to_owned()
            });
        } else if !fenced && line.len() - trimmed.len() > 3 {
            lines.push(format!("   {trimmed}"));
        } else {
            lines.push(line.to_owned());
        }
    }
    if fenced {
        lines.push(" ```".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_comment_is_taken_for_rust() {
        let comment = " Use it so:\n\n     get(1)\n\n ```\n  get(2)\n ```\n ```json\n {}";
        assert_eq!(
            without_code(comment),
            " Use it so:\n\n   get(1)\n\n ```text\n  get(2)\n ```\n ```json\n {}\n ```"
        );
    }

    #[test]
    fn brackets_and_addresses_are_no_links() {
        assert_eq!(
            escape("an [item], see https://example.com/a."),
            "an \\[item\\], see <https://example.com/a>."
        );
    }
}
