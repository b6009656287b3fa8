//! Memory that starts at a cache line.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values that start at a cache line, so that no register of them straddles two.
#[derive(Debug, Default)]
pub struct Lines<T> {
    values: Vec<T>,
    /// Index of the first value, and their number.
    skip: usize,
    count: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// `count` values of the type's default.
    pub fn new(count: usize) -> Self {
        let slack = LINE / size_of::<T>().clamp(1, LINE);
        let values = vec![T::default(); count + slack];
        let skip = values.as_ptr().align_offset(LINE).min(slack);
        Self { values, skip, count }
    }

    /// A copy of `values`.
    pub fn of(values: &[T]) -> Self {
        let mut lines = Self::new(values.len());
        lines.copy_from_slice(values);
        lines
    }
}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[self.skip..self.skip + self.count]
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.skip..self.skip + self.count]
    }
}

impl<T: Copy + Default> Clone for Lines<T> {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_start_at_a_line_wherever_the_allocator_puts_them() {
        for count in [0, 1, 7, 100, 40_000] {
            let numbers: Vec<i16> = (0..count).collect::<Vec<i32>>().iter().map(|n| *n as i16).collect();
            let lines = Lines::of(&numbers);
            assert_eq!(lines.as_ptr() as usize % LINE, 0);
            assert_eq!(&lines[..], &numbers[..]);
            assert_eq!(&lines.clone()[..], &numbers[..]);
        }
    }
}
