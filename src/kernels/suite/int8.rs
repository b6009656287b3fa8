//! Every table's int8 kernels give the bits that the definition gives.

mod limits;

use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::{cases, for_every_table, table};
use crate::kernels::layers::int8::memory::numbers;
use crate::kernels::layers::quant::Storage;
use crate::kernels::{
    Activation, AddRequantise, Conv, Conv8, Epilogue, Into8, Kernels, Map, Quant, Quantise, Sums, Tile, Window,
    Winograd, Winograd8,
};

/// Numbers by channel, row, column, and what they stand for.
#[derive(Clone, Debug)]
struct Planes {
    c: usize,
    h: usize,
    w: usize,
    quant: Quant,
    q: Vec<i32>,
}

fn random(seed: u64, count: usize, low: i32, high: i32) -> Vec<i32> {
    let mut random = Pcg64::seed_from_u64(seed);
    let span = (high - low + 1) as u32;
    // Every fourth is an extreme.
    let mut one = || match random.next_u32() % 8 {
        0 => low,
        1 => high,
        _ => low + (random.next_u32() % span) as i32,
    };
    (0..count).map(|_| one()).collect()
}

fn quant(seed: u64) -> Quant {
    let mut random = Pcg64::seed_from_u64(seed);
    let signed = random.next_u32().is_multiple_of(2);
    let zero = match random.next_u32() % 4 {
        0 => 0,
        1 => 255,
        _ => (random.next_u32() % 256) as i32,
    };
    let scale = 0.001 + random.next_u32() as f32 / 2f32.powi(32);
    Quant { scale, zero: if signed { zero - 128 } else { zero }, signed }
}

impl Planes {
    fn random(seed: u64, (c, h, w): (usize, usize, usize)) -> Self {
        let quant = quant(seed);
        let (low, high) = quant.range();
        Self { c, h, w, quant, q: random(seed ^ 77, c * h * w, low, high) }
    }

    /// Steps from zero; none outside.
    fn at(&self, c: usize, y: isize, x: isize) -> i32 {
        let inside = y >= 0 && x >= 0 && y < self.h as isize && x < self.w as isize;
        if inside { self.q[(c * self.h + y as usize) * self.w + x as usize] - self.quant.zero } else { 0 }
    }

    /// In a map of these kernels, with numbers in the padding channels that must not matter.
    fn load(&self, kernels: &Kernels) -> (Map, Vec<f32>) {
        self.load_in(kernels, kernels.int8_map(self.c, self.h, self.w))
    }

    fn load_in(&self, kernels: &Kernels, map: Map) -> (Map, Vec<f32>) {
        let mut memory = vec![f32::from_bits(0x7b7b_7b7b); kernels.int8_memory(map.len)];
        kernels.int8_clear(&map, &self.quant, &mut memory);
        let stored = kernels.int8.storage.zero(&self.quant);
        for i in 0..self.q.len() {
            let (c, y, x) = (i / (self.h * self.w), i / self.w % self.h, i % self.w);
            let (at, value) = (map.at(y, x) + c, self.q[i] - self.quant.zero + stored);
            match kernels.int8.storage {
                Storage::I16 => numbers::<i16>(&mut memory)[at] = value as i16,
                Storage::I8 => numbers::<i8>(&mut memory)[at] = value as i8,
                Storage::U8 => numbers::<u8>(&mut memory)[at] = value as u8,
            }
        }
        (map, memory)
    }
}

/// An empty map for results, and its memory.
fn empty(kernels: &Kernels, (c, h, w): (usize, usize, usize), into: &Into8) -> (Map, Vec<f32>) {
    match into {
        Into8::Numbers(q) => {
            let map = kernels.int8_map(c, h, w);
            let mut memory = vec![0.0; kernels.int8_memory(map.len)];
            kernels.int8_clear(&map, q, &mut memory);
            (map, memory)
        }
        Into8::Floats => {
            let map = Map::bordered(c, h, w, c.next_multiple_of(kernels.lanes));
            (map, vec![0.0; map.len])
        }
    }
}

