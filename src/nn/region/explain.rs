//! A readable table: which operator of a model runs on which kernel, and how long it takes.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{EvalContext, OpState, TractErrorContext};

use super::graph::Layer;
use super::op::{NAME, replace};
use super::plan::Plan;
use super::read::{Partition, RunBy, broken, read};
use super::step::Step;
use crate::error::Result;
use crate::kernels::{Kernels, Lines};

/// Timed runs.
const RUNS: usize = 20;

/// One line of the table.
struct Line {
    name: String,
    op: String,
    by: String,
    mflop: Option<f64>,
    time: Option<Duration>,
}

/// A table of `model`'s operators in the order in which they run: the kernel that runs each, what it was fused into or
/// why tract runs it, its millions of operations and its shortest time over a few runs on zeros. `model` is as for
/// [`super::install`].
///
/// # Errors
/// If the model cannot run at all.
pub fn explain(model: &TypedModel, kernels: &'static Kernels) -> Result<String> {
    let partition = read(model).map_err(|e| broken("cannot be read", e))?;
    let plan = Arc::new(Plan::new(&partition.graph, kernels)?);
    let ours = time_plan(&plan, &partition)?;
    let left = time_rest(model, &partition, &plan)?;
    let lines = lines(model, &partition, &plan, &ours, &left)?;
    Ok(render(&lines, &partition, model, kernels, (ours.iter().sum(), left.values().sum())))
}

/// Shortest time of each step, for the whole batch.
fn time_plan(plan: &Plan, partition: &Partition) -> Result<Vec<Duration>> {
    let mut arena = Lines::new(plan.arena_floats);
    let inputs: Vec<Vec<f32>> = partition
        .graph
        .nodes
        .iter()
        .filter(|n| matches!(n.layer, Layer::Source))
        .map(|n| vec![0.0; n.info.values() * plan.batch])
        .collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(|v| &v[..]).collect();
    let mut values: Vec<Vec<f32>> = plan.shapes.iter().map(|s| vec![0.0; s.iter().product()]).collect();
    let mut outputs: Vec<&mut [f32]> = values.iter_mut().map(|v| &mut v[..]).collect();
    let mut times = vec![Duration::MAX; plan.steps.len()];
    for _ in 0..RUNS {
        plan.run(&mut arena, &inputs, &mut outputs, Some(&mut times))?;
    }
    // Times are per image of the batch.
    times.iter_mut().for_each(|t| *t *= plan.batch as u32);
    Ok(times)
}

/// Shortest time of each operator that tract runs, by name.
fn time_rest(model: &TypedModel, partition: &Partition, plan: &Arc<Plan>) -> Result<HashMap<String, Duration>> {
    let mut times = HashMap::new();
    if partition.whole(model) {
        return Ok(times);
    }
    let rest = replace(model.clone(), partition, plan.clone()).map_err(|e| broken("cannot be patched", e))?;
    let run = |times: &mut HashMap<String, Duration>| -> TractResult<()> {
        let plan = rest.clone().into_runnable()?;
        let mut state = plan.spawn()?;
        for _ in 0..RUNS {
            let inputs: TractResult<TVec<TValue>> = (0..rest.inputs.len())
                .map(|i| {
                    let fact = rest.input_fact(i)?;
                    let shape = fact.shape.as_concrete().context("an input's shape is not fixed")?;
                    Ok(Tensor::zero_dt(fact.datum_type, shape)?.into_tvalue())
                })
                .collect();
            state.run_plan_with_eval(
                inputs?,
                |context: &EvalContext, state: Option<&mut dyn OpState>, node, inputs| {
                    let start = Instant::now();
                    let result = match state {
                        Some(state) => state.eval(context, node.op.as_op(), inputs),
                        None => node.op.eval(context, inputs),
                    };
                    let least = times.entry(node.name.clone()).or_insert(Duration::MAX);
                    *least = start.elapsed().min(*least);
                    result
                },
            )?;
        }
        Ok(())
    };
    run(&mut times).map_err(|e| broken("cannot run", e))?;
    times.remove(NAME);
    Ok(times)
}

fn lines(
    model: &TypedModel,
    partition: &Partition,
    plan: &Plan,
    ours: &[Duration],
    left: &HashMap<String, Duration>,
) -> Result<Vec<Line>> {
    let mut lines = vec![];
    for id in model.eval_order().map_err(|e| broken("has no order", e))? {
        let node = model.node(id);
        let mut line =
            Line { name: node.name.clone(), op: node.op.name().into(), by: String::new(), mflop: None, time: None };
        match partition.run_by.get(&id) {
            None | Some(RunBy::Absorbed) => continue,
            Some(RunBy::Tract(why)) => {
                line.by = format!("tract: {why}");
                line.time = left.get(&node.name).copied();
            }
            Some(RunBy::Kernels(at)) => {
                let first = plan.steps.iter().position(|s| s.nodes.first() == Some(at));
                let holder = plan.steps.iter().find(|s| s.nodes.contains(at));
                line.by = match (first, holder) {
                    (Some(i), _) => {
                        let same = |s: &&Step| s.nodes == plan.steps[i].nodes;
                        let all = plan.steps.iter().zip(ours).filter(|(s, _)| same(s));
                        line.time = Some(all.map(|(_, t)| *t).sum());
                        line.mflop = Some(plan.steps[i].op.flops() as f64 * plan.batch as f64 / 1e6);
                        format!("ours: {}", plan.steps[i].name)
                    }
                    (None, Some(step)) => {
                        let into = step.nodes.first().map_or("", |n| partition.graph.nodes[*n].name.as_str());
                        format!("ours: fused into {into}")
                    }
                    (None, None) => "ours: free".into(),
                };
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

fn render(
    lines: &[Line],
    partition: &Partition,
    model: &TypedModel,
    kernels: &Kernels,
    (ours, left): (Duration, Duration),
) -> String {
    let width = |f: fn(&Line) -> &str, head: &str| {
        lines.iter().map(|l| f(l).chars().count()).max().unwrap_or(0).max(head.len())
    };
    let (name, op, by) = (width(|l| &l.name, "node"), width(|l| &l.op, "operator"), width(|l| &l.by, "run by"));
    let mut text = String::new();
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:name$}  {:op$}  {:by$}  {:>8}  {:>9}", "node", "operator", "run by", "MFLOP", "us");
    for l in lines {
        let mflop = l.mflop.map_or(String::new(), |v| format!("{v:.3}"));
        let time = l.time.map_or(String::new(), |v| format!("{:.1}", micros(v)));
        let line = format!("{:name$}  {:op$}  {:by$}  {mflop:>8}  {time:>9}", l.name, l.op, l.by);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let counted = lines.iter().filter(|l| l.by.starts_with("ours")).count();
    let mflop: f64 = lines.iter().filter_map(|l| l.mflop).sum();
    let way = if partition.whole(model) { "the whole network, without tract" } else { "a region inside tract" };
    let _ = writeln!(
        text,
        "{} of {} operators ours ({way}), {} kernels; {mflop:.2} MFLOP; ours {:.1} us, tract {:.1} us",
        counted,
        lines.len(),
        kernels.name(),
        micros(ours),
        micros(left)
    );
    text
}
