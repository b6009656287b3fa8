//! Whole networks on our kernels: against plain tract, over bad input, without allocation.

mod nets;

use heatmark::bench::alloc;
use heatmark::kernels::{self, Kernels};
use heatmark::nn::region::{self, Executor, Installed};
use heatmark::nn::{Model, Network};
use heatmark::result::Modality;
use nets::Net;
use proptest::prelude::*;
use tract_onnx::prelude::*;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Numbers in -1..1 for an input of `model`.
fn input(model: &TypedModel, seed: u64) -> (Vec<usize>, Vec<f32>) {
    let shape = model.input_fact(0).unwrap().shape.as_concrete().unwrap().to_vec();
    let mut random = Net::new(seed, 1, [1, 1, 1]);
    let data = (0..shape.iter().product()).map(|_| random.uniform()).collect();
    (shape, data)
}

/// The outputs of tract alone, or of tract around our region.
fn run_tract(model: TypedModel, shape: &[usize], data: &[f32]) -> Vec<Vec<f32>> {
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let input = Tensor::from_shape(shape, data).unwrap();
    let outputs = plan.run(tvec!(input.into_tvalue())).unwrap();
    outputs.iter().map(|o| o.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec()).collect()
}

/// Every output within `1e-5` of the largest magnitude of the wanted one.
fn assert_close(what: &str, got: &[Vec<f32>], want: &[Vec<f32>]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.len(), want.len(), "{what}, output {i}");
        let largest = want.iter().fold(0f32, |m, v| m.max(v.abs()));
        let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0f32, f32::max);
        assert!(got.iter().all(|v| v.is_finite()), "{what}, output {i} is not finite");
        assert!(worst <= 1e-5 * largest, "{what}, output {i}: off by {worst:e} of {largest:e}");
        println!("{what}, output {i}: {:.1e}", worst / largest.max(f32::MIN_POSITIVE));
    }
}

fn executor(net: &Net, kernels: &'static Kernels) -> Executor {
    match region::install(net.typed().unwrap(), kernels).unwrap() {
        Installed::Whole(executor) => executor,
        Installed::Part { left, .. } => panic!("left to tract: {left:?}"),
    }
}

fn run(executor: &mut Executor, data: &[f32]) -> Vec<Vec<f32>> {
    executor.run(&[data]).unwrap();
    (0..executor.outputs().len()).map(|i| executor.output(i).to_vec()).collect()
}

/// The network runs wholly on each table of kernels and agrees with tract.
fn check_whole(what: &str, net: &Net) {
    let model = net.typed().unwrap();
    let (shape, data) = input(&model, 7);
    let want = run_tract(model, &shape, &data);
    for kernels in kernels::available() {
        let mut executor = executor(net, kernels);
        assert_close(&format!("{what} on {}", kernels.name()), &run(&mut executor, &data), &want);
    }
}

/// Part of the network runs on each table of kernels, and the whole agrees with tract.
fn check_part(what: &str, net: &Net) -> (usize, usize) {
    let model = net.typed().unwrap();
    let (shape, data) = input(&model, 7);
    let want = run_tract(model.clone(), &shape, &data);
    let mut counts = (0, 0);
    for kernels in kernels::available() {
        match region::install(model.clone(), kernels).unwrap() {
            Installed::Whole(_) => panic!("{what}: nothing was left to tract"),
            Installed::Part { model, ours, left } => {
                assert!(!left.is_empty());
                counts = ours;
                assert_close(&format!("{what} on {}", kernels.name()), &run_tract(*model, &shape, &data), &want);
            }
        }
    }
    counts
}

#[test]
fn mobilenet_agrees_with_tract() {
    check_whole("mobilenet", &nets::mobilenet(96, 96));
}

#[test]
fn repvgg_agrees_with_tract() {
    check_whole("repvgg", &nets::repvgg(96, 96, [16, 32, 64, 96]));
    check_whole("half repvgg", &nets::repvgg(96, 96, [8, 16, 32, 48]));
    check_whole("odd repvgg", &nets::repvgg(75, 53, [5, 9, 21, 30]));
}

