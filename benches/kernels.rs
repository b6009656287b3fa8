//! Network inputs and layers on each table of kernels, and whole networks against plain tract.
//!
//! The networks print their own ratio: all sides take turns in one loop, so that a busy machine slows them alike,
//! processor time is counted instead of the clock on the wall, and the fastest of many rounds stands for each.

#[path = "../tests/nets/mod.rs"]
mod nets;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use heatmark::frame::{Frame, FrameFormat, Signal, Visible};
use heatmark::geometry::Rect;
use heatmark::kernels::{self, Conv, Depthwise, Epilogue, Map, Tile, Window, Winograd};
use heatmark::nn::card::Input;
use heatmark::nn::region::{self, Installed};
use heatmark::nn::{Model, Network};
use heatmark::preprocess::target::{Square, template_side};
use heatmark::preprocess::{Crop, Preprocessor};
use heatmark::render::agc::{Gain, Mode};
use heatmark::render::range::Span;
use heatmark::result::Modality;
use heatmark::track::{Engine, Pair, Settings};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use tract_onnx::prelude::*;

/// A frame of noise around 22 degC.
fn noise(width: u32, height: u32) -> Frame {
    let mut frame = Frame::new(FrameFormat { width, height, signal: Signal::CENTIKELVIN, rate_hz: 9.0 });
    let mut random = Pcg64::seed_from_u64(1);
    frame.pixels.fill_with(|| 29_000 + (random.next_u32() % 1000) as u16);
    frame
}

fn input(width: usize, height: usize, percentiles: [f32; 2]) -> Input {
    Input { name: "image".into(), channels: 1, height, width, percentiles, contrast_window: None, crop_factor: None }
}

/// From a frame to what a network sees.
fn preprocess(c: &mut Criterion<ProcessorTime>) {
    let mut group = c.benchmark_group("preprocess");
    group.sample_size(40).measurement_time(Duration::from_millis(400)).warm_up_time(Duration::from_millis(100));
    for kernels in kernels::available() {
        let mut preprocess = Preprocessor::on(kernels);
        // Half sides: below one, two and three pixels of the frame per pixel of the input.
        for (width, height, half) in [(160, 120, 40.0), (160, 120, 60.0), (640, 512, 90.0), (640, 512, 140.0)] {
            let (frame, spec) = (noise(width, height), input(96, 96, [1.0, 99.0]));
            let crop = Crop { centre: [width as f32 / 2.0, height as f32 / 2.0], half, roll: 0.1 };
            let mut out = vec![0.0; 96 * 96];
            let name = format!("{}/crop {width}x{height} of {}", kernels.name(), 2.0 * half);
            group.bench_function(name, |b| b.iter(|| preprocess.crop(black_box(&frame), &crop, &spec, &mut out)));
        }
        for (from, to) in [((160, 120), (160, 128)), ((640, 512), (320, 256)), ((384, 288), (320, 256))] {
            let (frame, spec) = (noise(from.0, from.1), input(to.0, to.1, [0.5, 99.5]));
            let mut out = vec![0.0; to.0 * to.1];
            let name = format!("{}/letterbox {}x{} to {}x{}", kernels.name(), from.0, from.1, to.0, to.1);
            group.bench_function(name, |b| {
                b.iter(|| preprocess.letterbox(black_box(&frame), &spec, to.0, 1.0, &mut out));
            });
        }
    }
    group.finish();
}

/// From what the cells of a landmark network say to 70 points; from the second cache, as after a network.
fn soft_argmax(c: &mut Criterion<ProcessorTime>) {
    const POINTS: usize = 70;
    let mut group = c.benchmark_group("votes");
    group.sample_size(40).measurement_time(Duration::from_millis(400)).warm_up_time(Duration::from_millis(100));
    let value = |i: usize| -10.0 * ((i * 7919 % 1009) as f32 / 1009.0);
    let cells: Vec<f32> = (0..4 * 144 * 4 * POINTS).map(value).collect();
    let mut turns = cells.chunks_exact(144 * 4 * POINTS).cycle();
    for kernels in kernels::available() {
        let mut means = [0.0; 3 * POINTS];
        group.bench_function(format!("{}/{POINTS} points of 12x12 cells", kernels.name()), |b| {
            b.iter(|| kernels.soft_argmax(black_box(turns.next().unwrap_or_default()), (12, 12), POINTS, &mut means));
        });
    }
    group.finish();
}

