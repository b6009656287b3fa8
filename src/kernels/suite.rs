//! One suite of properties for every table of kernels. A table that this CPU cannot run is named on standard
//! output, and fails the suite if [`REQUIRED`] names it.

mod int8;
mod moves;
mod picture;
mod soft_argmax;
mod sums;

use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::naive::{self, Planes};
use super::*;

pub(crate) fn table(name: &str) -> Option<&'static Kernels> {
    let found = available().into_iter().find(|k| k.name == name);
    if found.is_none() {
        println!("not tested on this CPU: {name}");
        let [_, required] = environment();
        assert_ne!(required.as_deref(), Some(name), "{name} kernels are required");
    }
    found
}

/// The tests of `body` in a module for each table; there, `this` is the table where this CPU has it.
macro_rules! for_every_table {
    (@ $name:ident { $($body:tt)* }) => {
        mod $name {
            use super::*;

            fn this() -> Option<&'static Kernels> {
                table(stringify!($name))
            }

            $($body)*
        }
    };
    ($body:tt $($name:ident)+) => { $(for_every_table!(@ $name $body);)+ };
    ($body:tt) => { for_every_table!($body scalar avx2 avxvnni avx512 avx512vnni amx neon dotprod); };
}
pub(crate) use for_every_table;

/// How often a property is tried.
pub(crate) fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) }
}

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Pcg64::seed_from_u64(seed);
    (0..count).map(|_| random.next_u32() as f32 / 2f32.powi(31) - 1.0).collect()
}

fn planes(seed: u64, c: usize, h: usize, w: usize) -> Planes {
    Planes { c, h, w, v: values(seed, c * h * w) }
}

/// `planes` in a map whose padding channels are NaN, which exposes a kernel that reads them.
fn load(map: &Map, planes: &Planes) -> Vec<f32> {
    let mut data = vec![f32::NAN; map.len];
    map.clear_border(&mut data);
    map.read_planes(&planes.v, &mut data);
    data
}

fn empty(map: &Map) -> Vec<f32> {
    let mut data = vec![f32::NAN; map.len];
    map.clear_border(&mut data);
    data
}

fn store(map: &Map, data: &[f32]) -> Vec<f32> {
    let mut planes = vec![0.0; map.values()];
    map.write_planes(data, &mut planes);
    let mut copy = data.to_vec();
    map.clear_border(&mut copy);
    let same = copy.iter().zip(data).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same, "a kernel wrote into the border");
    planes
}

fn padded(kernels: &Kernels, c: usize, h: usize, w: usize) -> Map {
    Map::bordered(c, h, w, c.next_multiple_of(kernels.lanes))
}

/// As [`padded`], without a border.
fn bare(kernels: &Kernels, c: usize, h: usize, w: usize) -> Map {
    Map::plain(c, h, w, c.next_multiple_of(kernels.lanes))
}

fn act(i: usize, channels: usize) -> Activation {
    match i {
        0 => Activation::None,
        1 => Activation::RELU,
        2 => Activation::Clamp { lo: -0.25, hi: 0.5 },
        3 => Activation::Slope(vec![0.1]),
        4 => Activation::Slope(values(9, channels)),
        _ => Activation::HardSwish,
    }
}

/// A layer's shape and what follows it.
#[derive(Clone, Debug)]
struct Case {
    ci: usize,
    co: usize,
    h: usize,
    w: usize,
    window: Window,
    act: usize,
    join: Option<ResidualPosition>,
    tight: bool,
    /// Without borders if none are needed.
    bare: bool,
    seed: u64,
}

fn case(size: impl Strategy<Value = usize>, stride: impl Strategy<Value = usize>) -> impl Strategy<Value = Case> {
    let join = prop_oneof![
        Just(None),
        Just(Some(ResidualPosition::BeforeActivation)),
        Just(Some(ResidualPosition::AfterActivation))
    ];
    let pad = (0..2usize, 0..2usize);
    let rest = any::<(bool, bool, u64)>();
    (1..20usize, 1..60usize, 1..14usize, 1..14usize, size, stride, pad, 0..6usize, join, rest).prop_map(
        |(ci, co, h, w, size, stride, pad, act, join, (tight, bare, seed))| {
            let before = if size == 1 { [0; 2] } else { [pad.0, pad.1] };
            let window = Window { size: [size; 2], stride: [stride; 2], before };
            Case { ci, co, h, w, window, act, join, tight, bare, seed }
        },
    )
}

/// Windows of 3x3 over one channel, with nothing between its values, along rows of some length: what first layers do.
fn few() -> impl Strategy<Value = Case> {
    (case(Just(3usize), 1..=3usize), 1..64usize).prop_map(|(case, w)| Case {
        ci: 1,
        tight: true,
        join: None,
        w,
        ..case
    })
}

impl Case {
    /// Output rows and columns with padding on the far sides too, unless a window would not fit.
    fn output(&self) -> Option<(usize, usize)> {
        let axis = |i: usize, n: usize| {
            let padded = n + 2 * self.window.before[i];
            padded.checked_sub(self.window.size[i]).map(|v| v / self.window.stride[i] + 1)
        };
        Some((axis(0, self.h)?, axis(1, self.w)?))
    }

