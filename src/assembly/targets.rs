//! The tracker as a pipeline part: starts targets, follows them, and takes requests of viewers.

use std::str::FromStr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::{Error, Remedy, Result};
use crate::face;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::look::{Aim, Request};
use crate::pipeline::Infer;
use crate::radiometry;
use crate::result::{FrameResult, Modality};
use crate::track::{self, Pair, blob};
use crate::units::Nanos;

/// Requests of viewers that wait for the next frame.
const WAITING: usize = 16;
/// Largest number in a box; more is a slip of the pen.
const MAX_PIXEL: f32 = 1e6;
/// Pause between two attempts to start a target on a live camera, ns.
const RETRY_NS: u64 = 1_000_000_000;

/// Where a target is in the first frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// In this box, pixels.
    Box(Rect),
    /// Around the hottest spot of the thermal frame.
    Hottest,
    /// The largest face of the thermal frame.
    Face,
    /// The largest warm region that has the shape of a person.
    Person,
}

impl FromStr for Start {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "hottest" => return Ok(Start::Hottest),
            "face" => return Ok(Start::Face),
            "person" => return Ok(Start::Person),
            _ => {}
        }
        let numbers: Vec<f32> = text.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        match numbers[..] {
            [x, y, w, h]
                if text.matches(',').count() == 3
                    && w > 0.0
                    && h > 0.0
                    && numbers.iter().all(|n| n.abs() <= MAX_PIXEL) =>
            {
                Ok(Start::Box(Rect::new(x, y, x + w, y + h)))
            }
            _ => Err(Error::fix(
                "track.start",
                format!("is \"{text}\", wanted x,y,width,height in pixels, hottest, face or person"),
            )),
        }
    }
}

/// Follows targets from frame to frame.
pub struct Targets {
    engine: track::Engine,
    starts: Vec<Start>,
    /// Frames before the one in which the targets are given.
    skip: u64,
    /// A failed start ends a recording; on a live camera it is tried again.
    recorded: bool,
    faces: Option<Box<face::Engine>>,
    requests: Receiver<Request>,
    next_attempt: Nanos,
}

impl Targets {
    /// A tracker that starts by the settings, and what viewers change it through.
    ///
    /// # Errors
    /// Those of the networks; `Fix` for a start that cannot be read.
    pub fn new(
        settings: &track::Settings,
        faces: &face::Settings,
        surface: radiometry::Settings,
        recorded: bool,
    ) -> Result<(Self, Arc<dyn Aim>)> {
        let starts: Vec<Start> = settings.start.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        let faces =
            if starts.contains(&Start::Face) { Some(Box::new(face::Engine::of_stills(faces, surface)?)) } else { None };
        let (ask, requests) = bounded(WAITING);
        let engine = track::Engine::new(settings)?;
        let skip = settings.start_frame;
        let targets = Self { engine, starts, skip, recorded, faces, requests, next_attempt: Nanos(0) };
        Ok((targets, Arc::new(Handle(ask))))
    }

    /// Starts what the settings ask for and was not started yet.
    fn begin(&mut self, frame: &Frame) -> Result<()> {
        while let Some(&start) = self.starts.first() {
            let bbox = self.locate(start, frame)?;
            self.engine.start(&Pair::of(frame), pixels(frame), bbox)?;
            self.starts.remove(0);
        }
        Ok(())
    }

    fn locate(&mut self, start: Start, frame: &Frame) -> Result<Rect> {
        match start {
            Start::Box(bbox) => Ok(bbox),
            Start::Hottest => blob::hottest(frame),
            Start::Person => blob::person(frame),
            Start::Face => {
                let Some(engine) = &mut self.faces else {
                    return Err(Error::fatal("track.start", "has no face network"));
                };
                let mut result = FrameResult::new(Arc::from(""), 1);
                engine.process_still_frame(frame, &mut result)?;
                let largest = result.faces.iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()));
                largest.map(|face| face.bbox).ok_or_else(|| Error::fix("face", "none is in the frame; give a box"))
            }
        }
    }

    /// Does what viewers asked for. What cannot be done is logged, because they are gone by now.
    fn serve(&mut self, frame: &Frame) {
        while let Ok(request) = self.requests.try_recv() {
            let pair = Pair::of(frame);
            let done = match request {
                Request::Box([x0, y0, x1, y1]) => {
                    self.engine.start(&pair, pixels(frame), Rect::new(x0, y0, x1, y1)).map(drop)
                }
                Request::At(point) => {
                    blob::at(frame, point).and_then(|bbox| self.engine.start(&pair, pixels(frame), bbox)).map(drop)
                }
                Request::Stop(id) if self.engine.stop(id) => Ok(()),
                Request::Stop(id) => Err(Error::fix(format!("target {id}"), "is not tracked")),
            };
            if let Err(e) = done {
                log::warn!("request of a viewer: {e}");
            }
        }
    }
}

impl Infer for Targets {
    fn infer(&mut self, frame: &Frame, out: &mut FrameResult) -> Result<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.engine.process(&Pair::of(frame))?;
        let due = frame.meta.captured >= self.next_attempt && !frame.meta.ffc.hides_scene();
        if due && let Err(e) = self.begin(frame) {
            if self.recorded || e.remedy() == Remedy::Fatal {
                return Err(e);
            }
            log::info!("nothing to track yet: {e}");
            self.next_attempt = Nanos(frame.meta.captured.0.saturating_add(RETRY_NS));
        }
        self.serve(frame);
        out.targets.extend_from_slice(self.engine.targets());
        Ok(())
    }
}

/// The picture in whose pixels boxes are given.
fn pixels(frame: &Frame) -> Modality {
    if Pair::of(frame).thermal.is_some() { Modality::Thermal } else { Modality::Visible }
}

/// Takes requests of viewers.
struct Handle(Sender<Request>);

impl Aim for Handle {
    fn request(&self, request: Request) -> Result<()> {
        self.0.try_send(request).map_err(|_| Error::retry("track", "earlier requests are still waiting"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_read_or_refused() {
        assert_eq!("10,20,30,40".parse::<Start>().unwrap(), Start::Box(Rect::new(10.0, 20.0, 40.0, 60.0)));
        assert_eq!(" hottest".parse::<Start>().unwrap(), Start::Hottest);
        assert_eq!("face".parse::<Start>().unwrap(), Start::Face);
        for bad in [
            "",
            "1,2,3",
            "1,2,3,x",
            "1,2,0,4",
            "1,2,3,4,5",
            "hot",
            "1,2,NaN,4",
            "inf,2,3,4",
            "NaN,2,3,4",
            "1,2,1e30,4",
            "1,,2,3,4",
        ] {
            assert!(bad.parse::<Start>().is_err(), "{bad}");
        }
    }
}
