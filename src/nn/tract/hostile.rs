//! Models with a broken structure: any change must give a network or an error, in time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::*;
use crate::kernels;
use crate::nn::stages::Stages as _;
use crate::result::Modality;

/// A small random generator, so that a failure names its seed.
struct Dice(Cell<u64>);

impl Dice {
    fn below(&self, n: usize) -> usize {
        self.0.set(self.0.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        ((self.0.get() >> 33) as usize).checked_rem(n).unwrap_or(0)
    }

    fn of<T: Copy>(&self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }

    fn pick<'a, T>(&self, list: &'a mut [T]) -> Option<&'a mut T> {
        let i = self.below(list.len());
        list.get_mut(i)
    }
}

/// Numbers that break naive arithmetic.
const NUMBERS: [i64; 14] = [0, -1, 1, 2, 3, 5, 7, 255, 1 << 20, 1 << 31, 1 << 33, 1 << 62, i64::MAX, i64::MIN];

const OPERATORS: [&str; 20] = [
    "Conv",
    "Relu",
    "Clip",
    "Add",
    "Mul",
    "Sub",
    "Div",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Concat",
    "Resize",
    "Flatten",
    "Gemm",
    "MatMul",
    "Reshape",
    "Transpose",
    "PRelu",
    "Sigmoid",
    "BatchNormalization",
];

/// Changes one thing.
fn damage(graph: &mut pb::GraphProto, dice: &Dice) -> Option<()> {
    let (nodes, tensors) = (graph.node.len(), graph.initializer.len());
    match dice.below(14) {
        0 => {
            let number = dice.of(&NUMBERS);
            *dice.pick(&mut any_tensor(graph, dice)?.dims)? = number;
        }
        1 => any_tensor(graph, dice)?.dims.push(dice.of(&NUMBERS)),
        2 => drop(any_tensor(graph, dice)?.dims.pop()?),
        3 => any_tensor(graph, dice)?.data_type = dice.below(18) as i32,
        4 => any_tensor(graph, dice)?.raw_data.truncate(dice.below(64)),
        5 => {
            let number = dice.of(&NUMBERS);
            *dice.pick(&mut any_attribute(graph, dice)?.ints)? = number;
        }
        6 => any_attribute(graph, dice)?.i = dice.of(&NUMBERS),
        7 => any_attribute(graph, dice)?.ints.truncate(dice.below(3)),
        8 => any_attribute(graph, dice)?.r#type = dice.below(12) as i32,
        9 => drop(any_node(graph, dice)?.attribute.pop()?),
        10 => any_node(graph, dice)?.op_type = dice.of(&OPERATORS).into(),
        11 => {
            let name = match dice.below(3) {
                0 => graph.node.get(dice.below(nodes))?.output.first()?.clone(),
                1 => graph.initializer.get(dice.below(tensors))?.name.clone(),
                _ => String::new(),
            };
            *dice.pick(&mut any_node(graph, dice)?.input)? = name;
        }
        12 => drop(graph.node.remove(dice.below(nodes))),
        _ => drop(any_node(graph, dice)?.input.pop()?),
    }
    Some(())
}

fn any_node<'a>(graph: &'a mut pb::GraphProto, dice: &Dice) -> Option<&'a mut pb::NodeProto> {
    dice.pick(&mut graph.node)
}

fn any_tensor<'a>(graph: &'a mut pb::GraphProto, dice: &Dice) -> Option<&'a mut pb::TensorProto> {
    dice.pick(&mut graph.initializer)
}

fn any_attribute<'a>(graph: &'a mut pb::GraphProto, dice: &Dice) -> Option<&'a mut pb::AttributeProto> {
    let node = any_node(graph, dice)?;
    dice.pick(&mut node.attribute)
}

fn model(name: &str) -> (pb::ModelProto, Card) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/");
    let onnx = std::fs::read(format!("{folder}{name}.onnx")).unwrap();
    let card = std::fs::read_to_string(format!("{folder}{name}.toml")).unwrap();
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &onnx[..]).unwrap();
    (proto, Card::parse(&card, name).unwrap())
}

/// The outcome for a model: its network, or why there is none.
fn load(proto: &pb::ModelProto, card: &Card, shape: [usize; 4]) -> Result<Box<dyn Network>, String> {
    let name = card.face_input().unwrap().name.as_str();
    let wanted = Signature { inputs: vec![(name, shape)], ..Signature::of(card, shape[2], shape[3]).unwrap() };
    let parsed = catch_unwind(AssertUnwindSafe(|| read(proto, &wanted)));
    let parsed = parsed.map_err(|_| "tract gave up".to_string())?.map_err(|e| format!("{e:#}"))?;
    let table = *kernels::available().last().unwrap();
    // Our own part must not even panic inside a catch.
    if let Err(e) = region::install(parsed.0.clone(), table) {
        return Err(format!("{e:#}"));
    }
    match catch_unwind(AssertUnwindSafe(|| network(parsed, &wanted, table))) {
        Ok(network) => network.map_err(|e| format!("{e:#}")),
        Err(_) => Err("tract gave up".into()),
    }
}