/// The results: numbers, or the bits of floats. The border must be as it was.
fn results(kernels: &Kernels, map: &Map, memory: &mut [f32], into: &Into8) -> Vec<i32> {
    let before = memory.to_vec();
    let Into8::Numbers(quant) = into else {
        map.clear_border(memory);
        assert!(before.iter().zip(&*memory).all(|(a, b)| a.to_bits() == b.to_bits()), "the border was written to");
        let mut planes = vec![0.0; map.values()];
        map.write_planes(memory, &mut planes);
        return planes.iter().map(|v| v.to_bits() as i32).collect();
    };
    kernels.int8_clear(map, quant, memory);
    assert!(before.iter().zip(&*memory).all(|(a, b)| a.to_bits() == b.to_bits()), "the border was written to");
    let stored = kernels.int8.storage.zero(quant);
    let places = (0..map.values()).map(|i| map.at(i / map.w % map.h, i % map.w) + i / (map.h * map.w));
    let read = places.map(|at| match kernels.int8.storage {
        Storage::I16 => i32::from(numbers::<i16>(memory)[at]),
        Storage::I8 => i32::from(numbers::<i8>(memory)[at]),
        Storage::U8 => i32::from(numbers::<u8>(memory)[at]),
    });
    read.map(|v| v - stored + quant.zero).collect()
}

/// The definition of what becomes of a scaled sum.
fn finish(v: f32, act: &Activation, into: &Into8) -> i32 {
    match into {
        Into8::Floats => (act.apply(v, 0)).to_bits() as i32,
        Into8::Numbers(q) => {
            let (low, high) = q.range();
            let (lo, hi) = match act {
                Activation::Clamp { lo, hi } => (lo / q.scale, hi / q.scale),
                _ => (f32::NEG_INFINITY, f32::INFINITY),
            };
            let v = v.clamp(lo, hi).clamp(-1e6, 1e6);
            (v.round_ties_even() as i32 + q.zero).clamp(low, high)
        }
    }
}

/// A convolution's shape, and what it becomes.
#[derive(Clone, Debug)]
struct Case {
    ci: usize,
    co: usize,
    h: usize,
    w: usize,
    window: Window,
    act: Activation,
    into: Into8,
    seed: u64,
}

fn case(size: impl Strategy<Value = usize>, stride: impl Strategy<Value = usize>) -> impl Strategy<Value = Case> {
    let pad = (0..2usize, 0..2usize);
    (1..40usize, 1..60usize, 1..14usize, 1..14usize, size, stride, pad, 0..3usize, any::<(bool, u64)>()).prop_map(
        |(ci, co, h, w, size, stride, pad, act, (floats, seed))| {
            let before = if size == 1 { [0; 2] } else { [pad.0, pad.1] };
            let window = Window { size: [size; 2], stride: [stride; 2], before };
            let act = [Activation::None, Activation::RELU, Activation::Clamp { lo: -1.5, hi: 6.0 }][act].clone();
            let into = if floats { Into8::Floats } else { Into8::Numbers(quant(seed ^ 5)) };
            Case { ci, co, h, w, window, act, into, seed }
        },
    )
}

/// Weights, scales and biases.
struct Numbers {
    weights: Vec<i8>,
    scale: Vec<f32>,
    bias: Vec<i32>,
}

impl Numbers {
    fn layer(&self, input: &Planes) -> Sums<'_> {
        Sums { from: input.quant, weights: &self.weights, scale: &self.scale, bias: &self.bias }
    }
}

impl Case {
    fn output(&self) -> Option<(usize, usize, usize)> {
        let axis = |i: usize, n: usize| {
            let padded = n + 2 * self.window.before[i];
            padded.checked_sub(self.window.size[i]).map(|v| v / self.window.stride[i] + 1)
        };
        Some((self.co, axis(0, self.h)?, axis(1, self.w)?))
    }

