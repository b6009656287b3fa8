//! Resources shared by the sinks of several cameras.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::Result;

type Hub = Weak<dyn Any + Send + Sync>;

/// Servers and connections that sinks share, at most one of each type. The first sink that requests one
/// opens it; it closes with the last sink that holds it.
#[derive(Clone, Default)]
pub struct Hubs(Arc<Mutex<HashMap<TypeId, Hub>>>);

impl Hubs {
    /// The hub of this type, opened with `open` if there is none.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get_or_open<T: Any + Send + Sync>(&self, open: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        // Locked while opening, so that two cameras do not each open one.
        let mut hubs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hubs.get(&TypeId::of::<T>()).and_then(Weak::upgrade);
        if let Some(Ok(hub)) = known.map(Arc::downcast::<T>) {
            return Ok(hub);
        }
        let hub = Arc::new(open()?);
        let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&hub) as _;
        hubs.insert(TypeId::of::<T>(), Arc::downgrade(&shared));
        Ok(hub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_hub_is_opened_once_and_closed_with_its_last_user() {
        let hubs = Hubs::default();
        let first = hubs.get_or_open(|| Ok(7u32)).unwrap();
        let second = hubs.clone().get_or_open::<u32>(|| Err(Error::fatal("test", "opened twice"))).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*hubs.get_or_open(|| Ok("another type")).unwrap(), "another type");
        drop((first, second));
        assert_eq!(*hubs.get_or_open(|| Ok(8u32)).unwrap(), 8);
    }
}
