//! What a PureThermal says that it is: the descriptors of its firmware.

use crate::purethermal::FPS;

fn units() -> Vec<u8> {
    // GUIDs are the firmware's names; controls as many as it has.
    let unit = |id: u8, name: &[u8; 4], controls: u8, mask: [u8; 4]| {
        let mut v = vec![29, 0x24, 6, id];
        v.extend(b"pt1-lep-");
        v.extend(name);
        v.extend(b"0000");
        v.extend([controls, 1, 2, 4]);
        v.extend(mask);
        v.push(0);
        v
    };
    [
        vec![18, 0x24, 2, 1, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
        vec![12, 0x24, 5, 2, 1, 0, 0, 3, 3, 0, 0, 0],
        unit(3, b"agc-", 0x14, [0xff, 0xff, 0x0f, 0]),
        unit(4, b"oem-", 0x1e, [0xbf, 0xff, 0xff, 0x7f]),
        unit(5, b"rad-", 0x1f, [0xff, 0xff, 0xff, 0x7f]),
        unit(21, b"rad2", 0x1a, [0xff, 0xff, 0xff, 0x03]),
        unit(6, b"sys-", 0x16, [0xff, 0xff, 0x3f, 0]),
        unit(7, b"vid-", 0x0e, [0xff, 0x3f, 0, 0]),
        vec![9, 0x24, 3, 0xff, 0x01, 0x01, 0, 2, 0],
    ]
    .concat()
}

fn format(index: u8, code: &[u8; 4], bits: u8, frames: &[(u16, u16)]) -> Vec<u8> {
    let mut v = vec![27, 0x24, 4, index, frames.len() as u8];
    v.extend(code);
    v.extend([0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    v.extend([bits, 1, 0, 0, 0, 0]);
    for (i, &(w, h)) in frames.iter().enumerate() {
        let size = u32::from(w) * u32::from(h) * u32::from(bits) / 8;
        let (rate, every) = (size * 8 * FPS, 10_000_000 / FPS);
        v.extend([30, 0x24, 5, i as u8 + 1, 2]);
        v.extend(w.to_le_bytes());
        v.extend(h.to_le_bytes());
        for word in [rate, rate, size, every] {
            v.extend(word.to_le_bytes());
        }
        v.push(1);
        v.extend(every.to_le_bytes());
    }
    v.extend([6, 0x24, 0xd, 1, 1, 4]);
    v
}

/// The configuration; with `telemetry` it offers 160x122 as well.
pub fn configuration(telemetry: bool) -> Vec<u8> {
    let units = units();
    let mut control = vec![13, 0x24, 1, 0x00, 0x01];
    control.extend((13 + units.len() as u16).to_le_bytes());
    control.extend(6_000_000u32.to_le_bytes());
    control.extend([1, 1]);
    let sizes = if telemetry { &[(160, 120), (160, 122)][..] } else { &[(160, 120)] };
    let formats = [format(1, b"Y16 ", 16, sizes), format(2, b"Y8  ", 8, &[(160, 120)])].concat();
    let mut streaming = vec![15, 0x24, 1, 2];
    streaming.extend((15 + formats.len() as u16).to_le_bytes());
    streaming.extend([0x81, 0, 0xff, 1, 0, 0, 1, 0, 0]);
    let body = [
        vec![8, 11, 0, 2, 14, 3, 0, 2],
        vec![9, 4, 0, 0, 1, 14, 1, 0, 0],
        control,
        units,
        vec![7, 5, 0x82, 3, 8, 0, 32],
        vec![5, 0x25, 3, 8, 0],
        vec![9, 4, 1, 0, 0, 14, 2, 0, 0],
        streaming,
        formats,
        vec![9, 4, 1, 1, 1, 14, 2, 0, 0],
        vec![7, 5, 0x81, 1, 0x82, 2, 1],
        vec![9, 4, 1, 2, 1, 14, 2, 0, 0],
        vec![7, 5, 0x81, 1, 0xc2, 3, 1],
    ]
    .concat();
    let mut v = vec![9, 2];
    v.extend((9 + body.len() as u16).to_le_bytes());
    v.extend([2, 1, 0, 0x80, 50]);
    v.extend(body);
    v
}

pub const DEVICE: [u8; 18] = [18, 1, 0x00, 2, 0xef, 2, 1, 64, 0x4e, 0x1e, 0x00, 0x01, 0x00, 2, 1, 2, 3, 1];

pub fn string(index: u8, serial: &str) -> Option<Vec<u8>> {
    let text = match index {
        0 => return Some(vec![4, 3, 9, 4]),
        1 => "GroupGets",
        2 => "PureThermal (fw:v1.3.0)",
        3 => serial,
        _ => return None,
    };
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Some([vec![2 + utf16.len() as u8, 3], utf16].concat())
}