    fn numbers(&self) -> Numbers {
        let depth = self.ci * self.window.size[0] * self.window.size[1];
        let weights = random(self.seed ^ 1, self.co * depth, -127, 127).iter().map(|w| *w as i8).collect();
        let bias = random(self.seed ^ 2, self.co, -20_000, 20_000);
        let scale = random(self.seed ^ 3, self.co, 1, 1000).iter().map(|s| *s as f32 / 3e5).collect();
        Numbers { weights, scale, bias }
    }

    /// What was packed, unless a step of the sum is one of the output or more: then it must be an error.
    fn packed<T: std::fmt::Debug>(&self, input: &Planes, n: &Numbers, packed: crate::error::Result<T>) -> Option<T> {
        let step = |q: &Quant| n.scale.iter().any(|s| input.quant.scale * s / q.scale >= 1.0);
        if !matches!(&self.into, Into8::Numbers(q) if step(q)) {
            return Some(packed.unwrap());
        }
        assert!(packed.unwrap_err().to_string().contains("a step of the sum"));
        None
    }

    fn wanted(&self, input: &Planes, n: &Numbers, (co, h, w): (usize, usize, usize)) -> Vec<i32> {
        let [kh, kw] = self.window.size;
        let one = |o: usize, y: usize, x: usize| {
            let mut sum = i64::from(n.bias[o]);
            for c in 0..self.ci {
                for tap in 0..kh * kw {
                    let yy = (y * self.window.stride[0] + tap / kw) as isize - self.window.before[0] as isize;
                    let xx = (x * self.window.stride[1] + tap % kw) as isize - self.window.before[1] as isize;
                    let weight = n.weights[(o * self.ci + c) * kh * kw + tap];
                    sum += i64::from(weight) * i64::from(input.at(c, yy, xx));
                }
            }
            let step = if let Into8::Numbers(q) = &self.into { q.scale } else { 1.0 };
            finish(sum as f32 * (input.quant.scale * n.scale[o] / step), &self.act, &self.into)
        };
        (0..co * h * w).map(|i| one(i / (h * w), i / w % h, i % w)).collect()
    }
}

fn convolution(kernels: &'static Kernels, case: &Case) {
    convolves(kernels, case, &Planes::random(case.seed, (case.ci, case.h, case.w)), &case.numbers());
}

fn convolves(kernels: &'static Kernels, case: &Case, input: &Planes, n: &Numbers) {
    let Some(size) = case.output() else { return };
    let wanted = case.wanted(input, n, size);
    let narrow = kernels.int8_narrow(case.ci, case.h, case.w).map(|map| input.load_in(kernels, map));
    for (from, data) in [input.load(kernels)].into_iter().chain(narrow) {
        let (to, mut output) = empty(kernels, size, &case.into);
        let conv = Conv8::pack(kernels, (from, to), case.window, &n.layer(input), &case.act, &case.into);
        let Some(conv) = case.packed(input, n, conv) else { return };
        conv.run(&data, &mut output);
        assert_eq!(results(kernels, &to, &mut output, &case.into), wanted);
    }
}

/// Floats of pixels that touch, though their channels fill no whole registers.
fn touching(kernels: &'static Kernels, case: &Case) {
    let case = Case { co: 8 * kernels.lanes + case.co, into: Into8::Floats, ..case.clone() };
    let Some(size) = case.output() else { return };
    let (input, n) = (Planes::random(case.seed, (case.ci, case.h, case.w)), case.numbers());
    let ((from, data), to) = (input.load(kernels), Map::plain(size.0, size.1, size.2, size.0));
    let mut output = vec![7.0; to.len + 3];
    let conv = Conv8::pack(kernels, (from, to), case.window, &n.layer(&input), &case.act, &case.into).unwrap();
    conv.run(&data, &mut output);
    assert_eq!(output[to.len..], [7.0; 3], "beyond the end");
    assert_eq!(results(kernels, &to, &mut output[..to.len], &case.into), case.wanted(&input, &n, size));
}

