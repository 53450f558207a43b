//! The ways in which serde renames, by serde's own rules: they differ from those of other tools in
//! where a word begins (`HTTPServer` is `h_t_t_p_server`).

/// A rule of `#[serde(rename_all = "…")]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rule {
    #[default]
    None,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    /// The rule of this name; none where serde knows none, because serde will say so.
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => Self::None,
        }
    }

    /// The name of a variant, which is written in `PascalCase`.
    pub(super) fn variant(self, name: &str) -> String {
        match self {
            Self::None | Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => lower_first(name),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The name of a field, which is written in `snake_case`.
    pub(super) fn field(self, name: &str) -> String {
        match self {
            Self::None | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => lower_first(&pascal(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, character) in name.char_indices() {
        if index > 0 && character.is_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

fn pascal(name: &str) -> String {
    let mut begins = true;
    let mut pascal = String::new();
    for character in name.chars() {
        if character == '_' {
            begins = true;
        } else {
            pascal.push(if begins { character.to_ascii_uppercase() } else { character });
            begins = false;
        }
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn every_rule_renames_as_serde_does() {
        for (rule, field, variant) in [
            ("lowercase", "user_id", "verytasty"),
            ("UPPERCASE", "USER_ID", "VERYTASTY"),
            ("PascalCase", "UserId", "VeryTasty"),
            ("camelCase", "userId", "veryTasty"),
            ("snake_case", "user_id", "very_tasty"),
            ("SCREAMING_SNAKE_CASE", "USER_ID", "VERY_TASTY"),
            ("kebab-case", "user-id", "very-tasty"),
            ("SCREAMING-KEBAB-CASE", "USER-ID", "VERY-TASTY"),
            ("unknown", "user_id", "VeryTasty"),
        ] {
            assert_eq!(Rule::parse(rule).field("user_id"), field);
            assert_eq!(Rule::parse(rule).variant("VeryTasty"), variant);
        }
        assert_eq!(Rule::Snake.variant("HTTPServer"), "h_t_t_p_server");
    }
}
