//! Tracking of any target, given by a box, in thermal and visible pictures.
//!
//! [`Engine`] takes a box and follows what is in it. When a target is given, its template goes through the trunk once and
//! becomes constants of a head (`lens`); then each frame costs one search crop around the expected place (`place`), one
//! run of the trunk and one of the head. `decode` reads the best box from the head's map. The presence that the head
//! gives decides whether the target is tracked, lost or searched for in the whole frame (`belief`, `search`). With two
//! cameras, `choice` says which pictures are used; networks for all choices are ready from the start, so that a camera
//! may fail or come back at any time.
//!
//! Boxes are in pixels of the thermal frame, or of the visible one if there never was a thermal frame.

mod belief;
#[cfg(feature = "stream")]
pub mod blob;
mod builder;
mod choice;
mod decode;
#[cfg(test)]
pub(crate) mod fake;
mod lens;
mod place;
mod scene;
mod search;
mod settings;
mod target;
mod temperature;

use std::time::Duration;

pub use builder::EngineBuilder;
pub use scene::{Pair, Registration};
pub use settings::Settings;

use belief::Limits;
use lens::Lens;
use place::Place;
use scene::{Scene, lit, open};
use target::{Followed, Step};

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::nn::{Card, Model, Stages};
use crate::result::{Modality, Target, TargetState};
use crate::units::Nanos;

/// Smallest side of a box, pixels.
const MIN_BOX: f32 = 2.0;
/// Largest side of a box, sides of the frame. The other modality may see less of the scene.
const MAX_BOX: f32 = 4.0;

/// Longer gaps between two frames end all motion.
const GAP: Duration = Duration::from_secs(2);

/// Follows targets through one stream.
///
/// Allocates nothing per frame; [`Engine::start`] does.
pub struct Engine {
    settings: Settings,
    limits: Limits,
    stages: Box<dyn Stages>,
    lens: Lens,
    followed: Vec<Followed>,
    targets: Vec<Target>,
    next_id: u32,
    /// Capture time of the last frame.
    last: Option<Nanos>,
    /// Sizes of the last thermal and visible frames, pixels.
    thermal: Option<(usize, usize)>,
    visible: Option<(usize, usize)>,
}

impl Engine {
    /// With the model that `settings` name.
    ///
    /// # Errors
    /// Fix: a setting is out of range, or the model is unknown, of another task or not the one of its card. Fatal: it
    /// fails its self-check.
    pub fn new(settings: &Settings) -> Result<Self> {
        let model = Model::find(settings.tracker_model()?)?;
        Self::with(settings, model.card(), model.stages()?)
    }

    /// With given networks.
    ///
    /// # Errors
    /// Fix: a setting is out of range, or the card is of another task; those of `stages`.
    pub fn with(settings: &Settings, card: &Card, stages: Box<dyn Stages>) -> Result<Self> {
        settings.validate()?;
        let lens = Lens::new(card, stages.as_ref())?;
        let score = settings.score.unwrap_or(card.decoding.threshold);
        Ok(Self {
            limits: Limits::new(score, settings.presence.unwrap_or(card.decoding.presence)),
            stages,
            lens,
            followed: Vec::with_capacity(settings.max_targets),
            targets: Vec::with_capacity(settings.max_targets),
            next_id: 1,
            last: None,
            thermal: None,
            visible: None,
            settings: settings.clone(),
        })
    }

    /// Gives a target by its box, in pixels of the visible frame if `pixels` is [`Modality::Visible`], else of the thermal
    /// one. Returns its number. The pictures that the pair has are those in which the target will be looked for; another
    /// one is added when it appears and the target is surely tracked.
    ///
    /// # Errors
    /// Fix: the box is under 2 pixels wide or high, is over 4 times as large as the frame, lies outside the frame or belongs
    /// to a frame that is not there, or there are too many targets. Retry: the shutter is closed. Fatal: a network fails.
    pub fn start(&mut self, pair: &Pair, pixels: Modality, bbox: Rect) -> Result<u32> {
        if self.followed.len() >= self.settings.max_targets {
            let most = self.settings.max_targets;
            return Err(Error::fix("track.max_targets", format!("there are already {most} targets")));
        }
        let scene = self.scene(pair);
        let wanted =
            if pixels == Modality::Visible { lit(pair.visible).is_some() } else { open(pair.thermal).is_some() };
        if !wanted {
            let closed = pixels != Modality::Visible && pair.thermal.is_some_and(|t| t.meta.ffc.hides_scene());
            let subject = "box";
            return Err(match closed {
                true => Error::retry(subject, "the shutter is closed"),
                false => Error::fix(subject, format!("belongs to a {} frame, but there is none", name(pixels))),
            });
        }
        let place = self.given(&scene, pixels, bbox)?;
        let step = Step {
            dt: Duration::ZERO,
            now: pair.captured().or(self.last).unwrap_or_default(),
            limits: self.limits,
            settings: &self.settings,
        };
        let networks = (&mut self.lens, self.stages.as_mut() as &mut dyn Stages);
        let target = Followed::new(self.next_id, place, networks, &scene, &step)?;
        self.last.get_or_insert(step.now);
        self.next_id += 1;
        self.targets.push(published(&target, &scene, pair.thermal, step.now));
        let id = target.id;
        self.followed.push(target);
        Ok(id)
    }