fn winograd(kernels: &'static Kernels, case: &Case) {
    let case = Case { window: Winograd::WINDOW, ..case.clone() };
    filters(kernels, &case, &Planes::random(case.seed, (case.ci, case.h, case.w)), &case.numbers());
}

fn filters(kernels: &'static Kernels, case: &Case, input: &Planes, n: &Numbers) {
    if kernels.int8.winograd.is_none() {
        return;
    }
    let size = (case.co, case.h, case.w);
    let wanted = case.wanted(input, n, size);
    for tile in [Tile::Two, Tile::Four] {
        let ((from, data), (to, mut output)) = (input.load(kernels), empty(kernels, size, &case.into));
        let conv = Winograd8::pack(kernels, tile, (from, to), &n.layer(input), &case.act, &case.into);
        let Some(conv) = case.packed(input, n, conv) else { return };
        conv.run(&data, &mut output, &mut vec![f32::NAN; conv.scratch()]);
        assert_eq!(results(kernels, &to, &mut output, &case.into), wanted, "{tile:?}");
    }
}

fn rounding(kernels: &'static Kernels, case: &Case) {
    let (size, quant) = ((case.co, case.h, case.w), quant(case.seed));
    let into = Into8::Numbers(quant);
    let (from, _) = empty(kernels, size, &Into8::Floats);
    // Halves between two numbers, too, where the scale is a power of two.
    let quant = Quant { scale: if case.ci > 20 { 0.25 } else { quant.scale }, ..quant };
    let values: Vec<f32> = random(case.seed ^ 4, from.values(), -2400, 2400).iter().map(|v| *v as f32 / 8.0).collect();
    let want: Vec<i32> =
        values.iter().map(|v| finish(v * quant.scale.recip(), &Activation::None, &Into8::Numbers(quant))).collect();
    let (c, h, w) = size;
    let rows = kernels.int8_narrow(c, h, w).map(|to| (Map::plain(c, h, w, c), to));
    for (from, to) in [(from, kernels.int8_map(c, h, w))].into_iter().chain(rows) {
        let (mut data, mut output) = (vec![0.0; from.len], vec![0.0; kernels.int8_memory(to.len)]);
        from.read_planes(&values, &mut data);
        kernels.int8_clear(&to, &quant, &mut output);
        Quantise::pack(kernels, from, to, &quant).unwrap().run(&data, &mut output);
        assert_eq!(results(kernels, &to, &mut output, &into), want);
    }
}

/// A convolution of floats that rounds gives what one that does not and rounding after it give.
fn rounding_convolution(kernels: &'static Kernels, case: &Case) {
    let Some(size) = case.output().filter(|_| kernels.quantises_in_conv()) else { return };
    let quant = quant(case.seed);
    let into = Into8::Numbers(quant);
    let random = |salt: u64, count: usize| -> Vec<f32> {
        random(case.seed ^ salt, count, -2400, 2400).iter().map(|v| *v as f32 / 2048.0).collect()
    };
    let from =
        Map::bordered(case.ci, case.h, case.w, if case.ci == 1 { 1 } else { case.ci.next_multiple_of(kernels.lanes) });
    let (middle, mut floats) = empty(kernels, size, &Into8::Floats);
    let (to, mut output) = empty(kernels, size, &into);
    let mut data = vec![0.0; from.len];
    from.read_planes(&random(1, from.values()), &mut data);
    let weights = random(2, case.ci * case.co * case.window.size[0] * case.window.size[1]);
    let after = |other| Epilogue { bias: random(3, case.co), activation: case.act.clone(), residual: other };
    // Sometimes with a residual.
    let added = (case.ci > 20).then(|| (middle, Default::default()));
    let beside = random(4, middle.len);
    let other = added.is_some().then_some(&beside[..]);
    Conv::pack(kernels, from, middle, case.window, &weights, after(added)).unwrap().run(&data, other, &mut floats);
    let (_, mut wanted) = empty(kernels, size, &into);
    Quantise::pack(kernels, middle, to, &quant).unwrap().run(&floats, &mut wanted);
    let conv = Conv::quantising(kernels, (from, to), case.window, &weights, after(added), &quant).unwrap();
    conv.run(&data, other, &mut output);
    let wanted = results(kernels, &to, &mut wanted, &into);
    assert_eq!(results(kernels, &to, &mut output, &into), wanted);
}