/// From a frame to palette levels: gain control, then a picture twice as large.
fn display(c: &mut Criterion<ProcessorTime>) {
    let mut group = c.benchmark_group("display");
    group.sample_size(20).measurement_time(Duration::from_millis(400)).warm_up_time(Duration::from_millis(100));
    let span = Span { low: 29_000.0, high: 30_000.0 };
    for (width, height) in [(160, 120), (640, 512)] {
        let frame = noise(width, height);
        for (name, mode) in Mode::ALL {
            for kernels in kernels::available() {
                let mut gain = Gain::new(Default::default(), 700).on(kernels);
                let (mut row, mut levels) = (vec![], vec![0; frame.width()]);
                group.bench_function(format!("{}/{name} {width}x{height}", kernels.name()), |b| {
                    b.iter(|| {
                        gain.update(mode, black_box(&frame), span);
                        for (y, counts) in frame.pixels.chunks_exact(frame.width()).enumerate() {
                            gain.row(y, counts, frame.height(), span, &mut row);
                            for _ in 0..4 {
                                kernels.blend_u8(&row[1..=frame.width()], &row[2..], 0.25, black_box(&mut levels));
                            }
                        }
                    });
                });
            }
        }
    }
    group.finish();
}

/// Inputs, outputs, output rows and columns, window size and stride of the layers that are timed.
const LAYERS: [[usize; 6]; 10] = [
    [1, 16, 48, 48, 3, 2],
    [16, 32, 24, 24, 3, 2],
    [32, 32, 24, 24, 3, 1],
    [64, 64, 12, 12, 3, 1],
    [96, 96, 6, 6, 3, 1],
    [16, 16, 24, 24, 3, 1],
    [8, 16, 24, 24, 3, 2],
    [64, 64, 24, 24, 1, 1],
    [192, 192, 6, 6, 1, 1],
    [32, 32, 30, 40, 3, 1],
];

fn maps(kernels: &kernels::Kernels, [ci, co, h, w, _, stride]: [usize; 6]) -> (Map, Map) {
    let pitch = |c: usize| if c == 1 { 1 } else { c.next_multiple_of(kernels.lanes()) };
    (Map::bordered(ci, h * stride, w * stride, pitch(ci)), Map::bordered(co, h, w, pitch(co)))
}

fn layers(c: &mut Criterion<ProcessorTime>) {
    let mut group = c.benchmark_group("layer");
    group.sample_size(20).measurement_time(Duration::from_millis(400)).warm_up_time(Duration::from_millis(100));
    for layer in LAYERS {
        let [ci, co, h, w, size, stride] = layer;
        let name = format!("{size}x{size}/{stride} {ci}-{co} {h}x{w}");
        for kernels in kernels::available() {
            let (from, to) = maps(kernels, layer);
            let weights = vec![0.01; ci * co * size * size];
            let (input, mut output) = (vec![0.5; from.len], vec![0.0; to.len]);
            let conv =
                Conv::pack(kernels, from, to, Window::square(size, stride), &weights, Epilogue::default()).unwrap();
            group.throughput(Throughput::Elements(conv.flops()));
            let id = |kind: &str| BenchmarkId::new(format!("{}/{kind}", kernels.name()), &name);
            group.bench_function(id("direct"), |b| b.iter(|| conv.run(black_box(&input), None, &mut output)));
            if (size, stride) == (3, 1) {
                for tile in [Tile::Two, Tile::Four] {
                    let fast = Winograd::pack(kernels, tile, from, to, &weights, Epilogue::default()).unwrap();
                    let mut scratch = vec![0.0; fast.scratch()];
                    let run = |b: &mut criterion::Bencher<ProcessorTime>| {
                        b.iter(|| fast.run(black_box(&input), None, &mut output, &mut scratch));
                    };
                    group.bench_function(id(&format!("winograd {}", tile.outputs())), run);
                }
            }
        }
    }
    for (channels, h, w, stride) in [(32, 24, 24, 1), (64, 12, 12, 1), (64, 12, 12, 2)] {
        for kernels in kernels::available() {
            let (from, to) = maps(kernels, [channels, channels, h, w, 3, stride]);
            let window = Window::square(3, stride);
            let layer =
                Depthwise::pack(kernels, from, to, window, &vec![0.1; channels * 9], Epilogue::default()).unwrap();
            let (input, mut output) = (vec![0.5; from.len], vec![0.0; to.len]);
            group.throughput(Throughput::Elements(layer.flops()));
            let id = BenchmarkId::new(format!("{}/depthwise", kernels.name()), format!("/{stride} {channels} {h}x{w}"));
            group.bench_function(id, |b| b.iter(|| layer.run(black_box(&input), None, &mut output)));
        }
    }
    group.finish();
}

