//! Properties of the kernels that read pictures.

use super::*;

/// A picture, a lattice over it and an output's size.
#[derive(Clone, Debug)]
pub(crate) struct View {
    picture: (usize, usize),
    lattice: Lattice,
    output: (usize, usize),
    seed: u64,
}

/// Rotated views, and upright ones whose samples fall on pixel centres or not.
pub(crate) fn view() -> impl Strategy<Value = View> {
    let free = (-4f32..4.0, -4f32..4.0);
    let upright = prop_oneof![Just((1.0, 0.0)), Just((2.0, 0.0)), Just((3.0, 0.0)), (0.01f32..9.0, Just(0.0))];
    let across = prop_oneof![free, upright];
    let centre =
        prop_oneof![(-10f32..60.0, -10f32..60.0), (-9..60i32, -9..60i32).prop_map(|(x, y)| (x as f32, y as f32))];
    let size = (1..50usize, 1..50usize);
    (size.clone(), size, centre, across, 1..=6usize, any::<u64>()).prop_map(
        |(picture, output, centre, (ax, ay), fine, seed)| {
            // The exact reduction needs as many samples as it steps over pixels.
            let fine = if ay == 0.0 && ax <= 2.0 { ax.ceil() as usize } else { fine };
            View { picture, lattice: Lattice { centre: centre.into(), across: [ax, ay], fine }, output, seed }
        },
    )
}

fn counts(seed: u64, count: usize) -> Vec<u16> {
    let mut random = Pcg64::seed_from_u64(seed);
    (0..count).map(|_| random.next_u32() as u16).collect()
}

pub(crate) fn resampling(kernels: &'static Kernels, view: &View) {
    let View { picture: (w, h), lattice, output: (width, height), seed } = view.clone();
    let pixels = counts(seed, w * h);
    let picture = Picture::new(&pixels, w, h).unwrap();
    let mut out = vec![f32::NAN; width * height];
    let mut thin = vec![-1.0; subsampled_len(width, height) + 3];
    let ends = kernels.resample(&picture, &lattice, width, &mut out, &mut thin);
    let kept = every_second(&out, width);
    assert_eq!((&thin[..kept.len()], &thin[kept.len()..]), (&kept[..], &[-1.0; 3][..]));
    assert_eq!(ends, range(&kept));
    let exact = lattice.across[1] == 0.0 && lattice.across[0] == lattice.fine as f32 && lattice.fine <= 2;
    for (n, got) in out.iter().enumerate() {
        let at = (n % width, n / width);
        let how = (lattice.centre, lattice.across, lattice.fine);
        let want = naive::resample((&pixels, w, h), how, (width, height), at);
        // Positions reach some hundreds of pixels: they are known to 1e-4, between neighbours up to 65535 apart.
        let bound = if exact && lattice.centre.iter().all(|c| c.fract() == 0.0) { 0.1 } else { 16.0 };
        assert!((f64::from(*got) - want).abs() < bound, "column and row {at:?}: {got}, not {want}");
    }
}

/// Each colour against the definition for a picture of that colour alone.
pub(crate) fn colours(kernels: &'static Kernels, view: &View) {
    let View { picture: (w, h), lattice, output: (size, _), seed } = view.clone();
    let rgb: Vec<u8> = counts(seed, 3 * w * h).into_iter().map(|v| v as u8).collect();
    let grid = Grid { centre: lattice.centre, step: lattice.across[0], fine: lattice.fine, size };
    let (mut lines, mut out) = (ColourLines::default(), vec![f32::NAN; 3 * size * size + 3]);
    kernels.resample_colours(&Colours::new(&rgb, w, h).unwrap(), &grid, &mut lines, &mut out);
    for (colour, plane) in out[..3 * size * size].chunks_exact(size * size).enumerate() {
        let pixels: Vec<u16> = rgb.chunks_exact(3).map(|p| u16::from(p[colour])).collect();
        for (n, got) in plane.iter().enumerate() {
            let how = (grid.centre, [grid.step, 0.0], grid.fine);
            let want = naive::resample((&pixels, w, h), how, (size, size), (n % size, n / size));
            assert!((f64::from(*got) - want).abs() < 0.05, "pixel {n}: {got}, not {want}");
        }
    }
    assert!(out[3 * size * size..].iter().all(|v| v.is_nan()), "beyond the end");
}

