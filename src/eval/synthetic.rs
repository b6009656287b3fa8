//! Synthetic data sets, as `heatmark synth` writes them.

use std::ops::ControlFlow;
use std::path::Path;

use super::sample::{Sample, Truth};
use super::temperatures::Heat;
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::geometry::Rect;
use crate::landmarks::{COUNT, REGION_COUNT};
use crate::npy::{Array, Pictures, Values};

/// Calls `each` for every picture of the data set in `folder` until it breaks.
pub(super) fn each(folder: &Path, mut each: impl FnMut(Sample) -> Result<ControlFlow<()>>) -> Result<ControlFlow<()>> {
    let mut pictures = Pictures::open(&folder.join("thermal.npy"))?;
    let [n, height, width] = pictures.shape;
    let optional = |file: &str| {
        let path = folder.join(file);
        path.is_file().then(|| Array::open(&path).and_then(|a| f32s(a, &path))).transpose()
    };
    let points_path = folder.join("points.npy");
    let (shape, points) = f32s(Array::open(&points_path)?, &points_path)?;
    let wrong = |file: &str, what: String| Error::fix(folder.join(file).display(), what);
    let faces = match shape.as_slice() {
        &[m, f, COUNT, 2] if m == n => f,
        &[m, COUNT, 2] if m == n => 1,
        other => return Err(wrong("points.npy", format!("shape {other:?}, wanted [{n}, faces, {COUNT}, 2]"))),
    };
    let Values::U8(visibility) = Array::open(&folder.join("visibility.npy"))?.values else {
        return Err(wrong("visibility.npy", "wanted u8".into()));
    };
    let boxes = optional("box.npy")?;
    let heat = [optional("apparent.npy")?, optional("skin.npy")?, optional("regions.npy")?];
    for (file, found, each) in [
        ("visibility.npy", Some(visibility.len()), COUNT),
        ("box.npy", boxes.as_ref().map(|b| b.1.len()), 4),
        ("apparent.npy", heat[0].as_ref().map(|t| t.1.len()), COUNT),
        ("skin.npy", heat[1].as_ref().map(|t| t.1.len()), COUNT),
        ("regions.npy", heat[2].as_ref().map(|t| t.1.len()), REGION_COUNT),
    ] {
        if found.is_some_and(|f| f != n * faces * each) {
            return Err(wrong(file, format!("{found:?} values, wanted {}", n * faces * each)));
        }
    }
    let (width32, height32) = (u32::try_from(width), u32::try_from(height));
    let (Ok(width), Ok(height)) = (width32, height32) else {
        return Err(wrong("thermal.npy", format!("{width} x {height} pixels")));
    };
    let format = FrameFormat { width, height, signal: Signal::CENTIKELVIN, rate_hz: 0.0 };
    for i in 0..n {
        let mut frame = Frame::new(format);
        pictures.read(i, &mut frame.pixels)?;
        let mut truths = Vec::new();
        for f in i * faces..(i + 1) * faces {
            let here: [[f32; 2]; COUNT] =
                std::array::from_fn(|k| [points[(f * COUNT + k) * 2], points[(f * COUNT + k) * 2 + 1]]);
            let given = |b: &(_, Vec<f32>)| Rect::from(std::array::from_fn(|k| b.1[f * 4 + k]));
            let bbox = boxes.as_ref().map_or(Rect::around(&here), given);
            if !here.as_flattened().iter().all(|v| v.is_finite()) || !bbox.is_finite() {
                continue;
            }
            truths.push(Truth {
                visibility: std::array::from_fn(|k| visibility[f * COUNT + k]),
                heat: heat.iter().any(Option::is_some).then(|| Heat {
                    apparent_c: row(&heat[0], f),
                    skin_c: row(&heat[1], f),
                    regions_c: row(&heat[2], f),
                }),
                ..Truth::boxed(bbox).with(&here)
            });
        }
        if each(Sample { name: format!("{}#{i}", folder.display()), frame, faces: truths })?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Row `f` of `[n, N]` values; NaN where there are none.
fn row<const N: usize>(values: &Option<(Vec<usize>, Vec<f32>)>, f: usize) -> [f32; N] {
    values.as_ref().map_or([f32::NAN; N], |v| std::array::from_fn(|k| v.1[f * N + k]))
}

fn f32s(array: Array, path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    match array.values {
        Values::F32(v) => Ok((array.shape, v)),
        _ => Err(Error::fix(path.display(), "wanted f32")),
    }
}
