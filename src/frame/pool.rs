//! Values made at start that come back by themselves when the last reader lets go.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

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

/// A fixed set of reusable values that are lent to one holder at a time, who may change them.
///
/// Nothing is allocated after [`Shelf::new`].
pub struct Shelf<T> {
    free: Receiver<Box<T>>,
    home: Sender<Box<T>>,
}

/// A value on loan; goes back to its shelf when dropped, on whatever thread.
pub struct Loan<T> {
    // Empty only inside `drop`.
    value: Option<Box<T>>,
    home: Sender<Box<T>>,
}

impl<T> Shelf<T> {
    /// A shelf of `size` values made by `make`.
    pub fn new(size: usize, mut make: impl FnMut() -> T) -> Self {
        let (home, free) = bounded(size.max(1));
        for _ in 0..size {
            // The channel has room for every value there is.
            let _ = home.try_send(Box::new(make()));
        }
        Self { free, home }
    }

    /// A free value as its last holder left it; `None` where all are on loan.
    pub fn take(&self) -> Option<Loan<T>> {
        let value = self.free.try_recv().ok()?;
        Some(Loan { value: Some(value), home: self.home.clone() })
    }
}

impl<T> Deref for Loan<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value.as_deref().expect("a loan holds its value until dropped")
    }
}

impl<T> DerefMut for Loan<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("a loan holds its value until dropped")
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            // Fails only where the shelf is gone; the value goes with it.
            let _ = self.home.try_send(value);
        }
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

    #[test]
    fn a_loan_comes_back_from_any_thread_and_outlives_its_shelf() {
        let shelf = Shelf::new(2, || vec![0u32; 1]);
        let (mut a, b) = (shelf.take().unwrap(), shelf.take().unwrap());
        assert!(shelf.take().is_none());
        a[0] = 7;
        std::thread::spawn(move || drop(a)).join().unwrap();
        let again = shelf.take().unwrap();
        assert_eq!(again[0], 7, "handed on as it was left");
        drop(shelf);
        assert_eq!((again[0], b[0]), (7, 0));
    }
}