    /// A map that nothing reads beyond its pixels.
    fn map(&self, kernels: &Kernels, c: usize, h: usize, w: usize) -> Map {
        if self.bare { bare(kernels, c, h, w) } else { padded(kernels, c, h, w) }
    }

    fn after(&self, kernels: &Kernels, h: usize, w: usize) -> (Epilogue, Option<Planes>, Vec<f32>) {
        let other = self.join.map(|join| (self.map(kernels, self.co, h, w), join));
        let planes = other.map(|_| planes(self.seed ^ 1, self.co, h, w));
        let data = other.iter().zip(&planes).map(|((map, _), p)| load(map, p)).next().unwrap_or_default();
        (
            Epilogue { bias: values(self.seed ^ 2, self.co), activation: act(self.act, self.co), residual: other },
            planes,
            data,
        )
    }

    fn check(
        &self,
        to: &Map,
        got: &[f32],
        after: &Epilogue,
        other: &Option<Planes>,
        sum: impl Fn(usize, usize, usize) -> naive::Exact,
    ) {
        for (i, got) in got.iter().enumerate() {
            let (c, y, x) = (i / (to.h * to.w), i / to.w % to.h, i % to.w);
            let other = other.as_ref().map(|o| (o.v[i], self.join.unwrap_or_default()));
            let want = naive::finish(sum(c, y, x), &after.activation, other, c);
            assert!(want.allows(*got), "channel {c}, row {y}, column {x}: {got}, not {want:?}");
        }
    }
}

/// What the module's documentation says about values that are not finite.
fn not_finite(kernels: &'static Kernels) {
    let (c, h, w) = (8, 9, 9);
    let map = padded(kernels, c, h, w);
    let weights: Vec<f32> = values(1, c * c * 9).iter().map(|v| v + 2.0).collect();
    let after = Epilogue { activation: Activation::RELU, ..Epilogue::default() };
    let conv = Conv::pack(kernels, map, map, Winograd::WINDOW, &weights, after.clone()).unwrap();
    for tile in [Tile::Two, Tile::Four] {
        let fast = Winograd::pack(kernels, tile, map, map, &weights, after.clone()).unwrap();
        let mut scratch = vec![0.0; fast.scratch()];
        for bad in [f32::NAN, f32::INFINITY] {
            let mut input = planes(2, c, h, w);
            input.v[4 * w + 4] = bad;
            let data = load(&map, &input);
            let (mut direct, mut tiled) = (empty(&map), empty(&map));
            conv.run(&data, None, &mut direct);
            fast.run(&data, None, &mut tiled, &mut scratch);
            let (direct, tiled) = (store(&map, &direct), store(&map, &tiled));
            for (i, (d, t)) in direct.iter().zip(&tiled).enumerate() {
                let (y, x) = (i / w % h, i % w);
                let touched = y.abs_diff(4) <= 1 && x.abs_diff(4) <= 1;
                assert_eq!(d.is_finite(), !touched, "direct, row {y}, column {x}: {d}");
                assert!(!touched || !t.is_finite(), "Winograd, row {y}, column {x}: {t}");
            }
            // The scratch memory holds NaN now; the next input is finite.
            let (clean, mut again) = (load(&map, &planes(3, c, h, w)), empty(&map));
            fast.run(&clean, None, &mut again, &mut scratch);
            assert!(store(&map, &again).iter().all(|v| v.is_finite()));
        }
    }
    for act in [
        Activation::RELU,
        Activation::Clamp { lo: 0.0, hi: 6.0 },
        Activation::Slope(vec![0.1]),
        Activation::HardSwish,
        Activation::Sigmoid,
    ] {
        let layer =
            Elementwise::pack(kernels, map, map, &[], Epilogue { activation: act.clone(), ..Epilogue::default() })
                .unwrap();
        let mut output = empty(&map);
        layer.run(&load(&map, &Planes { c, h, w, v: vec![f32::NAN; c * h * w] }), None, &mut output);
        assert!(store(&map, &output).iter().all(|v| v.is_nan()), "{act:?} hides a NaN");
        assert!(act.apply(f32::NAN, 0).is_nan());
    }
}

