//! `heatmark.track/1` as one line of JSON.

use super::{FINE, Gate, list, number, put, share};
use crate::result::{FrameResult, TRACK_SCHEMA, Target};

impl FrameResult {
    /// Appends the targets of the frame as one line without the newline. Allocates only if `out` must grow.
    pub fn write_track_json(&self, out: &mut String) {
        self.begin(TRACK_SCHEMA, None, out);
        out.push_str(",\"targets\":");
        let gate = Gate { radiometric: self.radiometric };
        list(out, &self.targets, |out, t| target(out, t, gate));
        self.end(out);
    }
}

fn target(out: &mut String, t: &Target, gate: Gate) {
    put(out, format_args!("{{\"id\":{},\"box\":", t.id));
    match t.bbox.filter(|b| b.is_finite()) {
        Some(b) => list(out, b.to_array(), |out, v| number(out, v, FINE)),
        None => out.push_str("null"),
    }
    out.push_str(",\"score\":");
    share(out, t.score);
    out.push_str(",\"presence\":");
    share(out, t.presence);
    put(out, format_args!(",\"state\":\"{}\",\"modality\":\"{}\"", t.state.name(), t.modality.name()));
    // The coldest pixel shows whether all three are temperatures. The order lets "not radiometric" win.
    let checked = gate.pass(t.temperature.map(|b| b.min_c)).and(t.temperature);
    out.push_str(",\"temperature_c\":");
    match checked {
        Ok(b) => {
            for (name, value) in [("{\"min\":", b.min_c), (",\"mean\":", b.mean_c), (",\"max\":", b.max_c)] {
                out.push_str(name);
                number(out, value, FINE);
            }
            out.push_str("},\"temperature_reason\":null");
        }
        Err(reason) => put(out, format_args!("null,\"temperature_reason\":\"{}\"", reason.name())),
    }
    put(out, format_args!(",\"age_ms\":{},\"unseen_ms\":{}}}", t.age_ms, t.unseen_ms));
}
