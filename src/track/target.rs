//! One target: from frame to frame.

use std::time::Duration;

use super::belief::{Belief, Limits};
use super::choice::{Choice, Eye};
use super::lens::{Appearance, Lens, Reading};
use super::place::{Convention, Motion, Place, SIZE_SCORE};
use super::scene::Scene;
use super::search::Tiles;
use super::settings::Settings;
use crate::error::Result;
use crate::nn::Stages;
use crate::preprocess::target::Square;
use crate::result::{Modality, TargetState};
use crate::units::Nanos;

/// A search crop has this many template sides.
const SEARCH: f32 = 2.0;

/// Largest factor between the size of a target that is found again and the one that was lost.
const SAME_SIZE: f32 = 2.0;

/// Deviation of a target from the middle of the crop, where it was just seen there, as a share of the crop's side.
const FIRST_SPREAD: f32 = 0.15;

/// Frames in which a target must be seen well before the template of a new picture is taken.
const LEARN_AFTER: u8 = 5;

/// Time and limits of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// Since the last frame.
    pub dt: Duration,
    pub now: Nanos,
    pub limits: Limits,
    pub settings: &'a Settings,
}

/// A target and what is known of it.
pub(super) struct Followed {
    pub id: u32,
    pub given: Nanos,
    /// When it was seen last.
    pub seen: Nanos,
    pub score: f32,
    pub presence: f32,
    pub modality: Modality,
    motion: Motion,
    convention: Convention,
    known: Appearance,
    belief: Belief,
    choice: Choice,
    tiles: Tiles,
    /// Frames in a row in which it was seen well beside a picture without a template.
    steady: u8,
}