fn mixing(kernels: &'static Kernels, case: &Case) {
    let repeat = [case.window.size[0], case.window.stride[0]];
    let size = (case.co, case.h * repeat[0], case.w * repeat[1]);
    let input = Planes::random(case.seed, (case.co, case.h, case.w));
    let other = (case.ci > 10).then(|| Planes::random(case.seed ^ 9, size));
    let (from, data) = input.load(kernels);
    let beside = other.as_ref().map(|o| o.load(kernels));
    let (to, mut output) = empty(kernels, size, &case.into);
    let second = other.as_ref().zip(beside.as_ref()).map(|(o, b)| (b.0, o.quant));
    let mix = AddRequantise::pack(kernels, (from, input.quant), second, repeat, to, &case.act, &case.into).unwrap();
    mix.run(&data, beside.as_ref().map(|b| &b.1[..]), &mut output);
    let step = if let Into8::Numbers(q) = &case.into { q.scale } else { 1.0 };
    let want = (0..to.values()).map(|i| {
        let (c, y, x) = (i / (size.1 * size.2), i / size.2 % size.1, i % size.2);
        let part = |p: &Planes, y: usize, x: usize| p.at(c, y as isize, x as isize) as f32 * (p.quant.scale / step);
        let v = part(&input, y / repeat[0], x / repeat[1]);
        finish(other.as_ref().map_or(v, |o| v + part(o, y, x)), &case.act, &case.into)
    });
    assert_eq!(results(kernels, &to, &mut output, &case.into), want.collect::<Vec<_>>());
}

for_every_table!({
    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn convolutions_are_exact(case in case(1..=3usize, 1..=3usize)) {
            this().into_iter().for_each(|k| convolution(k, &case));
        }

        #[test]
        fn convolutions_of_few_channels_are_exact(case in case(1..=3usize, 1..=3usize), ci in 1..4usize, w in 1..64usize) {
            this().into_iter().for_each(|k| convolution(k, &Case { ci, w, ..case.clone() }));
        }

        #[test]
        fn pixels_that_touch_are_exact(case in case(1..=3usize, 1..=2usize)) {
            this().into_iter().for_each(|k| touching(k, &case));
        }

        #[test]
        fn winograd_is_exact(case in case(Just(3usize), Just(1usize))) {
            this().into_iter().for_each(|k| winograd(k, &case));
        }

        #[test]
        fn rounding_is_exact(case in case(Just(1usize), Just(1usize))) {
            this().into_iter().for_each(|k| rounding(k, &case));
        }

        #[test]
        fn rounding_few_channels_is_exact(case in case(Just(1usize), Just(1usize)), co in 1..4usize, w in 1..150usize) {
            this().into_iter().for_each(|k| rounding(k, &Case { co, w, ..case.clone() }));
        }

        #[test]
        fn rounding_on_the_way_is_exact(case in case(1..=3usize, 1..=3usize)) {
            this().into_iter().for_each(|k| rounding_convolution(k, &case));
        }

        #[test]
        fn rounding_on_the_way_from_one_channel_is_exact(case in case(Just(3usize), 1..=3usize), w in 1..64usize) {
            this().into_iter().for_each(|k| rounding_convolution(k, &Case { ci: 1, w, ..case.clone() }));
        }

        #[test]
        fn mixtures_are_exact(case in case(1..=3usize, 1..=3usize)) {
            this().into_iter().for_each(|k| mixing(k, &case));
        }
    }

    #[test]
    fn the_largest_sums_are_exact() {
        this().into_iter().for_each(limits::extremes);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        this().into_iter().for_each(limits::refusals);
    }
});
