//! What the tables of x86-64 have in common: how an instruction set's registers become kernels.

/// Methods of an instruction set that only name an intrinsic.
macro_rules! intrinsics {
    ($($name:ident($($arg:ident: $type:ty),+) -> $to:ty = $intrinsic:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $type),+) -> $to {
            // SAFETY: a value of this type proves that the CPU has the instruction.
            unsafe { $intrinsic($($arg),+) }
        }
    )+};
}
pub(super) use intrinsics;

/// Transposes the 4 x 4 floats in each place of four lanes: by pairs of floats, then by pairs of these.
macro_rules! turn {
    ($v:ty: $low:ident $high:ident, $low_pairs:ident $high_pairs:ident, $pairs:ident $floats:ident) => {
        #[inline(always)]
        fn turn(self, [a, b, c, d]: [$v; 4]) -> [$v; 4] {
            // SAFETY: a value of this type proves that the CPU has the instructions.
            unsafe {
                let (low, high) = ($pairs($low(a, b)), $pairs($high(a, b)));
                let (low_below, high_below) = ($pairs($low(c, d)), $pairs($high(c, d)));
                [
                    $floats($low_pairs(low, low_below)),
                    $floats($high_pairs(low, low_below)),
                    $floats($low_pairs(high, high_below)),
                    $floats($high_pairs(high, high_below)),
                ]
            }
        }
    };
}
pub(super) use turn;

/// Functions compiled for an instruction set that run a generic kernel.
macro_rules! stamp {
    ($isa:expr, $features:literal: $($name:ident($job:ty) = $kernel:path;)+) => {$(
        /// # Safety
        /// As the generic kernel, on a CPU with these features.
        #[target_feature(enable = $features)]
        unsafe fn $name(job: &$job) {
            // SAFETY: same contract.
            unsafe { $kernel($isa, job) }
        }
    )+};
}
pub(super) use stamp;

/// The table `TABLE` of all float kernels of an instruction set, of which `dense` is the tile.
macro_rules! table {
    (
        $isa:ty = $value:expr, $features:literal, $name:literal, tiles: $tiles:tt, panel: $panel:expr,
        strip: $pixels:literal $(or $strip:expr)*, int8: $int8:expr
    ) => {
        /// # Safety
        /// As [`tile`](crate::kernels::tile::tile), on a CPU with these features.
        #[target_feature(enable = $features)]
        unsafe fn dense<const P: usize, const N: usize>(job: &tile::Job, spots: &tile::Spots) {
            // SAFETY: same contract.
            unsafe { tile::tile::<$isa, P, N>($value, job, spots) }
        }

        stamp! { $value, $features:
            spread_two(winograd::Spread) = winograd::spread::<_, winograd::Two, 4, 2>;
            spread_four(winograd::Spread) = winograd::spread::<_, winograd::Four, 6, 4>;
            gather_two(winograd::Gather) = winograd::gather::<_, winograd::Two, 4, 2>;
            gather_four(winograd::Gather) = winograd::gather::<_, winograd::Four, 6, 4>;
            depthwise_full(depthwise::Job) = depthwise::depthwise::<_, 1>;
            depthwise_half(depthwise::Job) = depthwise::depthwise::<_, 2>;
            pool_(pool::Job) = pool::pool;
            replicate(pool::ReplicateJob) = pool::replicate;
            resize_(resize::Job) = resize::resize;
            point_(point::Job) = point::point;
            sample_(sample::Job) = sample::sample;
            reduce(sample::Reduction) = sample::reduce;
            thin(level::Thinning) = level::thin;
            bounds(level::Bounding) = level::bounds;
            classes(level::Classing) = level::classes;
            scale(tone::Counted<f32>) = tone::scale;
            bins(tone::Counted<u32>) = tone::bins;
            tones(tone::Counted<f32>) = tone::tones;
            blend(tone::Mixing<f32>) = tone::blend;
            levels(tone::Mixing<u8>) = tone::levels;
            stretch(level::Stretching) = level::stretch;
            votes_(votes::Job) = votes::votes;
            planes_(planes::Job) = planes::planes;
            strip_(strip::Strip) = strip::strip::<_, $pixels>;
        }

        const LANES: usize = <$isa as Isa>::LANES;

        const TABLE: Kernels = Kernels {
            name: $name,
            lanes: LANES,
            tiles: tile::tiles!([dense] * LANES: $tiles),
            panel: $panel,
            int8: $int8,
            spread: [spread_two, spread_four],
            gather: [gather_two, gather_four],
            depthwise: depthwise_full,
            depthwise_half,
            pool: pool_,
            replicate,
            resize: resize_,
            point: point_,
            sample: sample_,
            reduce,
            thin,
            bounds,
            classes,
            stretch,
            scale,
            bins,
            tones,
            blend,
            levels,
            votes: votes_,
            planes: Some(planes_),
            strips: &[strip::Kernel { lanes: LANES, pixels: $pixels, run: strip_ } $(, $strip)*],
        };
    };
}
pub(super) use table;