/// Sizes that do not belong together are errors, not panics.
fn refusals(kernels: &'static Kernels) {
    let (a, b) = (padded(kernels, 8, 6, 6), padded(kernels, 16, 3, 3));
    let w = vec![0.0; 16 * 8 * 9];
    let none = Epilogue::default;
    assert!(Conv::pack(kernels, a, b, Window::square(3, 2), &w, none()).is_ok());
    assert!(Conv::pack(kernels, a, b, Window::square(3, 2), &w[1..], none()).is_err());
    assert!(Conv::pack(kernels, a, b, Window::square(3, 3), &w, none()).is_err());
    assert!(Conv::pack(kernels, a, b, Window::square(5, 2), &w, none()).is_err());
    assert!(Conv::pack(kernels, a, b, Window { stride: [0, 0], ..Window::square(3, 1) }, &w, none()).is_err());
    assert!(Conv::fully_connected(kernels, a, b, &w, none()).is_err());
    assert!(Winograd::pack(kernels, Tile::Four, a, b, &w, none()).is_err());
    assert!(Depthwise::pack(kernels, a, b, Window::square(3, 2), &w[..72], none()).is_err());
    assert!(Pool::pack(kernels, a, b, Window::square(2, 2), Pooling::Max).is_err());
    assert!(Elementwise::pack(kernels, a, b, &[], none()).is_err());
    assert!(Replicate::pack(kernels, a, b, [2, 2], none()).is_err());
    let c = padded(kernels, 8, 3, 3);
    let (inside, outside) = (Between { first: 0, second: 2, part: 0.5 }, Between { first: 0, second: 6, part: 0.5 });
    assert!(Resize::pack(kernels, a, c, vec![inside; 3], vec![inside; 3]).is_ok());
    assert!(Resize::pack(kernels, a, c, vec![inside; 3], vec![outside; 3]).is_err());
    assert!(Resize::pack(kernels, a, c, vec![inside; 2], vec![inside; 3]).is_err());
    assert!(Resize::pack(kernels, a, b, vec![inside; 3], vec![inside; 3]).is_err());
    if kernels.lanes > 1 {
        // A register that is more than all channels cannot end with them.
        let narrow = Map::plain(kernels.lanes + 1, 3, 3, kernels.lanes + 1);
        let w = vec![0.0; narrow.c * 8 * 9];
        assert!(Conv::pack(kernels, a, narrow, Window::square(3, 2), &w, none()).is_err());
        assert!(Elementwise::pack(kernels, narrow, narrow, &[], none()).is_err());
    }
    let empty = padded(kernels, 0, 3, 3);
    assert!(Conv::pack(kernels, empty, b, Window::square(3, 1), &[], none()).is_err());
}

for_every_table!({
    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn dense_sums_are_within_the_rounding_bound(case in case(1..=3usize, 1..=3usize)) {
            this().into_iter().for_each(|k| sums::dense(k, &case));
        }

        #[test]
        fn sums_of_a_3x3_window_over_one_channel_are_within_the_rounding_bound(case in few()) {
            this().into_iter().for_each(|k| sums::dense(k, &case));
        }

        #[test]
        fn sums_of_pixels_that_touch_are_within_the_rounding_bound(case in case(1..=3usize, 1..=2usize)) {
            this().into_iter().for_each(|k| sums::touching(k, &case));
        }

        #[test]
        fn depthwise_sums_are_within_the_rounding_bound(case in case(Just(3usize), 1..=2usize)) {
            this().into_iter().for_each(|k| sums::depthwise(k, &case));
        }

        #[test]
        fn winograd_is_within_its_bound(case in case(Just(3usize), Just(1usize))) {
            this().into_iter().for_each(|k| sums::winograd(k, &case));
        }

        #[test]
        fn fully_connected_sums_are_within_the_rounding_bound(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| sums::connected(k, &case));
        }

        #[test]
        fn soft_argmax_follows_its_definition(size in (1..14usize, 1..14usize), points in 16..90usize, seed in any::<u64>()) {
            this().into_iter().for_each(|k| soft_argmax::means(k, size, points, seed));
        }

        #[test]
        fn pooling_follows_its_definition(case in case(2..=3usize, 1..=3usize)) {
            this().into_iter().for_each(|k| moves::pooling(k, &case));
        }

        #[test]
        fn pointwise_layers_follow_their_definition(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| moves::pointwise(k, &case));
        }

        #[test]
        fn resampling_follows_its_definition(view in picture::view()) {
            this().into_iter().for_each(|k| picture::resampling(k, &view));
        }

        #[test]
        fn colours_are_resampled_by_their_definition(view in picture::view()) {
            this().into_iter().for_each(|k| picture::colours(k, &view));
        }

        #[test]
        fn levels_follow_their_definitions(size in (1..70usize, 0..40usize), seed in any::<u64>()) {
            this().into_iter().for_each(|k| picture::levels(k, size, seed));
        }

        #[test]
        fn tones_follow_their_definitions(count in 0..700usize, seed in any::<u64>()) {
            this().into_iter().for_each(|k| picture::tones(k, count, seed));
        }

        #[test]
        fn enlargement_and_what_follows_are_as_defined(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| moves::enlargement(k, &case));
        }

        #[test]
        fn interpolation_follows_its_definition(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| moves::interpolation(k, &case));
        }

        #[test]
        fn replication_is_exact(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| moves::replication(k, &case));
        }
    }

    #[test]
    fn wide_depthwise_sums_are_within_the_rounding_bound() {
        this().into_iter().for_each(sums::wide);
    }

    #[test]
    fn pictures_that_are_not_there_and_positions_that_are_no_numbers_are_harmless() {
        this().into_iter().for_each(picture::extremes);
    }

    #[test]
    fn values_that_are_not_finite_follow_the_policy() {
        this().into_iter().for_each(not_finite);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        this().into_iter().for_each(refusals);
    }
});
