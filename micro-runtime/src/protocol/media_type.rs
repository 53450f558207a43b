//! What all protocols read of a content type in the same way.

/// A content type without its parameters: `application/json; charset=utf-8` is `application/json`.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// What stands behind the prefix of a media type. They mean the same in any case (RFC 9110, section
/// 8.3.1).
pub(crate) fn without_prefix<'a>(media_type: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = media_type.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_and_case_say_nothing_of_the_type() {
        assert_eq!(essence(" Application/JSON ;charset=utf-8"), "Application/JSON");
        assert_eq!(essence(""), "");
        assert_eq!(without_prefix("Application/JSON", "application/"), Some("JSON"));
        assert_eq!(without_prefix("text/plain", "application/"), None);
        assert_eq!(without_prefix("appl\u{ef}cation/", "application/"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_prefix_or_not(text in "(application/)?.*") {
            prop_assert!(text.contains(essence(&text)));
            let rest = without_prefix(&text, "application/");
            prop_assert!(rest.is_none_or(|rest| text.ends_with(rest)));
        }
    }
}