    /// Checks a given box; its place in pixels of targets.
    fn given(&self, scene: &Scene, pixels: Modality, bbox: Rect) -> Result<Place> {
        let side = bbox.width().min(bbox.height());
        if !bbox.is_finite() || !(side >= MIN_BOX) {
            let (w, h) = (bbox.width(), bbox.height());
            return Err(Error::fix("box", format!("is {w:.1} x {h:.1} pixels, wanted at least {MIN_BOX} x {MIN_BOX}")));
        }
        let place = match (pixels, scene.registration, self.thermal) {
            (Modality::Visible, Some(registration), Some(_)) => registration.inverse().to_visible(Place::of(bbox)),
            _ => Place::of(bbox),
        };
        let [width, height] = scene.size;
        let frame = Rect::new(0.0, 0.0, width, height);
        let [w, h] = place.size;
        if w > MAX_BOX * width || h > MAX_BOX * height {
            let message = format!("is {w:.1} x {h:.1} pixels, far larger than the frame of {width} x {height}");
            return Err(Error::fix("box", message));
        }
        if place.rect().intersection(frame).area() <= 0.0 {
            let [x0, y0, x1, y1] = bbox.to_array();
            let message =
                format!("({x0:.1}, {y0:.1}) to ({x1:.1}, {y1:.1}) lies outside the frame of {width} x {height}");
            return Err(Error::fix("box", message));
        }
        Ok(place)
    }

    /// Follows all targets into the next frame of the stream. Targets in order of their numbers.
    ///
    /// Frames with a closed shutter and missing frames are not looked at; without any picture, all targets are lost until
    /// one comes. If a frame has another size than the last, boxes are scaled.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn process(&mut self, pair: &Pair) -> Result<&[Target]> {
        let scene = self.scene(pair);
        let now = pair.captured().or(self.last).unwrap_or_default();
        let dt = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.last = Some(now);
        let still = dt > GAP;
        let dt = if still { Duration::ZERO } else { dt };
        let step = Step { dt, now, limits: self.limits, settings: &self.settings };
        self.targets.clear();
        for target in &mut self.followed {
            if still {
                target.halt();
            }
            target.step(&mut self.lens, &scene, &step)?;
            target.learn(&mut self.lens, self.stages.as_mut(), &scene)?;
            self.targets.push(published(target, &scene, pair.thermal, now));
        }
        Ok(&self.targets)
    }

    /// Forgets a target. Whether there was one of this number.
    pub fn stop(&mut self, id: u32) -> bool {
        let before = self.followed.len();
        self.followed.retain(|t| t.id != id);
        self.targets.retain(|t| t.id != id);
        self.followed.len() < before
    }

    /// Forgets all targets and the stream they were in; the next frame may be another recording's first. Numbers of
    /// targets go on.
    pub fn reset(&mut self) {
        self.followed.clear();
        self.targets.clear();
        (self.last, self.thermal, self.visible) = (None, None, None);
    }

    /// Targets as of the last frame, in order of their numbers.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The usable pictures of a pair. Moves all targets if their pixels have changed.
    fn scene<'a>(&mut self, pair: &Pair<'a>) -> Scene<'a> {
        let (thermal, visible) = (open(pair.thermal), lit(pair.visible));
        let seen = thermal.map(|t| (t.width(), t.height()));
        let lit = visible.map(|v| (v.width as usize, v.height as usize));
        let rescaled = |old: Option<(usize, usize)>, new: Option<(usize, usize)>| {
            let (old, new) = old.zip(new).filter(|(old, new)| old != new)?;
            Some((Registration::same_view(old, new).scale, [0.0; 2]))
        };
        let change = match (self.thermal, seen, lit.or(self.visible)) {
            (Some(_), ..) => rescaled(self.thermal, seen),
            // The first thermal frame: targets were held in visible pixels.
            (None, Some(size), Some(visible)) => {
                let back = self.registration(size, visible).inverse();
                Some((back.scale, back.offset))
            }
            (None, ..) => rescaled(self.visible, lit),
        };
        if let Some((scale, offset)) = change {
            self.followed.iter_mut().for_each(|t| t.remap(scale, offset));
        }
        self.thermal = seen.or(self.thermal);
        self.visible = lit.or(self.visible);
        let held = self.thermal.or(self.visible).unwrap_or_default();
        let registration = self.thermal.zip(self.visible).map(|(t, v)| self.registration(t, v));
        Scene { thermal, visible, registration, size: [held.0 as f32, held.1 as f32] }
    }

    fn registration(&self, thermal: (usize, usize), visible: (usize, usize)) -> Registration {
        self.settings.registration.unwrap_or_else(|| Registration::same_view(thermal, visible))
    }
}

/// What is published of a target.
fn published(target: &Followed, scene: &Scene, thermal: Option<&Frame>, now: Nanos) -> Target {
    let [width, height] = scene.size;
    let frame = Rect::new(0.0, 0.0, width, height);
    let bbox = target.place().map(|p| p.rect().intersection(frame)).filter(|b| b.area() > 0.0);
    let mut shown = Target::new(target.id);
    shown.bbox = bbox;
    (shown.score, shown.presence) = (target.score, target.presence);
    (shown.state, shown.modality) = (target.state(), target.modality);
    // With a closed shutter there is a frame, though not in the scene.
    shown.temperature = temperature::read(thermal, bbox);
    let ms = |since: Nanos| u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
    // A tracked target may be doubtful in a single frame.
    let unseen = if shown.state == TargetState::Tracked { 0 } else { ms(target.seen) };
    (shown.age_ms, shown.unseen_ms) = (ms(target.given), unseen);
    shown
}

fn name(pixels: Modality) -> &'static str {
    if pixels == Modality::Visible { "visible" } else { "thermal" }
}

#[cfg(test)]
mod tests;
