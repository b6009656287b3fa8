//! The report as text.

use std::fmt;

use super::detections::DetectionScores;
use super::mean::Table;
use super::metrics::Curve;
use super::temperatures::{TemperatureReport, TemperatureScores};
use super::{Empty, LARGE, Report, SMALL};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pictures ({} synthetic), {} faces", self.pictures, self.synthetic, self.faces)?;
        for (title, scores) in [("landmarks given the box", &self.given_box), ("landmarks end to end", &self.found)] {
            let Some(s) = scores else { continue };
            writeln!(f, "\n{title}: {} faces, {} missed", s.faces, s.missed)?;
            writeln!(
                f,
                "  {:<14}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
                "norm", "NME %", "median", "FR 8", "FR 10", "AUC 8", "AUC 10"
            )?;
            for (name, c) in [
                ("five, box", s.five_box),
                ("visible, box", s.visible_box),
                ("inter-ocular", s.inter_ocular),
                ("box", s.box_size),
                ("diagonal", s.diagonal),
            ] {
                let Curve { faces, nme, median, failure_8, failure_10, auc_8, auc_10 } = c;
                if faces == 0 {
                    continue;
                }
                write!(f, "  {name:<14}")?;
                for v in [nme, median, failure_8, failure_10, auc_8, auc_10] {
                    write!(f, "{:>8.2}", 100.0 * v)?;
                }
                writeln!(f)?;
            }
            if s.box_size.faces == 0 {
                continue;
            }
            write!(f, "  by group (box, %):")?;
            for (name, nme) in &s.groups {
                write!(f, "  {name} {:.2}", 100.0 * nme)?;
            }
            writeln!(f)?;
            write!(f, "  by visibility (box, %):")?;
            for (name, m) in [("visible", s.visible), ("self-occluded", s.self_occluded), ("occluded", s.occluded)] {
                write!(f, "  {name} {:.2} ({} points)", 100.0 * m.mean, m.count)?;
            }
            writeln!(f)?;
            tables(f, "visible, box,", (&s.visible_by_size, &s.visible_by_hidden))?;
        }
        self.detection_lines(f)?;
        if let Some(c) = self.calibration {
            writeln!(
                f,
                "\ncalibration ({} points): {:.1} % within the predicted 90 % radius; confidence {:.3}, within 5 % {:.3}",
                c.points,
                100.0 * c.coverage_90,
                c.confidence,
                c.within_5
            )?;
        }
        self.temperature.as_ref().map_or(Ok(()), |t| temperatures(f, t))
    }
}

impl Report {
    fn detection_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &self.detector;
        writeln!(f, "\ndetector: AP50 {:.2} %, {}", 100.0 * d.ap_50, rates(d))?;
        writeln!(
            f,
            "  {} faces of {SMALL} px and more; {} smaller or hidden ones do not count; AP50 from {LARGE} px {:.2} %",
            d.faces,
            d.ignored,
            100.0 * self.detector_large.ap_50
        )?;
        tables(f, "recall", (&d.recall_by_size, &d.recall_by_hidden))?;
        let d = &self.together;
        writeln!(f, "\nwith the landmark network: {}", rates(d))?;
        if self.empty.pictures > 0 {
            let Empty { pictures, faces } = self.empty;
            let rate = faces as f64 / pictures as f64;
            writeln!(f, "  {pictures} pictures without faces: {faces} found in them, {rate:.3} per picture")?;
        }
        tables(f, "recall", (&d.recall_by_size, &d.recall_by_hidden))
    }
}

fn temperatures(f: &mut fmt::Formatter<'_>, report: &TemperatureReport) -> fmt::Result {
    writeln!(f, "\n  {:<32}{:>8}{:>8}{:>8}{:>8}{:>10}", "temperature, K", "bias", "mean", "median", "p95", "readings")?;
    let parts = report.groups.iter().chain(&report.regions).map(|(name, t)| (format!("  {name}"), t));
    let displacement = report.displacement.iter().map(|t| ("points, picture at the true ones".to_string(), t));
    for (name, t) in report.kinds.iter().map(|(name, t)| (name.to_string(), t)).chain(parts).chain(displacement) {
        let TemperatureScores { bias_k, mean_k, median_k, p95_k, readings } = t;
        writeln!(f, "  {name:<32}{bias_k:>+8.3}{mean_k:>8.3}{median_k:>8.3}{p95_k:>8.3}{readings:>10}")?;
    }
    Ok(())
}

fn rates(d: &DetectionScores) -> String {
    let (recall, precision) = (100.0 * d.recall, 100.0 * d.precision);
    format!("recall {recall:.2} %, precision {precision:.2} %, {:.3} false per picture", d.false_per_picture)
}

/// Shares in percent, by face size and by hidden share of the face.
fn tables(f: &mut fmt::Formatter<'_>, title: &str, (by_size, by_hidden): (&Table, &Table)) -> fmt::Result {
    for (by, bins) in [("face size (px)", by_size), ("share of points behind objects or outside", by_hidden)] {
        write!(f, "  {title} by {by}:")?;
        for (low, high, m) in bins.iter().filter(|b| b.2.count > 0) {
            match high {
                Some(high) => write!(f, "  {low}-{high}")?,
                None => write!(f, "  {low}+")?,
            }
            write!(f, " {:.1} % of {}", 100.0 * m.mean, m.count)?;
        }
        writeln!(f)?;
    }
    Ok(())
}
