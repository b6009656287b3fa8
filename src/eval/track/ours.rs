//! Our tracker, evaluated as a program runs it.

use super::follow::Follow;
use super::presence::Answer;
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::nn::Model;
use crate::result::{Modality, TargetState};
use crate::track::{Engine, Pair, Settings};

/// An engine that follows one target, with the name of its model.
pub struct Ours {
    engine: Engine,
    model: String,
}

impl Ours {
    /// With the model that `settings` name.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn new(settings: &Settings) -> Result<Self> {
        let model = Model::find(settings.tracker_model()?)?;
        let engine = Engine::with(settings, model.card(), model.stages()?)?;
        Ok(Self { engine, model: model.card().name.clone() })
    }
}

impl Follow for Ours {
    fn name(&self) -> String {
        "track".into()
    }

    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn start(&mut self, frame: &Frame, modality: Modality, bbox: Rect) -> Result<()> {
        self.engine.reset();
        self.engine.start(&Pair::of(frame), modality, bbox).map(drop)
    }

    /// An empty box unless the target is tracked, as in the files of `heatmark track --boxes`. No presence where there
    /// was nothing to look at.
    fn follow(&mut self, frame: &Frame) -> Result<Answer> {
        let pair = Pair::of(frame);
        let blind = pair.visible.is_none() && frame.meta.ffc.hides_scene();
        let target = self.engine.process(&pair)?.first();
        Ok(Answer {
            bbox: target.and_then(|t| t.bbox).map(Into::into).unwrap_or_default(),
            presence: target.filter(|_| !blind).map(|t| f64::from(t.presence)),
            state: target.map_or(TargetState::Lost, |t| t.state),
        })
    }
}
