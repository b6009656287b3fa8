//! Values made at start that come back by themselves when the last reader lets go.

use std::sync::Arc;

/// A fixed set of reusable values. A value is free when nobody outside the pool holds it.
///
/// Nothing is allocated after [`Pool::new`].
pub struct Pool<T> {
    slots: Vec<Arc<T>>,
    next: usize,
}

impl<T> Pool<T> {
    /// A pool of `size` values made by `make`.
    pub fn new(size: usize, mut make: impl FnMut() -> T) -> Self {
        Self { slots: (0..size).map(|_| Arc::new(make())).collect(), next: 0 }
    }

    /// Number of values, free or not.
    pub fn size(&self) -> usize {
        self.slots.len()
    }

    /// Lets `fill` write into a free value and returns a shared handle to it with what `fill` said;
    /// `None` where every value is still held by a reader.
    ///
    /// Where `fill` decides that nothing is worth handing on, drop the handle: the value is free again.
    pub fn fill<R>(&mut self, fill: impl FnOnce(&mut T) -> R) -> Option<(Arc<T>, R)> {
        let n = self.slots.len();
        for step in 0..n {
            let i = (self.next + step) % n;
            if let Some(value) = Arc::get_mut(&mut self.slots[i]) {
                let said = fill(value);
                self.next = (i + 1) % n;
                return Some((Arc::clone(&self.slots[i]), said));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_reused_only_when_its_readers_are_gone() {
        let mut pool = Pool::new(2, || 0u32);
        let (a, ()) = pool.fill(|v| *v = 1).unwrap();
        let (b, ()) = pool.fill(|v| *v = 2).unwrap();
        assert!(pool.fill(|v| *v = 3).is_none());
        assert_eq!((*a, *b), (1, 2));
        let kept = Arc::clone(&a);
        drop(a);
        assert!(pool.fill(|v| *v = 3).is_none());
        drop(kept);
        let (c, ()) = pool.fill(|v| *v = 3).unwrap();
        assert_eq!((*b, *c), (2, 3));
    }
}
