//! Label placement: labels placed first keep their places; one that finds no free place is left out.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Most labels on a picture; more would not be readable.
const CAPACITY: usize = 128;

/// Places labels so that none overlaps another or leaves the canvas.
pub struct LabelPlacer {
    bounds: Rectangle,
    taken: [Rectangle; CAPACITY],
    count: usize,
}

impl LabelPlacer {
    /// A placer for an empty canvas of this size.
    pub fn new(size: Size) -> Self {
        let bounds = Rectangle::new(Point::zero(), size);
        Self { bounds, taken: [Rectangle::zero(); CAPACITY], count: 0 }
    }

    /// Reserves a rectangle, whether free or not.
    pub fn reserve(&mut self, place: Rectangle) {
        if let Some(slot) = self.taken.get_mut(self.count) {
            *slot = place;
            self.count += 1;
        }
    }

    /// Reserves and returns the first rectangle of `size` with its top left corner in `corners` that is on the canvas,
    /// a pixel from its edge, and touches nothing placed before.
    pub fn place(&mut self, size: Size, corners: impl IntoIterator<Item = Point>) -> Option<Rectangle> {
        let place = corners.into_iter().map(|corner| Rectangle::new(corner, size)).find(|p| self.free(p))?;
        self.reserve(place);
        Some(place)
    }

    /// `corner`, moved as little as possible so that `size` is on the canvas.
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
        let mut b = LabelPlacer::new(Size::new(60, 30));
        let wanted = [Point::new(50, 2), Point::new(10, 10), Point::new(10, 19)];
        assert_eq!(b.place(LABEL, wanted).unwrap().top_left, wanted[1]);
        assert_eq!(b.place(LABEL, wanted).unwrap().top_left, wanted[2]);
        assert!(b.place(LABEL, wanted).is_none());
    }

    #[test]
    fn clamping_brings_a_label_back_even_where_it_cannot_fit() {
        let b = LabelPlacer::new(Size::new(60, 30));
        assert_eq!(b.clamp(Point::new(-9, 99), LABEL), Point::new(1, 21));
        assert_eq!(b.clamp(Point::new(5, 5), Size::new(100, 100)), Point::new(1, 1));
    }

    #[test]
    fn a_full_canvas_takes_no_more_labels() {
        let mut b = LabelPlacer::new(Size::new(60, 30));
        (0..CAPACITY).for_each(|_| b.reserve(Rectangle::zero()));
        assert!(b.place(LABEL, [Point::new(5, 5)]).is_none());
    }
}
