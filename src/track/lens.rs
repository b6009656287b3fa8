//! The networks of a tracker with their inputs: from a square of the pictures to a box in it.

use super::decode::{Decoder, sigmoid};
use super::place::Place;
use super::scene::Scene;
use crate::error::Result;
use crate::frame::Signal;
use crate::nn::card::Crops;
use crate::nn::{Card, Network, Stages};
use crate::preprocess::Preprocessor;
use crate::preprocess::target::{Contrast, Levels, Square};
use crate::result::Modality;

/// Share of the way that levels move to those of the target in a frame.
const ADAPTATION: f32 = 0.02;

/// What is known of a target since it was given: heads that look for it, and the levels of its template. What is
/// missing belongs to a picture that there was not.
#[derive(Default)]
pub(super) struct Appearance {
    /// In the order of [`Modality::ALL`].
    heads: [Option<Box<dyn Network>>; 3],
    thermal: Option<Levels>,
    visible: Option<Levels>,
}

impl Appearance {
    /// The pictures of the scene in which the target can be looked for.
    pub fn usable(&self, scene: &Scene) -> Option<Modality> {
        let thermal = scene.thermal.is_some() && self.thermal.is_some();
        Modality::of(thermal, scene.visible.is_some() && self.visible.is_some())
    }

    /// Whether the scene has a picture of which this knows nothing.
    pub fn lacks(&self, scene: &Scene) -> bool {
        let new = |seen: bool, known: bool| seen && !known;
        new(scene.thermal.is_some(), self.thermal.is_some()) || new(scene.visible.is_some(), self.visible.is_some())
    }
}

/// The target in one search crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// Score of the best place, 0 to 1.
    pub score: f32,
    /// Probability that the target is in the crop, 0 to 1.
    pub presence: f32,
    /// The best place as the network draws it, pixels of targets.
    pub place: Place,
}

impl Reading {
    /// How much the box can be believed, 0 to 1.
    pub fn confidence(&self) -> f32 {
        (self.score * self.presence).sqrt()
    }
}

/// Contrast of the crops that were made: thermal, visible.
pub(super) type Contrasts = [Option<Contrast>; 2];

/// Trunks for all choices of pictures, and their inputs.
pub(super) struct Lens {
    crops: Crops,
    decoder: Decoder,
    preprocess: Preprocessor,
    /// For search crops and for templates, in the order of [`Modality::ALL`].
    search: [Box<dyn Network>; 3],
    template: [Box<dyn Network>; 3],
    /// Inputs, of the size of a search crop.
    visible: Vec<f32>,
    thermal: Vec<f32>,
}

impl Lens {
    /// Builds all trunks.
    ///
    /// # Errors
    /// Fix: the card is of another task or layout, or we cannot run the model.
    pub fn new(card: &Card, stages: &dyn Stages) -> Result<Self> {
        let crops = card.crops()?.clone();
        let [both, thermal, visible] = Modality::ALL;
        let trunks = |side: usize| -> Result<_> {
            Ok([stages.trunk(both, side)?, stages.trunk(thermal, side)?, stages.trunk(visible, side)?])
        };
        let area = crops.search * crops.search;
        Ok(Self {
            decoder: Decoder::new(card)?,
            preprocess: Preprocessor::default(),
            search: trunks(crops.search)?,
            template: trunks(crops.template)?,
            visible: vec![0.0; 3 * area],
            thermal: vec![0.0; area],
            crops,
        })
    }

