use std::num::NonZeroU64;
use std::sync::Arc;

use super::Filter;
use crate::context::Context;

/// What one call says about the node it goes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// The hash of its key.
    pub(crate) key: Option<NonZeroU64>,
    wanted: Option<Arc<Vec<Filter>>>,
}

/// The filters of one call, as a value of its context.
struct Wanted(Arc<Vec<Filter>>);

impl Route {
    pub(crate) fn of(context: &Context) -> Self {
        let wanted = context.value::<Wanted>().map(|Wanted(filters)| filters.clone());
        Self { key: context.affinity(), wanted }
    }

    /// The context of a call that wants this as well.
    pub(crate) fn wanting(context: &Context, filter: Filter) -> Context {
        let mut filters = context.value::<Wanted>().map_or_else(Vec::new, |Wanted(filters)| filters.to_vec());
        filters.push(filter);
        context.with_value(Wanted(Arc::new(filters)))
    }

    /// The filters that the call has beside those of its client.
    pub(crate) fn wanted(&self) -> &[Filter] {
        self.wanted.as_ref().map_or(&[], |filters| filters)
    }
}