#[test]
fn a_damaged_structure_is_a_network_or_an_error_in_time() {
    let (mut loaded, mut refused) = (0, 0);
    for (name, seeds) in [("tiny-landmarks", 0..400), ("tiny-detector", 400..800)] {
        let (proto, card) = model(name);
        let input = card.face_input().unwrap();
        let shape = [1, 1, input.height, input.width];
        for seed in seeds {
            let dice = Dice(Cell::new(seed));
            let mut bad = proto.clone();
            let graph = bad.graph.as_mut().unwrap();
            for _ in 0..1 + dice.below(3) {
                damage(graph, &dice);
            }
            let began = Instant::now();
            match load(&bad, &card, shape) {
                Ok(mut network) => {
                    loaded += 1;
                    let input = vec![0.5; network.input_values(0)];
                    if network.run(&[&input]).is_ok() {
                        for (i, (_, extents)) in network.outputs().iter().enumerate() {
                            assert_eq!(network.output(i).len(), extents.iter().product::<usize>(), "seed {seed}");
                        }
                    }
                }
                Err(why) => {
                    refused += 1;
                    assert!(!why.is_empty());
                }
            }
            assert!(began.elapsed() < Duration::from_secs(20), "seed {seed}: {:?}", began.elapsed());
        }
    }
    println!("{loaded} still ran, {refused} were refused");
    assert!(loaded > 50 && refused > 200, "the damage is too mild or too heavy: {loaded} ran, {refused} refused");
}

#[test]
fn a_damaged_tracker_is_a_tracker_or_an_error_in_time() {
    let (proto, card) = model("tiny-tracker");
    let table = *kernels::available().last().unwrap();
    let (mut ran, mut refused) = (0, 0);
    for seed in 0..400 {
        let dice = Dice(Cell::new(seed));
        let mut bad = proto.clone();
        let graph = bad.graph.as_mut().unwrap();
        for _ in 0..1 + dice.below(3) {
            damage(graph, &dice);
        }
        let began = Instant::now();
        let followed = Tracker::of(table, bad, &card).and_then(|mut tracker| {
            let side = dice.of(&[8, 64, 128]);
            let mut trunk = tracker.trunk(dice.of(&Modality::ALL), side)?;
            let inputs: Vec<Vec<f32>> = (0..trunk.inputs().len()).map(|i| vec![0.5; trunk.input_values(i)]).collect();
            trunk.run(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            let mut head = tracker.head(&[0.25; 16 * 8 * 8])?;
            head.run(&[&vec![0.5; head.input_values(0)]])
        });
        match followed {
            Ok(()) => ran += 1,
            Err(why) => {
                refused += 1;
                assert!(!why.to_string().is_empty());
            }
        }
        assert!(began.elapsed() < Duration::from_secs(20), "seed {seed}: {:?}", began.elapsed());
    }
    println!("{ran} still ran, {refused} were refused");
    assert!(ran > 40 && refused > 100, "the damage is too mild or too heavy: {ran} ran, {refused} refused");
}

#[test]
fn errors_name_the_node_or_weight_and_the_reason() {
    type Change = fn(&mut pb::GraphProto);
    let cases: [(Change, &[&str]); 4] = [
        (|g| g.initializer[0].dims = vec![1 << 40, 1 << 22], &["claims shape"]),
        (|g| g.initializer[0].raw_data.clear(), &["brings 0 values"]),
        (|g| g.node[0].op_type = "Loop".into(), &["Loop", "not accepted"]),
        (|g| g.node[0].op_type = "Frobnicate".into(), &["Frobnicate"]),
    ];
    for (change, says) in cases {
        let (mut proto, card) = model("tiny-landmarks");
        change(proto.graph.as_mut().unwrap());
        let why = load(&proto, &card, [1, 1, 96, 96]).err().unwrap();
        assert!(says.iter().all(|s| why.contains(s)), "{says:?}: {why}");
    }
}

#[test]
fn inputs_of_no_or_odd_size_are_networks_or_errors() {
    for name in ["tiny-landmarks", "tiny-detector"] {
        let (proto, card) = model(name);
        for shape in [[1, 1, 0, 0], [0, 1, 96, 96], [1, 1, 1, 1], [1, 1, 3, 200], [1, 1, 33, 31], [1, 7, 96, 96]] {
            if let Ok(mut network) = load(&proto, &card, shape) {
                let input = vec![0.5; network.input_values(0)];
                let _ = network.run(&[&input]);
            }
        }
    }
}
