//! rten as an engine of `compare.py`: `peer-rten FILE.onnx`.

#[path = "../../protocol.rs"]
mod protocol;

use protocol::{Engine, input, serve};
use rten::{Dimension, Model, NodeId, Value};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

struct Rten {
    model: Model,
    from: NodeId,
    to: Vec<NodeId>,
    input: NdTensor<f32, 4>,
}

impl Rten {
    fn values(&self) -> Vec<Value> {
        self.model.run(vec![(self.from, self.input.view().into())], &self.to, None).expect("it runs")
    }
}

impl Engine for Rten {
    fn run(&mut self) {
        std::hint::black_box(self.values());
    }

    fn outputs(&mut self) -> Vec<f32> {
        let floats = |value: Value| match value {
            Value::FloatTensor(t) => t.to_vec(),
            _ => panic!("an output is not float"),
        };
        self.values().into_iter().flat_map(floats).collect()
    }
}

fn main() {
    let file = std::env::args().nth(1).expect("peer-rten FILE.onnx");
    let model = Model::load_file(file).expect("a model");
    let shape = model.input_shape(0).expect("an input's shape");
    let shape: Vec<usize> = shape
        .iter()
        .map(|d| match d {
            Dimension::Fixed(n) => *n,
            Dimension::Symbolic(_) => panic!("a fixed shape is wanted"),
        })
        .collect();
    let shape: [usize; 4] = shape.try_into().expect("four axes");
    let input = NdTensor::from_data(shape, input(shape.iter().product()));
    let (from, to) = (model.input_ids()[0], model.output_ids().to_vec());
    serve(&mut Rten { model, from, to, input });
}