#[test]
fn landmark_student_agrees_with_tract() {
    let net = nets::landmarks(1);
    check_whole("landmarks", &net);
    let executor = executor(&net, kernels::scalar());
    assert_eq!(executor.inputs()[0].1, [1, 1, 96, 96]);
    let shapes: Vec<_> = executor.outputs().iter().map(|o| o.1.clone()).collect();
    assert_eq!(shapes, [vec![1, 70, 3], vec![1, 1]]);
    assert!(executor.outputs().iter().all(|o| !o.0.is_empty()));
}

#[test]
fn detectors_agree_with_tract() {
    check_whole("detector", &nets::detector(120, 160));
    check_whole("yunet", &nets::yunet(96, 128));
}

#[test]
fn heads_that_read_the_same_are_one_layer() {
    let mut n = Net::new(23, 2, [1, 24, 32]);
    n.conv(24, 3, 2).relu();
    let (neck, shape) = (n.at.clone(), n.shape);
    for c in [1, 14, 5] {
        n.from(&neck, shape).conv(c, 1, 1).output();
    }
    // One of another window, one with a limit, and one that is read again.
    n.from(&neck, shape).conv(3, 3, 1).output();
    n.from(&neck, shape).conv(2, 1, 1).relu().output();
    n.from(&neck, shape).conv(7, 1, 1).output().conv(2, 1, 1).output();
    check_whole("heads", &n);
    let text = region::explain(&n.typed().unwrap(), kernels::scalar()).unwrap();
    println!("{text}");
    assert!(text.contains("conv 1x1/1 24->20"));
    for alone in ["conv 3x3/1 24->3", "24->2 relu", "24->7", "7->2"] {
        assert!(text.contains(alone), "{alone}");
    }
}

/// With scales that are powers of two tract's floats are exact, so that no number is rounded another way.
#[test]
fn quantised_networks_agree_with_tract() {
    check_whole("quantised", &nets::quantised(24, 32));
    check_whole("quantised, larger", &nets::quantised(64, 40));
    let text = region::explain(&nets::quantised(64, 40).typed().unwrap(), kernels::scalar()).unwrap();
    println!("{text}");
    for what in [
        "quantise 2->2",
        "int8 conv 3x3/2 2->16",
        "int8 winograd",
        "int8 add 16->16 relu + residual",
        "int8 add 16->16 + residual",
    ] {
        assert!(text.contains(what), "no {what}");
    }
    assert!(text.lines().last().unwrap().contains("without tract"));
}

#[test]
fn quantised_values_that_something_else_reads_are_floats_again() {
    let mut n = Net::new(32, 1, [2, 24, 28]);
    n.rounded(1.0 / 64.0, 128, false).conv8(16, 3, 2, 1.0 / 64.0).relu().rounded(1.0 / 64.0, 0, false);
    n.unary("Tanh").output();
    let (ours, all) = check_part("then tanh", &n);
    assert_eq!(all - ours, 1);

    // Numbers that are read as others than they were rounded to stay with tract.
    let mut n = Net::new(33, 1, [2, 24, 28]);
    n.conv(16, 3, 2).relu().rounded_back(1.0 / 64.0, 0, false, 1.0 / 32.0).conv8(8, 1, 1, 1.0 / 32.0).output();
    let (ours, all) = check_part("two scales", &n);
    assert_eq!((ours, all), (3, 6));

    // Weights that are no multiples of anything are multiplied as floats.
    let mut n = Net::new(34, 1, [2, 24, 28]);
    n.rounded(1.0 / 64.0, 128, false).conv(16, 3, 1).relu().rounded(1.0 / 4.0, 0, false).output();
    let text = region::explain(&n.typed().unwrap(), kernels::scalar()).unwrap();
    assert!(
        text.contains("dequantise 2->2") && text.contains("quantise 16->16") && !text.contains("int8 conv"),
        "{text}"
    );
}

