use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// Values of any type, one of each: what an interceptor tells the handler behind it.
#[derive(Clone, Default)]
pub(super) struct Values(Option<Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Values {
    pub(super) const NONE: Self = Self(None);

    pub(super) fn with<T: Send + Sync + 'static>(&self, value: T) -> Self {
        let mut values = self.0.as_deref().cloned().unwrap_or_default();
        values.insert(TypeId::of::<T>(), Arc::new(value));
        Self(Some(Arc::new(values)))
    }

    pub(super) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