impl Followed {
    /// Takes the template at `place` and looks at the same frame, to learn how its giver draws boxes.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn new(
        id: u32,
        place: Place,
        (lens, stages): (&mut Lens, &mut dyn Stages),
        scene: &Scene,
        step: &Step,
    ) -> Result<Self> {
        let mut known = Appearance::default();
        lens.learn(stages, scene, place, &mut known)?;
        let square = Square { centre: place.centre, side: SEARCH * place.side() };
        let [thermal, visible] = lens.look(scene, square, &known);
        let modality = known.usable(scene).unwrap_or_default();
        let first = lens.find(&mut known, modality, square, Some(FIRST_SPREAD * square.side))?;
        let believed = first.filter(|r| r.score >= step.limits.score);
        let eye = |contrast: Option<_>| contrast.map(Eye::opened).unwrap_or_default();
        Ok(Self {
            id,
            given: step.now,
            seen: step.now,
            score: first.map_or(0.0, |r| r.score),
            presence: first.map_or(0.0, |r| r.presence),
            modality,
            motion: Motion::at(place),
            convention: believed.map(|r| Convention::between(place, r.place)).unwrap_or_default(),
            known,
            belief: Belief::default(),
            choice: Choice::new(eye(thermal), eye(visible)),
            tiles: Tiles::default(),
            steady: 0,
        })
    }

    pub fn state(&self) -> TargetState {
        self.belief.state
    }

    /// Its box, pixels of targets; `None` unless it is tracked.
    pub fn place(&self) -> Option<Place> {
        (self.belief.state == TargetState::Tracked).then_some(self.motion.place)
    }

    /// Moves it to other pixels.
    pub fn remap(&mut self, scale: [f32; 2], offset: [f32; 2]) {
        self.motion = self.motion.mapped(scale, offset);
        self.tiles.clear();
    }

    /// Ends its motion.
    pub fn halt(&mut self) {
        self.motion.stop();
    }

    /// Follows it into the next frame.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn step(&mut self, lens: &mut Lens, scene: &Scene, step: &Step) -> Result<()> {
        let Some(usable) = self.known.usable(scene) else {
            // Nothing to look at: a closed shutter, or no picture.
            self.belief.paused();
            self.motion.coast(step.dt);
            self.motion.confine(scene.size);
            self.presence = 0.0;
            self.score = 0.0;
            return Ok(());
        };
        let side = SEARCH * self.motion.place.side();
        let reach = self.belief.reach();
        let square = Square { centre: self.motion.predicted(step.dt), side: side * reach };
        let reading = self.look(lens, scene, (square, self.motion.spread() * reach), usable, step)?;
        let needed = self.belief.needed(&step.limits);
        let tracked = self.belief.state == TargetState::Tracked;
        let mut found =
            reading.filter(|r| r.score >= step.limits.score && r.presence >= needed && (tracked || self.alike(r)));
        if found.is_none() && self.belief.state == TargetState::Searching {
            found = self.search(lens, scene, step)?;
        }
        let shown = found.or(reading);
        (self.score, self.presence) = shown.map_or((0.0, 0.0), |r| (r.score, r.presence));
        match found {
            Some(reading) => {
                self.move_to(reading, step);
                if reading.score >= SIZE_SCORE && reading.presence >= step.limits.find {
                    lens.adapt(scene, self.motion.place, &mut self.known);
                }
            }
            None => {
                if self.belief.state == TargetState::Tracked {
                    self.motion.coast(step.dt);
                } else {
                    self.motion.stop();
                }
                self.belief.missed(step.dt, Duration::from_millis(step.settings.search_after_ms.into()));
            }
        }
        self.motion.confine(scene.size);
        let well = found.is_some_and(|r| r.presence >= step.limits.find) && self.known.lacks(scene);
        self.steady = if well { self.steady.saturating_add(1) } else { 0 };
        Ok(())
    }

    /// Takes the template of a picture that was not there at first, once the target is surely tracked.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn learn(&mut self, lens: &mut Lens, stages: &mut dyn Stages, scene: &Scene) -> Result<()> {
        if self.steady < LEARN_AFTER {
            return Ok(());
        }
        self.steady = 0;
        let place = self.motion.place;
        lens.learn(stages, scene, place, &mut self.known)?;
        let square = Square { centre: place.centre, side: SEARCH * place.side() };
        let [thermal, visible] = lens.look(scene, square, &self.known);
        self.choice =
            Choice::new(thermal.map(Eye::opened).unwrap_or_default(), visible.map(Eye::opened).unwrap_or_default());
        Ok(())
    }

    /// Looks for it in a square where it should be, in the pictures that serve best.
    fn look(
        &mut self,
        lens: &mut Lens,
        scene: &Scene,
        (square, spread): (Square, f32),
        usable: Modality,
        step: &Step,
    ) -> Result<Option<Reading>> {
        let [thermal, visible] = lens.look(scene, square, &self.known);
        if usable == Modality::Both {
            self.choice.look(thermal, visible);
        }
        self.modality = self.choice.pick(usable);
        let mut readings = [None; 3];
        let now = self.modality.index();
        readings[now] = lens.find(&mut self.known, self.modality, square, Some(spread))?;
        let presence = readings[now].map_or(0.0, |r| r.presence);
        if usable == Modality::Both && self.choice.due(presence, step.limits.find) {
            for (i, modality) in Modality::ALL.into_iter().enumerate() {
                if i != now {
                    readings[i] = lens.find(&mut self.known, modality, square, Some(spread))?;
                }
            }
            self.choice.judge(readings.map(|r| r.map_or(0.0, |r| r.confidence())));
            self.modality = self.choice.pick(usable);
        }
        Ok(readings[self.modality.index()])
    }

    /// Looks for it in the next tiles of the frame; what is found is looked at again from near.
    fn search(&mut self, lens: &mut Lens, scene: &Scene, step: &Step) -> Result<Option<Reading>> {
        let old = self.motion.place;
        let side = SEARCH * old.side();
        for _ in 0..step.settings.tiles {
            let Some((centre, tile)) = self.tiles.next(scene.size, side, old.centre) else { return Ok(None) };
            let square = Square { centre, side: tile };
            lens.look(scene, square, &self.known);
            let reading = lens.find(&mut self.known, self.modality, square, None)?;
            let Some(far) = reading.filter(|r| r.score >= step.limits.score && r.presence >= step.limits.find) else {
                continue;
            };
            let square = Square { centre: far.place.centre, side };
            lens.look(scene, square, &self.known);
            let near = lens.find(&mut self.known, self.modality, square, Some(FIRST_SPREAD * side))?;
            if let Some(near) = near.filter(|r| r.presence >= step.limits.accept && self.alike(r)) {
                return Ok(Some(near));
            }
        }
        Ok(None)
    }

    /// Whether what was found may be the target by its size.
    fn alike(&self, found: &Reading) -> bool {
        let factor = self.convention.apply(found.place).side() / self.motion.place.side();
        (1.0 / SAME_SIZE..=SAME_SIZE).contains(&factor)
    }

    /// It was seen there.
    fn move_to(&mut self, reading: Reading, step: &Step) {
        let mut place = self.convention.apply(reading.place);
        if reading.score < SIZE_SCORE {
            place.size = self.motion.place.size;
        }
        if self.belief.state != TargetState::Tracked {
            // The way here is no motion.
            self.motion = Motion::at(Place { centre: place.centre, ..self.motion.place });
            self.tiles.clear();
        }
        self.motion.measured(place, step.dt);
        self.belief.seen();
        self.seen = step.now;
    }
}