/// A shipped model as tract loads it, and its input's height and width.
fn shipped(name: &str) -> (TypedModel, [usize; 2]) {
    let path = format!("{}/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    let shipped = Model::embedded(name).unwrap();
    let size = shipped.card().face_input().map(|i| [i.height, i.width]).unwrap();
    let model = tract_onnx::onnx().model_for_path(path).unwrap();
    (model.with_input_fact(0, f32::fact([1, 1, size[0], size[1]]).into()).unwrap().into_typed().unwrap(), size)
}

/// A warm ellipse with darker spots at some place.
fn face([height, width]: [usize; 2], x: f32, y: f32) -> Vec<f32> {
    let middle = [width, height].map(|n| n as f32 / 2.0);
    let pixel = |i: usize| ((i % width) as f32 / middle[0] - 1.0 - x, (i / width) as f32 / middle[1] - 1.0 - y);
    let spot = |u: f32, v: f32, a: f32, b: f32| (-((u - a).powi(2) + (v - b).powi(2)) / 0.015).exp();
    let value = |(u, v): (f32, f32)| {
        let face = 1.0 / (1.0 + (-18.0 * (0.6 - (u / 0.75).hypot(v))).exp());
        let spots = spot(u, v, -0.22, -0.15) + spot(u, v, 0.22, -0.15) + spot(u, v, 0.0, 0.1);
        (-0.8 + 0.2 * v + 1.5 * face - 0.5 * spots * face).clamp(-1.0, 1.0)
    };
    (0..height * width).map(|i| value(pixel(i))).collect()
}

/// Each int8 model answers nearly as its float one; on every table of kernels alike, but for numbers that the first
/// layer, in float, rounds another way.
#[test]
fn int8_models_answer_as_the_float_ones() {
    let whole = |name: &str, kernels| match region::install(shipped(name).0, kernels).unwrap() {
        Installed::Whole(executor) => executor,
        Installed::Part { left, .. } => panic!("{name}: left to tract: {left:?}"),
    };
    let off = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32;
    let of_faces = |name: &&str| Model::embedded(name).unwrap().card().face_input().is_ok();
    let names = Model::names().filter(of_faces);
    let pairs: Vec<_> = names.filter_map(|name| Some((name.strip_suffix("-int8")?, name))).collect();
    assert!(pairs.contains(&("face-landmarks-small", "face-landmarks-small-int8")), "{pairs:?}");
    for (float, int8) in pairs {
        let (size, tables) = (shipped(float).1, kernels::available());
        let (mut float, mut first) = (whole(float, kernels::scalar()), whole(int8, kernels::scalar()));
        let mut others: Vec<_> = tables.iter().map(|k| whole(int8, k)).collect();
        for (x, y) in [(0.0, 0.0), (0.1, -0.05), (-0.2, 0.1), (0.0, 0.3)] {
            let data = face(size, x, y);
            let (want, got) = (run(&mut float, &data), run(&mut first, &data));
            let scale = off(&want[0], &vec![0.0; want[0].len()]);
            let (maps, other) = (off(&want[0], &got[0]) / scale, off(&want[1], &got[1]));
            println!("{int8} at {x}, {y}: first output off by {:.2} %, second by {other}", 100.0 * maps);
            assert!(maps < 0.05 && other < 0.6, "{int8}: first output off by {maps}, second by {other}");
            for (kernels, network) in tables.iter().zip(&mut others) {
                let maps = off(&got[0], &run(network, &data)[0]) / scale;
                assert!(maps < 0.02, "{int8} on {}: first output off by {maps}", kernels.name());
            }
        }
    }
}

/// The same of trackers: features of both pictures, the map and presence for a template.
#[test]
fn int8_trackers_answer_as_the_float_ones() {
    let names = Model::names().filter_map(|name| Some((name.strip_suffix("-int8")?, name)));
    let pairs: Vec<_> = names.filter(|(float, _)| float.starts_with("track-")).collect();
    assert!(!pairs.is_empty());
    for (float, int8) in pairs {
        let answers = |name: &str| {
            let mut stages = Model::embedded(name).unwrap().stages().unwrap();
            let look = |side: usize, by: f32| {
                let mut trunk = stages.trunk(Modality::Both, side).unwrap();
                let thermal = face([side, side], by, 0.0);
                trunk.run(&[&thermal.repeat(3), &thermal]).unwrap();
                trunk.output(0).to_vec()
            };
            let (template, search) = (look(64, 0.0), look(128, 0.2));
            let mut head = stages.head(&template).unwrap();
            head.run(&[&search]).unwrap();
            [search, head.output(0).to_vec(), head.output(1).to_vec()]
        };
        for (i, (want, got)) in answers(float).iter().zip(answers(int8)).enumerate() {
            let mean = |v: &mut dyn Iterator<Item = f32>| v.sum::<f32>() / want.len() as f32;
            let off = mean(&mut want.iter().zip(&got).map(|(a, b)| (a - b).abs()));
            let scale = mean(&mut want.iter().map(|v| v.abs()));
            println!("{int8}: output {i} off by {off} of {scale}");
            assert!(off > 0.0 && off < 0.1 * scale.max(1.0), "{int8}: output {i} off by {off} of {scale}");
        }
    }
}

#[test]
fn every_operator_agrees_with_tract() {
    let mut n = Net::new(11, 1, [3, 23, 30]);
    n.conv(12, 3, 1).prelu().conv(10, 3, 2).unary("HardSwish").depthwise(1).leaky(0.1).conv(16, 2, 2);
    let x = n.at.clone();
    n.pool("AveragePool", 3, 1, 1).add(&x).pool("MaxPool", 3, 2, 1).clip(-0.5, 0.75);
    let scale = n.weights(&[1, 16, 1, 1], 2.0);
    n.op("Mul", vec![n.at.clone(), scale], vec![]);
    let shift = n.weights(&[1, 16, 1, 1], 1.0);
    n.op("Sub", vec![n.at.clone(), shift], vec![]).unary("Sigmoid");
    let (y, shape) = (n.at.clone(), n.shape);
    n.conv(16, 1, 1).relu().add(&y).relu().output();
    n.from(&y, shape).conv(16, 3, 1).add(&y).leaky(0.2).concat(&[(y.clone(), 16)]).conv(7, 1, 1).output();
    n.from(&y, shape).op("Add", vec![y.clone(), y.clone()], vec![]).global("GlobalMaxPool").matmul(5).relu().output();
    n.from(&y, shape).concat(&[(y.clone(), 16)]).upsample(3).output();
    check_whole("operators", &n);
}

#[test]
fn linear_interpolation_agrees_with_tract() {
    for corners in ["half_pixel", "align_corners", "asymmetric"] {
        for factors in [[2.0, 2.0], [2.0, 1.5], [0.5, 1.0]] {
            let mut n = Net::new(17, 1, [3, 12, 10]);
            n.conv(12, 3, 1).relu();
            let (x, shape) = (n.at.clone(), n.shape);
            n.resize("linear", corners, factors).relu().conv(5, 3, 1).output();
            n.from(&x, shape).resize("linear", corners, factors).output();
            check_whole(&format!("{corners} {factors:?}"), &n);
        }
    }
    let mut n = Net::new(18, 1, [8, 12, 10]);
    n.resize("linear", "half_pixel", [2.0, 2.0]).conv(5, 3, 1).output();
    let text = region::explain(&n.typed().unwrap(), kernels::scalar()).unwrap();
    assert!(text.contains("resize to 24x20 8->8"), "{text}");
}

#[test]
fn several_images_run_one_after_the_other() {
    let mut n = Net::new(12, 3, [1, 24, 20]);
    n.conv(16, 3, 2).relu().conv(16, 3, 1).relu().output().gemm(9).output();
    check_whole("batch", &n);
}

#[test]
fn a_batch_of_faces_is_as_each_face_alone() {
    let (single, several) = (nets::landmarks(1), nets::landmarks(5));
    let (_, faces) = input(&several.typed().unwrap(), 3);
    for kernels in kernels::available() {
        let (mut one, mut all) = (executor(&single, kernels), executor(&several, kernels));
        assert_eq!(all.inputs()[0].1, [5, 1, 96, 96]);
        let together = run(&mut all, &faces);
        for (i, face) in faces.chunks_exact(96 * 96).enumerate() {
            for (alone, together) in run(&mut one, face).iter().zip(&together) {
                assert_eq!(together[i * alone.len()..][..alone.len()], *alone, "face {i} on {}", kernels.name());
            }
        }
    }
}

#[test]
fn what_has_no_kernel_is_left_to_tract() {
    // In the middle, at the end, and on one branch only.
    let mut n = Net::new(13, 1, [1, 24, 32]);
    n.conv(16, 3, 2).relu();
    let (x, shape) = (n.at.clone(), n.shape);
    n.unary("Tanh").conv(8, 3, 1).output();
    n.from(&x, shape)
        .conv(16, 3, 1)
        .add(&x)
        .relu()
        .output()
        .global("GlobalAveragePool")
        .gemm(6)
        .unary("Softmax")
        .output();
    let (ours, all) = check_part("branches", &n);
    assert!(ours > 5 && all > ours, "{ours} of {all}");

    for (what, layer) in LAYERS_WITHOUT_KERNEL {
        let mut n = Net::new(14, 1, [4, 24, 32]);
        n.conv(8, 3, 1).relu();
        layer(&mut n);
        n.relu().output();
        check_part(what, &n);
        // And with nothing before it that could be taken.
        let mut n = Net::new(15, 1, [8, 24, 32]);
        layer(&mut n);
        n.output();
        assert_eq!(check_part(what, &n).0, 0);
    }
}

type Build = fn(&mut Net);

const LAYERS_WITHOUT_KERNEL: [(&str, Build); 7] = [
    ("dilated", |n| {
        n.convolution(8, 8, 3, 1, 2, 1).with_ints("dilations", &[2, 2]);
    }),
    ("padded by two", |n| {
        n.convolution(8, 8, 5, 1, 2, 1);
    }),
    ("grouped", |n| {
        n.convolution(8, 4, 3, 1, 1, 2);
    }),
    ("depthwise 5x5", |n| {
        n.convolution(8, 1, 5, 1, 2, 8);
    }),
    ("nearest by one and a half", |n| {
        n.resize("nearest", "half_pixel", [1.5, 1.5]);
    }),
    ("tanh", |n| {
        n.unary("Tanh");
    }),
    ("softmax", |n| {
        n.unary("Softmax");
    }),
];

#[test]
fn an_input_that_is_not_fixed_is_left_to_tract() {
    let mut n = Net::new(16, 0, [1, 24, 32]);
    n.conv(16, 3, 2).relu().output();
    match region::install(n.typed().unwrap(), kernels::scalar()).unwrap() {
        Installed::Part { ours: (0, _), left, .. } => {
            assert!(left.iter().any(|l| l.1.contains("not fixed")), "{left:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_input_is_an_error() {
    let mut executor = executor(&nets::repvgg(32, 32, [8, 8, 8, 8]), kernels::scalar());
    assert!(executor.run(&[&[0.0; 3]]).unwrap_err().to_string().contains("3 values"));
    assert!(executor.run(&[&[0.0; 1024]]).is_ok());
    assert_eq!(executor.output(9), [0f32; 0]);
}

#[test]
fn running_allocates_nothing() {
    let nets = [nets::repvgg(96, 96, [16, 32, 64, 96]), nets::detector(120, 160), nets::yunet(96, 128)];
    for net in nets.into_iter().chain([nets::quantised(64, 40)]) {
        let (_, data) = input(&net.typed().unwrap(), 7);
        for kernels in kernels::available() {
            let mut executor = executor(&net, kernels);
            let before = alloc::on_this_thread().count;
            executor.run(&[&data]).unwrap();
            executor.run(&[&data]).unwrap();
            assert_eq!(alloc::on_this_thread().count, before, "on {}", kernels.name());
        }
    }
    let before = alloc::on_this_thread().count;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(3)));
    assert_eq!(alloc::on_this_thread().count, before + 1, "allocations are not counted");
}

#[test]
fn a_run_leaves_nothing_behind() {
    for net in [nets::detector(72, 88), nets::yunet(64, 96), nets::mobilenet(64, 64), nets::quantised(64, 40)] {
        let model = net.typed().unwrap();
        let ((_, a), (_, b)) = (input(&model, 1), input(&model, 2));
        let bad = vec![f32::NAN; a.len()];
        for kernels in kernels::available() {
            let mut used = executor(&net, kernels);
            let mut fresh = executor(&net, kernels);
            run(&mut used, &a);
            used.run(&[&bad]).unwrap();
            assert_eq!(run(&mut used, &b), run(&mut fresh, &b), "on {}", kernels.name());
        }
    }
}

#[test]
fn the_table_names_every_operator_and_who_runs_it() {
    let mut n = Net::new(17, 1, [1, 24, 32]);
    n.conv(16, 3, 2).relu().conv(16, 3, 1).relu().unary("Tanh").output();
    let text = region::explain(&n.typed().unwrap(), kernels::scalar()).unwrap();
    println!("{text}");
    let line = |what: &str| text.lines().find(|l| l.starts_with(what)).unwrap_or_else(|| panic!("no {what} in {text}"));
    assert!(line("conv3").contains("ours: conv 3x3/2 1->16 relu"));
    assert!(line("relu4").contains("fused into conv3"));
    assert!(line("tanh9").contains("tract: no kernel for Tanh"));
    assert!(text.lines().last().unwrap().contains("inside tract"));
    let whole = region::explain(&nets::yunet(64, 96).typed().unwrap(), kernels::scalar()).unwrap();
    println!("{whole}");
    assert!(whole.lines().last().unwrap().contains("without tract"));
}

/// A network of random layers, all of which have kernels.
fn random_net(seed: u64) -> Net {
    let mut pick = Net::new(seed ^ 0x5eed, 1, [1, 1, 1]);
    let mut n = |max: usize| 1 + pick.below(max);
    let mut net = Net::new(seed, n(2), [n(9), 6 + n(30), 6 + n(30)]);
    let mut earlier: Vec<(String, [usize; 3])> = vec![];
    for _ in 0..3 + n(9) {
        let [c, h, w] = net.shape;
        let large = h > 4 && w > 4;
        match n(14) {
            1 | 2 => net.conv(n(24), 3, 1),
            3 if large => net.conv(n(24), 3, 2),
            4 => net.conv(n(24), 1, 1),
            5 => net.depthwise(1),
            6 if large => net.depthwise(2),
            7 if large => net.pool("MaxPool", 2, 2, 0),
            8 => net.pool("AveragePool", 3, 1, 1),
            9 if h * w < 600 => net.upsample(2),
            10 => match earlier.iter().find(|e| e.1[1..] == [h, w] && e.0 != net.at) {
                Some((name, shape)) => net.concat(&[(name.clone(), shape[0])]),
                None => net.relu(),
            },
            11 | 12 => match earlier.iter().find(|e| e.1 == [c, h, w]) {
                Some((name, _)) => net.add(&name.clone()),
                None => net.leaky(0.1),
            },
            13 => net.conv(c, 3, 1),
            _ => net.conv(8 * n(3), 1, 1),
        };
        match n(6) {
            1 | 2 => net.relu(),
            3 => net.clip(-1.0, 1.5),
            4 => net.unary("HardSwish"),
            _ => &mut net,
        };
        earlier.push((net.at.clone(), net.shape));
    }
    net.conv(4, 1, 1).output();
    net.from(&earlier[1].0.clone(), earlier[1].1).output();
    net.global("GlobalAveragePool").gemm(6).output();
    net
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn random_networks_agree_with_tract(seed in any::<u64>()) {
        check_whole(&format!("network {seed}"), &random_net(seed));
    }
}