    /// Adds to what is known of the target at `place` what the scene shows of it.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn learn(&mut self, stages: &mut dyn Stages, scene: &Scene, place: Place, into: &mut Appearance) -> Result<()> {
        let (size, square) = (self.crops.template, Square { centre: place.centre, side: place.side() });
        let area = size * size;
        if let Some(frame) = scene.thermal {
            let out = &mut self.thermal[..area];
            match into.thermal {
                Some(levels) => drop(self.preprocess.thermal_search(frame, square, levels, size, out)),
                None => {
                    let percentiles = self.crops.percentiles;
                    into.thermal = Some(self.preprocess.thermal_template(frame, square, percentiles, size, out).0);
                }
            }
        }
        if let Some(picture) = scene.visible {
            let (out, square) = (&mut self.visible[..3 * area], scene.in_visible(square));
            match into.visible {
                Some(levels) => drop(self.preprocess.visible_search(picture, square, levels, size, out)),
                None => into.visible = Some(self.preprocess.visible_template(picture, square, size, out).0),
            }
        }
        for (i, modality) in Modality::ALL.into_iter().enumerate() {
            let seen = (!modality.uses_thermal() || scene.thermal.is_some())
                && (!modality.uses_visible() || scene.visible.is_some());
            if seen && into.heads[i].is_none() {
                let trunk = &mut self.template[i];
                run(trunk.as_mut(), modality, &self.visible[..3 * area], &self.thermal[..area])?;
                into.heads[i] = Some(stages.head(trunk.output(0))?);
            }
        }
        Ok(())
    }

    /// Makes the search crops of a square, of the pictures that are there and known.
    pub fn look(&mut self, scene: &Scene, square: Square, known: &Appearance) -> Contrasts {
        let size = self.crops.search;
        let thermal = scene
            .thermal
            .zip(known.thermal)
            .map(|(frame, levels)| self.preprocess.thermal_search(frame, square, levels, size, &mut self.thermal));
        let visible = scene.visible.zip(known.visible).map(|(picture, levels)| {
            let square = scene.in_visible(square);
            self.preprocess.visible_search(picture, square, levels, size, &mut self.visible)
        });
        [thermal, visible]
    }

    /// Moves the levels of what is known a little to those of the target at `place`, as cameras change their gain and
    /// exposure. Temperatures keep their levels.
    pub fn adapt(&mut self, scene: &Scene, place: Place, known: &mut Appearance) {
        let (size, square) = (self.crops.template / 2, Square { centre: place.centre, side: place.side() });
        let grey = scene.thermal.filter(|frame| !matches!(frame.format.signal, Signal::Radiometric { .. }));
        if let Some((frame, levels)) = grey.zip(known.thermal.as_mut()) {
            let out = &mut self.thermal[..size * size];
            let seen = self.preprocess.thermal_levels(frame, square, self.crops.percentiles, size, out);
            *levels = levels.toward(seen, ADAPTATION);
        }
        if let Some((picture, levels)) = scene.visible.zip(known.visible.as_mut()) {
            let out = &mut self.visible[..3 * size * size];
            let seen = self.preprocess.visible_levels(picture, scene.in_visible(square), size, out);
            *levels = levels.toward(seen, ADAPTATION);
        }
    }

    /// Looks for the target in the crops of `square` that were made last, in some of the pictures. `spread`: how far it may be
    /// from the middle, the deviation in pixels of targets; `None` where it may be anywhere. `None` if the network's answer is no box.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn find(
        &mut self,
        known: &mut Appearance,
        modality: Modality,
        square: Square,
        spread: Option<f32>,
    ) -> Result<Option<Reading>> {
        let Some(head) = &mut known.heads[modality.index()] else { return Ok(None) };
        let trunk = &mut self.search[modality.index()];
        run(trunk.as_mut(), modality, &self.visible, &self.thermal)?;
        head.run(&[trunk.output(0)])?;
        let presence = head.output(1).first().map_or(f32::NAN, |logit| sigmoid(*logit));
        let size = self.crops.search as f32;
        let scale = square.side / size;
        let spread = spread.map(|s| s / scale);
        let Some(best) = self.decoder.best(head.output(0), spread).filter(|_| presence.is_finite()) else {
            return Ok(None);
        };
        let place = Place {
            centre: std::array::from_fn(|i| square.centre[i] + (best.centre[i] - size / 2.0) * scale),
            size: best.size.map(|s| s * scale),
        };
        Ok(Some(Reading { score: best.score, presence, place }).filter(|r| r.place.is_finite()))
    }
}

/// Runs a trunk on the inputs that it takes.
fn run(trunk: &mut dyn Network, modality: Modality, visible: &[f32], thermal: &[f32]) -> Result<()> {
    match modality {
        Modality::Both => trunk.run(&[visible, thermal]),
        Modality::Thermal => trunk.run(&[thermal]),
        Modality::Visible => trunk.run(&[visible]),
    }
}
