//! Pools of values that are created at start and return to the pool when the last holder drops them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

/// A fixed set of reusable values, each with any number of readers. A value is free if nothing outside the pool holds
/// a handle to it.
///
/// Nothing is allocated after [`SharedPool::new`].
pub struct SharedPool<T> {
    slots: Vec<Arc<T>>,
    next: usize,
}

impl<T> SharedPool<T> {
    /// A pool of `size` values made by `make`.
    pub fn new(size: usize, mut make: impl FnMut() -> T) -> Self {
        Self { slots: (0..size).map(|_| Arc::new(make())).collect(), next: 0 }
    }

    /// Lets `fill` write into a free value; returns a shared handle to it and the result of `fill`. `None` if every
    /// value is still held by a reader.
    ///
    /// Dropping the handle frees the value again.
    pub fn fill<R>(&mut self, fill: impl FnOnce(&mut T) -> R) -> Option<(Arc<T>, R)> {
        let n = self.slots.len();
        for step in 0..n {
            let i = (self.next + step) % n;
            if let Some(value) = Arc::get_mut(&mut self.slots[i]) {
                let returned = fill(value);
                self.next = (i + 1) % n;
                return Some((Arc::clone(&self.slots[i]), returned));
            }
        }
        None
    }
}

/// A fixed set of reusable values with one owner at a time, which may change them.
///
/// Nothing is allocated after [`Pool::new`].
pub struct Pool<T> {
    free: Receiver<Box<T>>,
    returns: Sender<Box<T>>,
}

/// A value from a [`Pool`]; dropping it, on any thread, returns it.
pub struct Pooled<T> {
    // Empty only inside `drop`.
    value: Option<Box<T>>,
    returns: Sender<Box<T>>,
}

impl<T> Pool<T> {
    /// A pool of `size` values made by `make`.
    pub fn new(size: usize, mut make: impl FnMut() -> T) -> Self {
        let (returns, free) = bounded(size.max(1));
        for _ in 0..size {
            // The channel has room for all values.
            let _ = returns.try_send(Box::new(make()));
        }
        Self { free, returns }
    }

    /// A free value, as its last owner left it; `None` if all are in use.
    pub fn take(&self) -> Option<Pooled<T>> {
        let value = self.free.try_recv().ok()?;
        Some(Pooled { value: Some(value), returns: self.returns.clone() })
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_deref().expect("a pooled value is present until dropped")
    }
}

impl<T> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("a pooled value is present until dropped")
    }
}

impl<T> Drop for Pooled<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            // Fails only if the pool is gone; the value is then freed.
            let _ = self.returns.try_send(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_reused_only_when_its_readers_are_gone() {
        let mut pool = SharedPool::new(2, || 0u32);
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

    #[test]
    fn a_pooled_value_returns_from_any_thread_and_outlives_its_pool() {
        let pool = Pool::new(2, || vec![0u32; 1]);
        let (mut a, b) = (pool.take().unwrap(), pool.take().unwrap());
        assert!(pool.take().is_none());
        a[0] = 7;
        std::thread::spawn(move || drop(a)).join().unwrap();
        let again = pool.take().unwrap();
        assert_eq!(again[0], 7, "returned as it was left");
        drop(pool);
        assert_eq!((again[0], b[0]), (7, 0));
    }
}
