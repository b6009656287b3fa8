//! The face model beside the project, for tests that render.

use std::path::Path;
use std::sync::OnceLock;

use heatmark::synth::head::HeadModel;
use heatmark::synth::studio::Studio;

/// The face model, or `None` (said aloud) where it is not there.
pub fn studio() -> Option<&'static Studio> {
    static STUDIO: OnceLock<Option<Studio>> = OnceLock::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/face-model/ict-facekit-compact.npz");
    let made = STUDIO.get_or_init(|| {
        let path = Path::new(path);
        path.exists().then(|| Studio::new(HeadModel::open(path).expect("the face model opens")))
    });
    if made.is_none() {
        assert!(std::env::var_os("HEATMARK_REQUIRE_SHARED").is_none_or(|v| v != "1"), "{path} is not there");
        println!("skipped: {path} is not there");
    }
    made.as_ref()
}