/// Processor time of this thread.
fn processor_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Measures processor time, shown as criterion shows times.
struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        processor_time()
    }

    fn end(&self, start: Duration) -> Duration {
        processor_time() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Fastest and median of rounds in which all take turns.
fn take_turns(rounds: usize, runs: &mut [&mut dyn FnMut()]) -> Vec<(Duration, Duration)> {
    let mut times = vec![vec![]; runs.len()];
    for _ in 0..rounds {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            // The first of a turn fills the caches.
            run();
            for _ in 0..3 {
                let start = processor_time();
                run();
                times.push(processor_time() - start);
            }
        }
    }
    let summary = |mut t: Vec<Duration>| {
        t.sort();
        (t[0], t[t.len() / 2])
    };
    times.into_iter().map(summary).collect()
}

/// Whether the command line asks for `what`: by a part of its name, or for everything.
fn asked(what: &str) -> bool {
    let value_of = |flag: &str| ["--profile-time", "--measurement-time", "--sample-size"].contains(&flag);
    let args: Vec<String> = std::env::args().collect();
    let filter = args.windows(2).find(|w| !w[1].starts_with('-') && !value_of(&w[0]));
    filter.is_none_or(|w| what.contains(w[1].as_str()))
}

fn networks(_: &mut Criterion<ProcessorTime>) {
    if !asked("networks") {
        return;
    }
    let nets = [
        ("repvgg 96x96", nets::repvgg(96, 96, [16, 32, 64, 96])),
        ("half repvgg 96x96", nets::repvgg(96, 96, [8, 16, 32, 48])),
        ("mobilenet 96x96", nets::mobilenet(96, 96)),
        ("landmarks 96x96", nets::landmarks(1)),
        ("detector 120x160", nets::detector(120, 160)),
    ];
    for (name, net) in nets {
        let model = net.typed().unwrap();
        let shape = model.input_fact(0).unwrap().shape.as_concrete().unwrap().to_vec();
        let data = vec![0.25f32; shape.iter().product()];
        let mut ours: Vec<_> = kernels::available()
            .into_iter()
            .map(|k| match region::install(model.clone(), k).unwrap() {
                Installed::Whole(executor) => executor,
                Installed::Part { left, .. } => panic!("{left:?}"),
            })
            .collect();
        let plain = model.into_optimized().unwrap().into_runnable().unwrap();
        let mut state = plain.spawn().unwrap();
        let input = Tensor::from_shape(&shape, &data).unwrap().into_tvalue();
        let mut tract = || {
            black_box(state.run(tvec!(input.clone())).unwrap());
        };
        let facts: Vec<_> = ours.iter().map(|e| (e.kernels(), e.flops())).collect();
        let mut calls: Vec<_> = ours.iter_mut().map(|e| || e.run(&[black_box(&data)]).unwrap()).collect();
        let mut runs: Vec<&mut dyn FnMut()> = vec![&mut tract];
        runs.extend(calls.iter_mut().map(|c| c as &mut dyn FnMut()));
        let times = take_turns(40, &mut runs);
        let show = |what: &str, (least, median): (Duration, Duration), flops: u64| {
            let rate = flops as f64 / least.as_secs_f64() / 1e9;
            let ratio = times[0].0.as_secs_f64() / least.as_secs_f64();
            println!(
                "{name:18} {what:7} least {least:>9.1?} median {median:>9.1?} {rate:>6.1} GFLOP/s, {ratio:.2}x tract"
            );
        };
        show("tract", times[0], facts[0].1);
        for (t, (kernels, flops)) in times[1..].iter().zip(&facts) {
            show(kernels, *t, *flops);
        }
    }
}

