//! Temperatures in the box of a target.

use crate::frame::Frame;
use crate::geometry::Rect;
use crate::radiometry::{Settings, Thermometer};
use crate::result::{BoxTemperature, NoTemperature};
use crate::units::Celsius;

/// Most pixels along a side that are read; of a larger box every second, third, ... pixel.
const MOST: usize = 128;

/// A black body: what is read is the apparent temperature.
const BLACK: Settings = Settings { emissivity: 1.0, reflected_c: 20.0 };

/// Apparent temperatures of the pixels whose centre lies in `bbox`.
///
/// # Errors
/// Why there are none.
pub(super) fn read(frame: Option<&Frame>, bbox: Option<Rect>) -> Result<BoxTemperature, NoTemperature> {
    let frame = frame.ok_or(NoTemperature::NotRadiometric)?;
    let thermometer = Thermometer::new(frame.format.signal, BLACK).ok_or(NoTemperature::NotRadiometric)?;
    if frame.meta.ffc.spoils_temperature() {
        return Err(NoTemperature::Ffc);
    }
    let bbox = bbox.ok_or(NoTemperature::Lost)?;
    let span = |from: f32, to: f32, n: usize| {
        let first = (from + 0.5).max(0.0) as usize;
        (first.min(n), ((to + 0.5).max(0.0) as usize).min(n))
    };
    let ((x0, x1), (y0, y1)) = (span(bbox.x0, bbox.x1, frame.width()), span(bbox.y0, bbox.y1, frame.height()));
    let step = (x1.saturating_sub(x0)).max(y1.saturating_sub(y0)).div_ceil(MOST).max(1);
    let (mut least, mut most, mut sum, mut count) = (u16::MAX, 0u16, 0u64, 0u32);
    for y in (y0..y1).step_by(step) {
        let row = frame.pixels.get(y * frame.width() + x0..y * frame.width() + x1).unwrap_or(&[]);
        for &pixel in row.iter().step_by(step) {
            (least, most) = (least.min(pixel), most.max(pixel));
            sum += u64::from(pixel);
            count += 1;
        }
    }
    if count == 0 {
        return Err(NoTemperature::OutsideFrame);
    }
    // A count at the end of the range may be clipped.
    if least == 0 || most == u16::MAX {
        return Err(NoTemperature::Saturated);
    }
    let celsius = |count: f32| Celsius::from(thermometer.apparent(count)).0;
    let mean = (sum as f64 / f64::from(count)) as f32;
    Ok(BoxTemperature { min_c: celsius(least.into()), mean_c: celsius(mean), max_c: celsius(most.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FfcState, FrameFormat, Signal};

    fn frame() -> Frame {
        let format = FrameFormat { width: 300, height: 20, signal: Signal::CENTIKELVIN, rate_hz: 0.0 };
        let mut frame = Frame::new(format);
        for (i, pixel) in frame.pixels.iter_mut().enumerate() {
            *pixel = 29_315 + 100 * (i % 300) as u16 % 30_000;
        }
        frame
    }

    #[test]
    fn the_pixels_in_the_box_are_read() {
        let read_it = read(Some(&frame()), Some(Rect::new(2.0, 3.0, 5.0, 9.0))).unwrap();
        assert!((read_it.min_c - 22.0).abs() < 1e-3 && (read_it.max_c - 24.0).abs() < 1e-3);
        assert!((read_it.mean_c - 23.0).abs() < 1e-3);
        let wide = read(Some(&frame()), Some(Rect::new(0.0, 0.0, 300.0, 20.0))).unwrap();
        assert!((wide.mean_c - 169.5).abs() < 2.0, "{wide:?}");
    }

    #[test]
    fn every_reason_is_given() {
        let some = Some(Rect::new(2.0, 3.0, 5.0, 9.0));
        assert_eq!(read(None, some), Err(NoTemperature::NotRadiometric));
        let mut f = frame();
        assert_eq!(read(Some(&f), None), Err(NoTemperature::Lost));
        for outside in [Rect::new(-9.0, 0.0, -1.0, 5.0), Rect::new(f32::NAN, 0.0, f32::NAN, 5.0), Rect::default()] {
            assert_eq!(read(Some(&f), Some(outside)), Err(NoTemperature::OutsideFrame), "{outside:?}");
        }
        f.pixels[4 * 300 + 3] = u16::MAX;
        assert_eq!(read(Some(&f), some), Err(NoTemperature::Saturated));
        f.meta.ffc = FfcState::Settling;
        assert_eq!(read(Some(&f), some), Err(NoTemperature::Ffc));
        f.format.signal = Signal::Grey8;
        assert_eq!(read(Some(&f), some), Err(NoTemperature::NotRadiometric));
    }
}
