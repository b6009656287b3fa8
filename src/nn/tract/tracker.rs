//! A tracker's file cut into trunk, binding and head.

use tract_onnx::pb;
use tract_onnx::prelude::*;

use super::cut::{cut, double, weight};
use super::parse::{concrete, inspected, proto};
use super::{Signature, guarded, network, read, table};
use crate::error::{Error, Result};
use crate::kernels::{self, Kernels};
use crate::nn::card::{Card, Crops};
use crate::nn::network::Network;
use crate::nn::stages::{STRIDE, Stages, names};
use crate::result::Modality;

/// The file of a tracker and the network that binds templates.
pub struct Tracker {
    kernels: &'static Kernels,
    card: Card,
    crops: Crops,
    model: pb::ModelProto,
    /// Template to [`names::BOUND`].
    bind: Box<dyn Network>,
}

impl Tracker {
    /// Parses the file and builds the network that binds templates.
    ///
    /// # Errors
    /// Fix: the card is of another task, or the file is no tracker that we can run.
    pub fn new(onnx: &[u8], card: &Card) -> Result<Self> {
        Self::on(kernels::chosen()?, onnx, card)
    }

    /// Like [`Tracker::new`], on given kernels.
    pub fn on(kernels: &'static Kernels, onnx: &[u8], card: &Card) -> Result<Self> {
        let bad = |e: TractError| Error::fix(&card.file, format!("no model we can run: {e:#}"));
        Self::of(kernels, proto(onnx).map_err(bad)?, card)
    }

    /// Like [`Tracker::on`], from the parsed file.
    pub(super) fn of(kernels: &'static Kernels, model: pb::ModelProto, card: &Card) -> Result<Self> {
        let crops = card.crops()?;
        let cells = crops.template / STRIDE;
        let wanted = Signature {
            file: &card.file,
            inputs: vec![(names::TEMPLATE, [1, crops.features, cells, cells])],
            outputs: names::BOUND.to_vec(),
        };
        let bind = guarded(&wanted, || {
            inspected(&model)?;
            let part = cut(&model, &[names::TEMPLATE], &names::BOUND, vec![])?;
            network(read(&part, &wanted)?, &wanted, kernels)
        })?;
        Ok(Self { kernels, card: card.clone(), crops: crops.clone(), model, bind })
    }

    fn build(
        &self,
        part: impl FnOnce() -> TractResult<pb::ModelProto>,
        wanted: &Signature,
    ) -> Result<Box<dyn Network>> {
        guarded(wanted, || network(read(&part()?, wanted)?, wanted, self.kernels))
    }

    fn trunk_signature(&self, modality: Modality, side: usize) -> Signature<'_> {
        let (visible, thermal) = ((names::VISIBLE, [1, 3, side, side]), (names::THERMAL, [1, 1, side, side]));
        let inputs = match modality {
            Modality::Both => vec![visible, thermal],
            Modality::Thermal => vec![thermal],
            Modality::Visible => vec![visible],
        };
        Signature { file: &self.card.file, inputs, outputs: vec![names::FEATURES] }
    }

    fn trunk_part(&self, modality: Modality) -> TractResult<pb::ModelProto> {
        let one = match modality {
            Modality::Both => return cut(&self.model, &[names::VISIBLE, names::THERMAL], &[names::FEATURES], vec![]),
            Modality::Thermal => names::THERMAL,
            Modality::Visible => names::VISIBLE,
        };
        let mut model = self.model.clone();
        double(&mut model, names::MERGE, one)?;
        cut(&model, &[one], &[names::FEATURES], vec![])
    }

    fn head_signature(&self) -> Signature<'_> {
        let cells = self.crops.search / STRIDE;
        Signature {
            file: &self.card.file,
            inputs: vec![(names::FEATURES, [1, self.crops.features, cells, cells])],
            outputs: self.card.output_names().collect(),
        }
    }

    /// The head with a template's weights.
    fn head_part(&mut self, template: &[f32]) -> Result<TractResult<pb::ModelProto>> {
        self.bind.run(&[template])?;
        let bound = |i: usize| {
            let (name, shape) = &self.bind.outputs()[i];
            weight(name, shape, self.bind.output(i))
        };
        let constants = (0..names::BOUND.len()).map(bound).collect();
        let outputs: Vec<&str> = self.card.output_names().collect();
        Ok(cut(&self.model, &[names::FEATURES], &outputs, constants))
    }

    /// Readable tables of the kernels that run the trunk for both pictures, and a head.
    ///
    /// # Errors
    /// Fix: we cannot run the model.
    pub fn explain(&mut self) -> Result<String> {
        let head = self.head_part(&vec![0.5; self.bind.input_values(0)])?;
        let shapes = |wanted: &Signature| wanted.inputs.iter().map(|i| i.1).collect::<Vec<_>>();
        let trunk = shapes(&self.trunk_signature(Modality::Both, self.crops.search));
        let trunk = table(&self.card.file, self.kernels, || concrete(&self.trunk_part(Modality::Both)?, &trunk))?;
        let head = table(&self.card.file, self.kernels, || concrete(&head?, &shapes(&self.head_signature())))?;
        Ok(format!("trunk, thermal and visible\n{trunk}\nhead, with the weights of one target\n{head}"))
    }
}

