//! Where labels go: what is placed first keeps its place, what finds none is left out.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Labels a picture may hold; more would not be read.
const CAPACITY: usize = 128;

/// The places taken on a picture.
pub struct Board {
    bounds: Rectangle,
    taken: [Rectangle; CAPACITY],
    count: usize,
}

impl Board {
    /// An empty picture of this size.
    pub fn new(size: Size) -> Self {
        let bounds = Rectangle::new(Point::zero(), size);
        Self { bounds, taken: [Rectangle::zero(); CAPACITY], count: 0 }
    }

    /// Takes a place, whether free or not.
    pub fn take(&mut self, place: Rectangle) {
        if let Some(slot) = self.taken.get_mut(self.count) {
            *slot = place;
            self.count += 1;
        }
    }

    /// Takes the first of `corners` (top left) where `size` lies on the picture, a pixel from its
    /// edge, and touches nothing placed before.
    pub fn settle(&mut self, size: Size, corners: impl IntoIterator<Item = Point>) -> Option<Rectangle> {
        let place = corners.into_iter().map(|corner| Rectangle::new(corner, size)).find(|p| self.free(p))?;
        self.take(place);
        Some(place)
    }

    /// `corner` moved by as little as brings `size` onto the picture.
    pub fn clamp(&self, corner: Point, size: Size) -> Point {
        let most = |room: u32, need: u32| (room as i32).saturating_sub(need as i32 + 1).max(1);
        let (w, h) = (self.bounds.size.width, self.bounds.size.height);
        Point::new(corner.x.clamp(1, most(w, size.width)), corner.y.clamp(1, most(h, size.height)))
    }

    fn free(&self, place: &Rectangle) -> bool {
        let halo = place.offset(1);
        self.count < CAPACITY
            && halo.intersection(&self.bounds) == halo
            && self.taken.iter().take(self.count).all(|t| t.intersection(&halo).is_zero_sized())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Size = Size::new(20, 8);

    #[test]
    fn labels_yield_to_earlier_ones_and_to_the_edge() {
        let mut b = Board::new(Size::new(60, 30));
        let wanted = [Point::new(50, 2), Point::new(10, 10), Point::new(10, 19)];
        assert_eq!(b.settle(LABEL, wanted).unwrap().top_left, wanted[1]);
        assert_eq!(b.settle(LABEL, wanted).unwrap().top_left, wanted[2]);
        assert!(b.settle(LABEL, wanted).is_none());
    }

    #[test]
    fn clamping_brings_a_label_back_even_where_it_cannot_fit() {
        let b = Board::new(Size::new(60, 30));
        assert_eq!(b.clamp(Point::new(-9, 99), LABEL), Point::new(1, 21));
        assert_eq!(b.clamp(Point::new(5, 5), Size::new(100, 100)), Point::new(1, 1));
    }

    #[test]
    fn a_full_board_takes_no_more() {
        let mut b = Board::new(Size::new(60, 30));
        (0..CAPACITY).for_each(|_| b.take(Rectangle::zero()));
        assert!(b.settle(LABEL, [Point::new(5, 5)]).is_none());
    }
}
