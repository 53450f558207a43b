use std::fmt;

use super::Candidate;

/// Which nodes of a service calls go to: those of a version, or those with a label.
///
/// A filter is a wish unless it is [`strict`](Self::strict): where no node is as wanted, or none of those is in use, the
/// call goes to the others. With a strict one it fails, and says what there is.
///
/// ```
/// use micro_runtime::selector::Filter;
///
/// // 1.4.0 and no other.
/// let exact = Filter::version("1.4.0").strict();
/// // All versions that begin with `1.`.
/// let first = Filter::version("1.*");
/// let here = Filter::label("rack", "b7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    wanted: Wanted,
    strict: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Version(String),
    VersionsFrom(String),
    Label(String, String),
}

impl Filter {
    /// Nodes of this version, or, where it ends with `*`, of all versions that begin with what is before.
    pub fn version(version: impl Into<String>) -> Self {
        let version = version.into();
        let wanted = match version.strip_suffix('*') {
            Some(start) => Wanted::VersionsFrom(start.to_owned()),
            None => Wanted::Version(version),
        };
        Self { wanted, strict: false }
    }

    /// Nodes whose metadata, or whose service's, has this value under this name.
    pub fn label(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { wanted: Wanted::Label(name.into(), value.into()), strict: false }
    }

    /// The same, where no other node will do.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Whether no other node will do.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether the node is as wanted.
    pub fn matches(&self, candidate: &Candidate) -> bool {
        match &self.wanted {
            Wanted::Version(version) => candidate.version() == version,
            Wanted::VersionsFrom(start) => candidate.version().starts_with(start),
            Wanted::Label(name, value) => candidate.label(name) == Some(value),
        }
    }

    /// What a node has in place of what is wanted: its version, or its label.
    pub(super) fn found(&self, candidate: &Candidate) -> String {
        match &self.wanted {
            Wanted::Version(_) | Wanted::VersionsFrom(_) => format!("version {}", candidate.version()),
            Wanted::Label(name, _) => match candidate.label(name) {
                Some(value) => format!("{name} = {value}"),
                None => format!("no {name}"),
            },
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Version(version) => write!(f, "version {version}"),
            Wanted::VersionsFrom(start) => write!(f, "version {start}*"),
            Wanted::Label(name, value) => write!(f, "{name} = {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::registry::{Node, Registration};

    fn node(version: &str, label: (&str, &str)) -> Candidate {
        let mut registration = Registration::new("a", Node::new("a-1", "127.0.0.1:1"));
        registration.version = version.into();
        registration.metadata.insert("tier".into(), "gold".into());
        registration.node.metadata.insert(label.0.into(), label.1.into());
        Candidate::new(Arc::new(registration))
    }

    #[test]
    fn a_version_is_wanted_as_it_is_or_by_its_beginning() {
        let node = node("1.4.0", ("zone", "a"));
        for (version, is_it) in
            [("1.4.0", true), ("1.4", false), ("1.*", true), ("1.4.0*", true), ("*", true), ("2*", false)]
        {
            assert_eq!(Filter::version(version).matches(&node), is_it, "{version}");
        }
    }

    #[test]
    fn a_label_is_the_nodes_or_else_its_services() {
        let matches =
            |candidate: &Candidate, name: &str, value: &str| Filter::label(name, value).matches(candidate);
        let plain = node("1", ("zone", "a"));
        assert!(matches(&plain, "zone", "a") && matches(&plain, "tier", "gold"));
        assert!(!matches(&plain, "zone", "b") && !matches(&plain, "rack", ""));
        assert!(!matches(&node("1", ("tier", "silver")), "tier", "gold"));
    }

    proptest! {
        #[test]
        fn whatever_versions_look_like_a_filter_matches_what_begins_so(version in ".{0,12}", wanted in ".{0,12}") {
            let node = node(&version, ("zone", "a"));
            let expected = match wanted.strip_suffix('*') {
                Some(start) => version.starts_with(start),
                None => version == wanted,
            };
            prop_assert_eq!(Filter::version(wanted).matches(&node), expected);
        }
    }
}
