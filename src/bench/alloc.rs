//! An allocator that counts, so that "allocates nothing" is measured.
//!
//! Tests install it, and so does the program with the feature `count-allocations`. Each allocation costs three extra
//! additions, one of them to a counter that all threads share. The memory itself comes from the system allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    // Constant and without a destructor: reading it never allocates, and it outlives every other value.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

static ALL: AtomicU64 = AtomicU64::new(0);

/// The system allocator with counters; see [`on_this_thread`] and [`in_all`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

/// Allocations of one thread so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Calls that allocated or grew memory.
    pub count: u64,
    /// Bytes that they requested.
    pub bytes: u64,
}

impl Allocations {
    /// The difference since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Allocations) -> Allocations {
        Allocations { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

/// What the calling thread has allocated so far; always 0 unless [`Counting`] is the global allocator.
pub fn on_this_thread() -> Allocations {
    Allocations { count: COUNT.get(), bytes: BYTES.get() }
}

/// Calls of all threads so far that allocated or grew memory; always 0 unless [`Counting`] is the global allocator.
pub fn in_all() -> u64 {
    ALL.load(Relaxed)
}

/// True if [`Counting`] is the global allocator, so that a count of 0 means something.
pub fn is_counting() -> bool {
    let before = on_this_thread();
    drop(std::hint::black_box(Box::new(1u8)));
    on_this_thread() != before
}

fn count(bytes: usize) {
    ALL.fetch_add(1, Relaxed);
    COUNT.set(COUNT.get().wrapping_add(1));
    BYTES.set(BYTES.get().wrapping_add(bytes as u64));
}

// SAFETY: every call is passed unchanged to `System`, which has the same contract; `count` touches only
// three integers and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: `block` came from `System` with `layout`, as every block of this allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with `layout`, as every block of this allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