fn every_second(values: &[f32], width: usize) -> Vec<f32> {
    values.chunks(width).step_by(2).flat_map(|row| row.iter().step_by(2).copied()).collect()
}

fn range(values: &[f32]) -> [f32; 2] {
    values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[l, h], v| [l.min(*v), h.max(*v)])
}

pub(crate) fn levels(kernels: &'static Kernels, (width, rows): (usize, usize), seed: u64) {
    let values: Vec<f32> = counts(seed, width * rows).into_iter().map(f32::from).collect();
    let kept = every_second(&values, width);
    let mut thin = vec![-1.0; kept.len() + 3];
    assert_eq!(kernels.subsample(&values, width, &mut thin), range(&kept));
    assert_eq!(thin[..kept.len()], kept);
    assert_eq!(thin[kept.len()..], [-1.0; 3], "beyond the end");

    let [low, high] = range(&values);
    assert_eq!(kernels.min_max(&values), [low, high]);

    let scale = 255.0 / (high - low).max(1.0);
    let mut classes = vec![7; values.len() + 3];
    kernels.bin(&values, low, scale, &mut classes);
    for (v, class) in values.iter().zip(&classes) {
        assert_eq!(*class, ((v - low) * scale) as u8);
    }
    assert_eq!(classes[values.len()..], [7; 3], "beyond the end");

    for top in [2.0, 3.0] {
        let mut stretched = values.clone();
        kernels.stretch(&mut stretched, 20_000.0, 4.0 / 30_000.0, top);
        for (v, got) in values.iter().zip(&stretched) {
            assert_eq!(*got, ((v - 20_000.0) * (4.0 / 30_000.0)).clamp(0.0, top) - 1.0);
        }
    }
}

/// Tones against their definitions; integer results exactly.
pub(crate) fn tones(kernels: &'static Kernels, count: usize, seed: u64) {
    let counts = counts(seed, count);
    let random = super::values(seed ^ 3, 64);
    let (low, gain) = (20_000.0 + 10_000.0 * random[0], 0.001 + 0.02 * random[1].abs());
    let place = |v: u16| (f32::from(v) - low) * gain;

    let mut scaled = vec![7.0; count + 3];
    kernels.scale(&counts, low, gain, &mut scaled);
    assert!(counts.iter().zip(&scaled).all(|(v, got)| *got == place(*v)));
    assert_eq!(scaled[count..], [7.0; 3], "beyond the end");

    let mut bins = vec![7; count + 3];
    kernels.bin_counts(&counts, low, gain, 256, &mut bins);
    for (v, bin) in counts.iter().zip(&bins) {
        assert_eq!(*bin, (place(*v) + 1.0).clamp(0.0, 257.0) as u32);
    }
    assert_eq!(bins[count..], [7; 3], "beyond the end");

    let curves = [&random[..20], &random[30..50]];
    let read = |curve: &[f32], v: u16| {
        let class = f64::from(place(v)).clamp(0.0, 19.0);
        let i = (class as usize).min(18);
        f64::from(curve[i]) + (f64::from(curve[i + 1]) - f64::from(curve[i])) * (class - i as f64)
    };
    let step = 1.0 / (count + 1) as f32;
    for second in [0, 1] {
        let mut tones = vec![7.0; count + 3];
        kernels.tone_curve(&counts, (low, gain), [curves[0], curves[second]], (0.25, step), &mut tones);
        for (i, (v, got)) in counts.iter().zip(&tones).enumerate() {
            let [a, b] = [0, second].map(|c| read(curves[c], *v));
            let want = a + (b - a) * (0.25 + f64::from(step) * i as f64);
            assert!((f64::from(*got) - want).abs() < 2e-5, "{v}: {got}, not {want}");
        }
        assert_eq!(tones[count..], [7.0; 3], "beyond the end");
    }

    let [a, b] = [5, 6]
        .map(|salt| -> Vec<f32> { super::values(seed ^ salt, count).iter().map(|v| v * 300.0 + 100.0).collect() });
    let (mut mixed, mut levels) = (vec![7.0; count + 3], vec![7; count + 3]);
    kernels.blend(&a, &b, 0.375, &mut mixed);
    kernels.blend_u8(&a, &b, 0.375, &mut levels);
    for i in 0..count {
        let want = f64::from(a[i]) + (f64::from(b[i]) - f64::from(a[i])) * 0.375;
        assert!((f64::from(mixed[i]) - want).abs() < 1e-4);
        assert_eq!(levels[i], mixed[i].clamp(0.0, 255.0).round_ties_even() as u8);
    }
    assert_eq!((&mixed[count..], &levels[count..]), (&[7.0; 3][..], &[7; 3][..]), "beyond the end");
    let mut none = [7; 3];
    kernels.blend_u8(&[f32::NAN, f32::INFINITY, -1e30], &[f32::NAN, f32::INFINITY, 0.0], 0.0, &mut none);
    assert_eq!((none[0], none[2]), (0, 0));
}