/// The shipped landmark network in float and in int8.
fn precision(_: &mut Criterion<ProcessorTime>) {
    if !asked("precision") {
        return;
    }
    let read = |name: &str| {
        let path = format!("{}/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        let model = tract_onnx::onnx().model_for_path(path).unwrap();
        model.with_input_fact(0, f32::fact([1, 1, 96, 96]).into()).unwrap().into_typed().unwrap()
    };
    let names = ["face-landmarks-small", "face-landmarks-small-int8"];
    let data = vec![0.25f32; 96 * 96];
    for kernels in kernels::available() {
        let mut both = names.map(|name| match region::install(read(name), kernels).unwrap() {
            Installed::Whole(executor) => executor,
            Installed::Part { left, .. } => panic!("{left:?}"),
        });
        let [float, int8] = &mut both;
        let mut float = || float.run(&[black_box(&data)]).unwrap();
        let mut int8 = || int8.run(&[black_box(&data)]).unwrap();
        let times = take_turns(if kernels.name() == "scalar" { 10 } else { 400 }, &mut [&mut float, &mut int8]);
        let ratio = times[0].0.as_secs_f64() / times[1].0.as_secs_f64();
        for (name, (least, median)) in names.iter().zip(&times) {
            println!("{name:25} {:7} least {least:>9.1?} median {median:>9.1?}", kernels.name());
        }
        println!("{:25} {:7} int8 is {ratio:.2}x as fast", "", kernels.name());
    }
}

/// The folder with the trackers: the shipped models, or another one.
fn trackers() -> Vec<PathBuf> {
    let folder =
        std::env::var("HEATMARK_TRACKERS").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/models").into());
    let mut cards: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    let tracker = |p: &PathBuf| {
        p.extension().is_some_and(|e| e == "toml")
            && p.file_stem().is_some_and(|n| n.to_string_lossy().starts_with("track-"))
    };
    cards.retain(tracker);
    cards.sort();
    cards
}

/// One target through a frame, crops included, for each choice of pictures; and what giving it costs.
fn tracking(_: &mut Criterion<ProcessorTime>) {
    if !asked("tracking") {
        return;
    }
    let thermal = noise(320, 256);
    let mut visible = Visible::new(640, 480);
    let mut random = Pcg64::seed_from_u64(2);
    visible.rgb.fill_with(|| random.next_u32() as u8);
    let pairs = [
        ("both", Pair { thermal: Some(&thermal), visible: Some(&visible) }),
        ("thermal", Pair { thermal: Some(&thermal), visible: None }),
        ("visible", Pair { thermal: None, visible: Some(&visible) }),
    ];
    let bbox = Rect::new(140.0, 100.0, 170.0, 140.0);
    let mut preprocess = Preprocessor::default();
    let mut out = vec![0.0; 3 * 128 * 128];
    let side = 2.0 * template_side(30.0, 40.0);
    let (here, there) = ([155.0, 120.0], [310.0, 225.0]);
    let plane = 128 * 128;
    let (levels, _) =
        preprocess.thermal_template(&thermal, Square { centre: here, side }, [2.0, 98.0], 128, &mut out[..plane]);
    let mut other = Preprocessor::default();
    let mut colours = vec![0.0; 3 * 128 * 128];
    let mut warm = || {
        preprocess.thermal_search(&thermal, Square { centre: here, side }, levels, 128, &mut out[..plane]);
    };
    let mut light = || {
        other.visible_search(&visible, Square { centre: there, side: 2.0 * side }, levels, 128, &mut colours);
    };
    let times = take_turns(200, &mut [&mut warm, &mut light]);
    for (name, (least, median)) in ["thermal", "visible"].iter().zip(times) {
        println!("crop of {side:.0} px, {name}: least {least:>9.1?} median {median:>9.1?}");
    }
    for card in trackers() {
        let model = Model::open(&card).unwrap();
        let began = processor_time();
        // Everything passes, so that every frame is an ordinary one.
        let settings = Settings { score: Some(0.0), presence: Some(0.0), ..Settings::default() };
        let mut engine = Engine::with(&settings, model.card(), model.stages().unwrap()).unwrap();
        let loaded = processor_time() - began;
        let mut starts = vec![];
        for _ in 0..5 {
            let began = processor_time();
            let id = engine.start(&pairs[0].1, Modality::Thermal, bbox).unwrap();
            starts.push(processor_time() - began);
            engine.stop(id);
        }
        let name = &model.card().name;
        println!(
            "{name:18} load {loaded:>9.1?} start with heads of three choices {:>9.1?}",
            starts.iter().min().unwrap()
        );
        for (shown, pair) in &pairs {
            let mut times: Vec<Duration> = (0..200)
                .map(|_| {
                    // The frame after the first: what random weights say must not change the size of the crop.
                    let id = engine.start(&pairs[0].1, Modality::Thermal, bbox).unwrap();
                    let began = processor_time();
                    black_box(engine.process(pair).unwrap());
                    let took = processor_time() - began;
                    engine.stop(id);
                    took
                })
                .collect();
            times.sort();
            println!("{name:18} {shown:8} least {:>9.1?} median {:>9.1?}", times[0], times[100]);
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = preprocess, soft_argmax, display, networks, precision, tracking, layers
}
criterion_main!(benches);
