//! A sequence: pictures in one or both modalities, and where the target is in them.

use std::ops::Range;

use super::measure::Xywh;
use super::reel::Reel;
use super::rules::Rule;
use crate::error::{Error, Result};
use crate::frame::Signal;
use crate::result::Modality;

/// Frames per second where a set does not tell; only the time to find a target again depends on it.
pub const RATE: f64 = 30.0;

/// A clip with the truth of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// Name of its folder or file; that of its result file.
    pub name: String,
    /// What the target is, if known.
    pub class: Option<String>,
    /// Difficulties that the set names.
    pub attributes: Vec<String>,
    /// Frames per second.
    pub rate: f64,
    /// How results are scored.
    pub rule: Rule,
    /// What thermal counts mean, if known.
    pub signal: Option<Signal>,
    /// Thermal pictures.
    pub thermal: Option<Reel>,
    /// Pictures in visible light.
    pub visible: Option<Reel>,
    /// Boxes in thermal pixels, empty where the target is not in view; no rows if not known.
    pub thermal_truth: Vec<Xywh>,
    /// The same in visible pixels.
    pub visible_truth: Vec<Xywh>,
    /// Frames from one row of truth to the next.
    pub step: usize,
    /// Rows that are labelled; nothing is known outside.
    pub labelled: Range<usize>,
    /// Kinds of frames that are scored apart, too: a name and whether each row belongs to it.
    pub parts: Vec<(String, Vec<bool>)>,
}

impl Sequence {
    /// A sequence without pictures, labelled in all of `thermal_truth`.
    pub(super) fn new(name: &str, rule: Rule, thermal_truth: Vec<Xywh>) -> Self {
        Self {
            name: name.into(),
            class: None,
            attributes: Vec::new(),
            rate: RATE,
            rule,
            signal: None,
            thermal: None,
            visible: None,
            labelled: 0..thermal_truth.len(),
            thermal_truth,
            visible_truth: Vec::new(),
            step: 1,
            parts: Vec::new(),
        }
    }

    /// Which pictures a tracker sees that is given `wanted` of what there is: without pictures, which truths there are.
    ///
    /// # Errors
    /// Fix: there are none.
    pub fn modality(&self, wanted: Modality) -> Result<Modality> {
        let (thermal, visible) = match (&self.thermal, &self.visible) {
            (None, None) => (!self.thermal_truth.is_empty(), !self.visible_truth.is_empty()),
            (thermal, visible) => (thermal.is_some(), visible.is_some()),
        };
        match (wanted, thermal, visible) {
            (Modality::Both, true, true) => Ok(Modality::Both),
            (Modality::Both | Modality::Thermal, true, _) => Ok(Modality::Thermal),
            (Modality::Both | Modality::Visible, _, true) => Ok(Modality::Visible),
            _ => Err(Error::fix(&self.name, format!("has no {} pictures", wanted.name()))),
        }
    }

    /// Truths in the pixels in which a tracker of `modality` answers, and the other ones.
    fn sides(&self, modality: Modality) -> [&[Xywh]; 2] {
        let sides = [self.thermal_truth.as_slice(), self.visible_truth.as_slice()];
        let visible = modality == Modality::Visible || sides[0].is_empty();
        if visible { [sides[1], sides[0]] } else { sides }
    }

    /// Whether the target is ever in view where the sequence is labelled.
    pub fn has_target(&self) -> bool {
        let labelled = |truth: &[Xywh]| {
            let rows = truth.iter().take(self.labelled.end).skip(self.labelled.start);
            rows.into_iter().any(|b| !b.is_empty())
        };
        labelled(&self.thermal_truth) || labelled(&self.visible_truth)
    }

    /// The rows that are scored and for each one or two truths, that of the answers first: from the first box on.
    ///
    /// # Errors
    /// Fix: there is no box to start from, or the truths do not fit together.
    pub fn rows(&self, modality: Modality) -> Result<(Range<usize>, Vec<Vec<Xywh>>)> {
        let [main, other] = self.sides(modality);
        let wrong = |what: String| Err(Error::fix(&self.name, what));
        if main.is_empty() {
            return wrong(format!("has no boxes in {} pixels", modality.name()));
        }
        if !other.is_empty() && other.len() != main.len() {
            let (thermal, visible) = (self.thermal_truth.len(), self.visible_truth.len());
            return wrong(format!("has {thermal} thermal and {visible} visible boxes, wanted as many of both"));
        }
        let end = self.labelled.end.min(main.len());
        let Some(start) = (self.labelled.start..end).find(|&row| !main[row].is_empty()) else {
            return wrong("has no box: the target is never in view".into());
        };
        if start > self.labelled.start && self.rule != Rule::Plain {
            return wrong("has no target in its first frame, wanted a box to start from".into());
        }
        let both = |row: usize| std::iter::once(main[row]).chain(other.get(row).copied()).collect();
        Ok((start..end, (start..end).map(both).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Xywh = Xywh::new(1.0, 2.0, 3.0, 4.0);
    const NONE: Xywh = Xywh::new(0.0, 0.0, 0.0, 0.0);

    #[test]
    fn a_pass_starts_at_the_first_box_and_ends_with_the_labels() {
        let mut s = Sequence::new("a", Rule::Plain, vec![NONE, NONE, BOX, NONE, BOX, BOX]);
        s.labelled = 1..5;
        let (rows, truths) = s.rows(Modality::Thermal).unwrap();
        assert_eq!((rows, truths.len(), truths[1][0]), (2..5, 3, NONE));
        s.rule = Rule::Single;
        assert!(s.rows(Modality::Thermal).unwrap_err().to_string().contains("no target in its first frame"));
        assert!(s.has_target());
        s.labelled = 0..2;
        assert!(!s.has_target());
        assert!(s.rows(Modality::Thermal).unwrap_err().to_string().contains("never in view"));
    }

    #[test]
    fn answers_are_in_the_pixels_of_the_modality() {
        let mut s = Sequence::new("a", Rule::Better, vec![BOX]);
        assert_eq!(s.modality(Modality::Both).unwrap(), Modality::Thermal);
        s.visible_truth = vec![Xywh { x: 9.0, ..BOX }];
        assert_eq!(s.modality(Modality::Both).unwrap(), Modality::Both);
        let first = |s: &Sequence, m| s.rows(m).unwrap().1[0].iter().map(|b| b.x).collect::<Vec<_>>();
        assert_eq!(first(&s, Modality::Both), [1.0, 9.0]);
        assert_eq!(first(&s, Modality::Visible), [9.0, 1.0]);
        s.visible_truth.push(BOX);
        assert!(s.rows(Modality::Both).unwrap_err().to_string().contains("1 thermal and 2 visible"));
        s.thermal_truth.clear();
        assert_eq!(s.modality(Modality::Both).unwrap(), Modality::Visible);
        let e = s.modality(Modality::Thermal).unwrap_err().to_string();
        assert!(e.contains("no thermal pictures"), "{e}");
    }
}
