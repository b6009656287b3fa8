//! Our executor, or plain tract, as an engine of `compare.py`: `serve heatmark|tract FILE.onnx`.

mod protocol;

use heatmark::kernels;
use heatmark::nn::Network;
use heatmark::nn::region::{self, Executor, Installed};
use protocol::{Engine, input, serve};
use tract_onnx::prelude::*;

struct Ours {
    executor: Executor,
    input: Vec<f32>,
}

impl Engine for Ours {
    fn run(&mut self) {
        self.executor.run(&[&self.input]).expect("it runs");
    }

    fn outputs(&mut self) -> Vec<f32> {
        self.run();
        (0..self.executor.outputs().len()).flat_map(|i| self.executor.output(i).to_vec()).collect()
    }
}

struct Tract {
    run: Box<dyn FnMut() -> TVec<TValue>>,
}

impl Engine for Tract {
    fn run(&mut self) {
        std::hint::black_box((self.run)());
    }

    fn outputs(&mut self) -> Vec<f32> {
        let values = (self.run)();
        let plain = |v: &TValue| v.try_as_plain_ram().expect("in memory").as_slice::<f32>().expect("floats").to_vec();
        values.iter().flat_map(plain).collect()
    }
}

fn main() {
    // Cargo adds `--bench` where it starts this as a benchmark, which has nothing to serve.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [engine, file] = &arguments[..] else {
        println!("serve heatmark|tract FILE.onnx: see benches/peers/README.md");
        return;
    };
    let model = onnx().model_for_path(file).expect("a model").into_typed().expect("types");
    let shape = model.input_fact(0).expect("an input").shape.as_concrete().expect("a fixed shape").to_vec();
    let data = input(shape.iter().product());
    if engine == "heatmark" {
        match region::install(model, kernels::chosen().expect("kernels")).expect("our kernels") {
            Installed::Whole(executor) => serve(&mut Ours { executor, input: data }),
            Installed::Part { model, .. } => serve(&mut tract(*model, &shape, &data)),
        }
    } else {
        serve(&mut tract(model, &shape, &data));
    }
}

fn tract(model: TypedModel, shape: &[usize], data: &[f32]) -> Tract {
    let plan = model.into_optimized().expect("optimised").into_runnable().expect("a plan");
    let input = Tensor::from_shape(shape, data).expect("an input").into_tvalue();
    let mut state = plan.spawn().expect("a state");
    Tract { run: Box::new(move || state.run(tvec!(input.clone())).expect("it runs")) }
}