pub(crate) fn extremes(kernels: &'static Kernels) {
    assert!(Colours::new(&[], 0, 0).is_none() && Colours::new(&[1; 5], 1, 2).is_none());
    assert!(Colours::new(&[1; 5], usize::MAX, 2).is_none());
    let (rgb, mut lines) = (vec![200; 3 * 7 * 5], ColourLines::default());
    for a in [0.0, -3.0, 1e30, -1e30, f32::INFINITY, f32::NAN] {
        for step in [0.0, 1.0, -2.0, 1e30, f32::INFINITY, f32::NAN] {
            for fine in [0, 1, 6, 99] {
                let grid = Grid { centre: [a, 2.0], step, fine, size: 9 };
                let mut out = [f32::NAN; 3 * 81];
                kernels.resample_colours(&Colours::new(&rgb, 7, 5).unwrap(), &grid, &mut lines, &mut out);
                assert!(out.iter().all(|v| (v - 200.0).abs() < 0.01), "{grid:?}: {out:?}");
            }
        }
    }
    kernels.resample_colours(
        &Colours::new(&rgb, 7, 5).unwrap(),
        &Grid { centre: [0.0; 2], step: 1.0, fine: 1, size: 0 },
        &mut lines,
        &mut [],
    );
    assert!(Picture::new(&[], 0, 0).is_none() && Picture::new(&[1], 1, 2).is_none());
    assert!(Picture::new(&[1], usize::MAX, 2).is_none());
    let pixels = counts(5, 30);
    for size in [(6, 5), (5, 6), (1, 30), (30, 1), (2, 2), (1, 1)] {
        let picture = Picture::new(&pixels, size.0, size.1).unwrap();
        let wild = [0.0, 1.0, 1e30, -1e30, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE];
        for a in wild {
            for b in wild {
                for lattice in [
                    Lattice { centre: [a, b], across: [1.0, 0.0], fine: 1 },
                    Lattice { centre: [a, 3.0], across: [2.0, b], fine: 2 },
                    Lattice { centre: [3.0, 3.0], across: [a, b], fine: 6 },
                ] {
                    let mut out = [f32::NAN; 35];
                    kernels.resample(&picture, &lattice, 7, &mut out, &mut [0.0; 12]);
                    assert!(out.iter().all(|v| (0.0..=65_535.5).contains(v)), "{size:?} {lattice:?}: {out:?}");
                }
            }
        }
        kernels.resample(&picture, &Lattice { centre: [0.0; 2], across: [1.0; 2], fine: 1 }, 0, &mut [], &mut []);
    }
}
