//! What the camera answers to control requests: descriptors, the negotiation of a stream (UVC 1.5, 4.3.1.1), the
//! extension units of the firmware.

use std::collections::HashMap;

use super::{Cure, FPS, HEIGHT, SHUTTER, Shared, TELEMETRY, WIDTH};
use crate::descriptors::{DEVICE, configuration, string};

/// Values of the extension units, with the lengths of the firmware.
pub(super) fn registers() -> HashMap<(u8, u8), Vec<u8>> {
    let mut all = HashMap::new();
    for (unit, selectors) in [(3, 20), (4, 30), (5, 31), (6, 22), (7, 14), (21, 26)] {
        for selector in 1..=selectors {
            all.insert((unit, selector), vec![0; 4]);
        }
    }
    all.insert((6, 17), vec![0]);
    all.insert((6, 16), vec![1, 0, 0, 0].into_iter().chain([0; 28]).collect());
    all.insert((21, 18), vec![1, 0, 0, 0]);
    all.insert((21, 19), vec![1, 0, 0, 0]);
    all
}

/// Completes a probe: the frame asked for, its size, the rate, the packet.
pub(super) fn settle(probe: &mut [u8], telemetry: bool) {
    let format = probe[2].clamp(1, 2);
    let frame = if format == 1 && telemetry { probe[3].clamp(1, 2) } else { 1 };
    (probe[2], probe[3]) = (format, frame);
    let rows = if frame == 2 { HEIGHT + TELEMETRY } else { HEIGHT };
    let size = (WIDTH * rows * if format == 1 { 2 } else { 1 }) as u32;
    probe[4..8].copy_from_slice(&(10_000_000 / FPS).to_le_bytes());
    probe[18..22].copy_from_slice(&size.to_le_bytes());
    probe[22..26].copy_from_slice(&642u32.to_le_bytes());
}

/// Answers one control request; `None` stalls.
pub(super) fn request(
    shared: &Shared,
    registers: &mut HashMap<(u8, u8), Vec<u8>>,
    probe: &mut Vec<u8>,
    setup: [u8; 8],
    data: &[u8],
    serial: &str,
) -> Option<Vec<u8>> {
    let word = |i: usize| u16::from_le_bytes([setup[i], setup[i + 1]]);
    let (value, index, length) = (word(2), word(4), usize::from(word(6)));
    let (entity, selector) = ((index >> 8) as u8, (value >> 8) as u8);
    let streaming = index & 0xff == 1;
    match (setup[0], setup[1]) {
        (0x80, 6) => match value >> 8 {
            1 => Some(DEVICE.to_vec()),
            2 => Some(configuration(shared.state.lock().unwrap().telemetry)),
            3 => string(value as u8, serial),
            _ => None,
        }
        .map(|v| v[..v.len().min(length)].to_vec()),
        (0x80, 0) => Some(vec![0, 0]),
        (0x80, 8) => Some(vec![1]),
        (0x00, 9) => {
            let mut state = shared.state.lock().unwrap();
            if value == 0 {
                state.cured_by(Cure::Deauthorize);
            } else {
                state.configured += 1;
                state.cured_by(Cure::Configure);
            }
            Some(vec![])
        }
        (0x00, 1 | 3) | (0x02, 1) => Some(vec![]),
        (0x01, 11) => {
            let mut state = shared.state.lock().unwrap();
            if value > 0 {
                state.cured_by(Cure::Restart);
            }
            Some(vec![])
        }
        (0xa1, query) if streaming => match query {
            0x81..=0x83 | 0x87 => Some(probe.clone()),
            0x86 => Some(vec![3]),
            0x85 => Some(vec![26, 0]),
            _ => None,
        },
        (0x21, 1) if streaming => {
            let n = data.len().min(26);
            probe[..n].copy_from_slice(&data[..n]);
            let mut state = shared.state.lock().unwrap();
            settle(probe, state.telemetry);
            if selector == 2 {
                state.rows = if probe[3] == 2 { HEIGHT + TELEMETRY } else { HEIGHT };
            }
            Some(vec![])
        }
        (0xa1, query) if entity == 2 => Some(match query {
            0x85 => vec![2, 0],
            0x86 => vec![3],
            0x83 => vec![255, 0],
            0x84 => vec![1, 0],
            0x81 | 0x87 => vec![128, 0],
            _ => vec![0, 0],
        }),
        (0xa1, query) => {
            let register = registers.get(&(entity, selector))?;
            Some(match query {
                0x85 => (register.len() as u16).to_le_bytes().to_vec(),
                0x86 => vec![3],
                0x81 => register.clone(),
                0x83 => vec![0xff; register.len()],
                0x84 => [vec![1], vec![0; register.len() - 1]].concat(),
                _ => vec![0; register.len()],
            })
        }
        (0x21, 1) if entity == 2 => Some(vec![]),
        (0x21, 1) => {
            let register = registers.get_mut(&(entity, selector))?;
            if (entity, selector) == (6, 17) {
                let mut state = shared.state.lock().unwrap();
                (state.ffc, state.shutter) = (state.ffc + 1, SHUTTER);
            }
            let n = register.len().min(data.len());
            register[..n].copy_from_slice(&data[..n]);
            Some(vec![])
        }
        _ => None,
    }
}
