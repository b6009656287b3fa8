//! Positions of the pixels of tiles in memory.

/// The most pixels of one tile.
const MAX_PIXELS: usize = 12;

/// Positions of pixels in memory: `at + y * row + x * pixel`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grid {
    pub at: usize,
    pub row: usize,
    pub pixel: usize,
}

impl Grid {
    #[inline]
    pub fn of(map: &crate::kernels::Map) -> Self {
        Self { at: map.origin, row: map.row, pixel: map.pitch }
    }

    #[inline]
    pub fn offset(&self, y: usize, x: usize) -> usize {
        self.at + y * self.row + x * self.pixel
    }
}

/// Where the pixels of a sweep are read, where their residual is, and where they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grids {
    pub from: Grid,
    pub residual: Option<Grid>,
    pub to: Grid,
}

/// Offsets of a tile's pixels from the base pointers of a [`Job`](crate::kernels::layers::f32::tile::Job).
pub(crate) struct PixelOffsets {
    input: Offsets,
    output: Offsets,
    residual: Offsets,
}

/// Offsets of pixels in one map.
struct Offsets {
    /// Added to each offset.
    base: usize,
    each: [usize; MAX_PIXELS],
}

impl Offsets {
    /// Pixels in a row.
    fn line(grid: Grid) -> Self {
        let mut each = [0; MAX_PIXELS];
        for (i, at) in each.iter_mut().enumerate() {
            *at = i * grid.pixel;
        }
        Self { base: 0, each }
    }

    /// Sets `count` offsets from the `first` on to pixels in a row.
    fn set(&mut self, (first, count): (usize, usize), at: usize, grid: Grid) {
        for (i, to) in self.each[first..first + count].iter_mut().enumerate() {
            *to = at + i * grid.pixel;
        }
    }

    #[inline(always)]
    fn at(&self, pixel: usize) -> usize {
        self.base + self.each[pixel]
    }
}

impl PixelOffsets {
    fn line(Grids { from, residual, to }: Grids) -> Self {
        let line = Offsets::line;
        Self { input: line(from), output: line(to), residual: line(residual.unwrap_or_default()) }
    }

    /// Moves pixels in a row to pixel `(y, x)`.
    fn start(&mut self, Grids { from, residual, to }: Grids, (y, x): (usize, usize)) {
        self.input.base = from.offset(y, x);
        self.output.base = to.offset(y, x);
        self.residual.base = residual.map_or(0, |b| b.offset(y, x));
    }

    /// Sets `count` pixels from the `first` on to those in a row from pixel `(y, x)` on.
    fn set(&mut self, part: (usize, usize), Grids { from, residual, to }: Grids, (y, x): (usize, usize)) {
        self.input.set(part, from.offset(y, x), from);
        self.output.set(part, to.offset(y, x), to);
        if let Some(residual) = residual {
            self.residual.set(part, residual.offset(y, x), residual);
        }
    }

    #[inline(always)]
    pub fn input(&self, pixel: usize) -> usize {
        self.input.at(pixel)
    }

    #[inline(always)]
    pub fn output(&self, pixel: usize) -> usize {
        self.output.at(pixel)
    }

    #[inline(always)]
    pub fn residual(&self, pixel: usize) -> usize {
        self.residual.at(pixel)
    }
}

/// Goes over the pixels of a grid row by row, some at a time. Most tiles are within one row: only the offset of their
/// first pixel changes.
pub(crate) struct Walk {
    grids: Grids,
    columns: usize,
    at: (usize, usize),
    line: PixelOffsets,
    /// For tiles that continue in the next row.
    bent: Option<PixelOffsets>,
}

impl Walk {
    pub fn new(grids: Grids, columns: usize) -> Self {
        Self { grids, columns, at: (0, 0), line: PixelOffsets::line(grids), bent: None }
    }

    /// Back to the first pixel.
    pub fn restart(&mut self) {
        self.at = (0, 0);
    }

    /// The next `count` pixels, as many as a tile has.
    #[inline]
    pub fn next(&mut self, count: usize) -> &PixelOffsets {
        if count <= self.columns - self.at.1 {
            self.line.start(self.grids, self.at);
            pass(&mut self.at, self.columns, count);
            return &self.line;
        }
        let bent = self.bent.get_or_insert_with(|| PixelOffsets::line(self.grids));
        let mut done = 0;
        while done < count {
            let some = (count - done).min(self.columns - self.at.1);
            bent.set((done, some), self.grids, self.at);
            pass(&mut self.at, self.columns, some);
            done += some;
        }
        bent
    }
}

/// Advances by `count` pixels, which do not go beyond the row.
fn pass(at: &mut (usize, usize), columns: usize, count: usize) {
    let (y, x) = *at;
    *at = if x + count == columns { (y + 1, 0) } else { (y, x + count) };
}
