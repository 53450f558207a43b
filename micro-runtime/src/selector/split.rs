use super::Filter;

/// A split of calls between versions: so many of the sum go to each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Split(Vec<(Filter, u32)>);

impl Split {
    /// Versions with a share of nothing get nothing, as those that are not named.
    pub(crate) fn new<V: Into<String>>(shares: impl IntoIterator<Item = (V, u32)>) -> Self {
        let shares = shares.into_iter().filter(|(_, share)| *share > 0);
        Self(shares.map(|(version, share)| (Filter::version(version), share)).collect())
    }

    pub(super) fn shares(&self) -> &[(Filter, u32)] {
        &self.0
    }
}