impl Stages for Tracker {
    fn trunk(&self, modality: Modality, side: usize) -> Result<Box<dyn Network>> {
        let trunk = self.build(|| self.trunk_part(modality), &self.trunk_signature(modality, side))?;
        let shape = [1, self.crops.features, side / STRIDE, side / STRIDE];
        match trunk.outputs() {
            [(_, found)] if found == &shape => Ok(trunk),
            found => Err(Error::fix(&self.card.file, format!("its features are {found:?}, the card wants {shape:?}"))),
        }
    }

    fn head(&mut self, template: &[f32]) -> Result<Box<dyn Network>> {
        let part = self.head_part(template)?;
        self.build(|| part, &self.head_signature())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;

    const SIDE: usize = 128;

    fn pictures(side: usize) -> [Vec<f32>; 2] {
        [3, 1].map(|c| (0..c * side * side).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect())
    }

    #[test]
    fn one_modality_alone_is_its_stem_doubled() {
        let (onnx, card) = model("tiny-tracker");
        for kernels in kernels::available() {
            let tracker = Tracker::on(kernels, &onnx, &card).unwrap();
            let [visible, thermal] = pictures(SIDE);
            let run = |modality, inputs: &[&[f32]]| {
                let mut trunk = tracker.trunk(modality, SIDE).unwrap();
                trunk.run(inputs).unwrap();
                trunk.output(0).to_vec()
            };
            let both = run(Modality::Both, &[&visible, &thermal]);
            let one = run(Modality::Thermal, &[&thermal]);
            let other = run(Modality::Visible, &[&visible]);
            assert!(both != one && one != other);
            assert_eq!([both.len(), one.len(), other.len()], [16 * 16 * 16; 3]);
        }
    }

    #[test]
    fn heads_look_for_their_own_templates_and_trunks_come_in_two_sizes() {
        let (onnx, card) = model("tiny-tracker");
        let mut tracker = Tracker::new(&onnx, &card).unwrap();
        let [_, small] = pictures(64);
        let mut trunk = tracker.trunk(Modality::Thermal, 64).unwrap();
        trunk.run(&[&small]).unwrap();
        let template = trunk.output(0).to_vec();
        let mut search = tracker.trunk(Modality::Thermal, SIDE).unwrap();
        search.run(&[&pictures(SIDE)[1]]).unwrap();
        let mut answer = |template: &[f32]| {
            let mut head = tracker.head(template).unwrap();
            head.run(&[search.output(0)]).unwrap();
            (head.output(0).to_vec(), head.output(1).to_vec())
        };
        let (first, other) = (answer(&template), answer(&vec![0.5; template.len()]));
        assert_eq!((first.0.len(), first.1.len()), (5 * 16 * 16, 1));
        assert!(first.0 != other.0 && first.0.iter().all(|v| v.is_finite()));
        assert_eq!(answer(&template), first);
        assert!(tracker.head(&template[1..]).is_err());
    }

    #[test]
    fn heads_and_trunks_run_on_our_kernels() {
        let (onnx, card) = model("tiny-tracker");
        let told = Tracker::new(&onnx, &card).unwrap().explain().unwrap();
        assert_eq!(told.matches("the whole network, without tract").count(), 2, "{told}");
    }
}
