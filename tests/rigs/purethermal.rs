//! A PureThermal with a Lepton 3.5, spoken as USB/IP to the kernel's vhci-hcd, so that the stock uvcvideo
//! drives it: Y16 160x120 and 160x122 at 9 fps over a full-speed isochronous endpoint, the extension
//! units of its firmware, and every fault that is asked for.
//!
//! Needs the module vhci-hcd and root. Wire format: Documentation/usb/usbip_protocol.rst of the kernel.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use requests::{registers, request, settle};

mod requests;

const WIDTH: usize = 160;
const HEIGHT: usize = 120;
const TELEMETRY: usize = 2;
pub const FPS: u32 = 9;
const EPIPE: i32 = -32;
const ECONNRESET: i32 = -104;
/// Frames that the shutter hides.
const SHUTTER: u32 = 5;

/// What the camera does instead of its work.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    None,
    /// Streams and sends nothing.
    Silent,
    /// Sends the same frame again and again.
    Frozen,
    /// Sends the same picture again and again, with a frame counter that goes on.
    Repeated,
    /// Sends new pictures under a frame counter that stands still.
    Stuck,
    /// Ends each frame at its half.
    Short,
    /// Sets the error bit of the payload header.
    ErrorBit,
    /// Loses every third isochronous packet.
    Lossy,
}

/// What ends a fault.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cure {
    /// Only being told.
    Told,
    /// The stream is started anew.
    Restart,
    /// The device is configured anew: after a reset, a replug, or `authorized`.
    Configure,
    /// Its configuration is taken away: `authorized`.
    Deauthorize,
}

struct Iso {
    seq: u32,
    start: i32,
    packets: Vec<(u32, u32)>,
}

struct State {
    iso: VecDeque<Iso>,
    busy: Option<u32>,
    interrupts: Vec<u32>,
    over: bool,
    rows: usize,
    /// It offers 160x122 as well.
    telemetry: bool,
    fault: Fault,
    cure: Cure,
    configured: u32,
    ffc: u32,
    /// Frames until the shutter opens, and the camera's time when it last did.
    shutter: u32,
    last_ffc: u32,
    frames: u64,
}

impl State {
    fn cured_by(&mut self, cure: Cure) {
        if self.cure == cure {
            self.fault = Fault::None;
        }
    }
}

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    out: Mutex<UnixStream>,
}

/// A camera that is plugged in.
pub struct Camera {
    shared: Arc<Shared>,
    socket: UnixStream,
}

impl Camera {
    /// Plugs it into a port of vhci-hcd. With `telemetry` it offers 160x122 as well.
    pub fn plug(port: u32, serial: &str, telemetry: bool) -> std::io::Result<Self> {
        let (kernel, ours) = UnixStream::pair()?;
        let line = format!("{port} {} {} 2\n", kernel.as_raw_fd(), 0x1_0000 + port + 2);
        std::fs::write("/sys/devices/platform/vhci_hcd.0/attach", line)?;
        let state = State {
            iso: VecDeque::new(),
            busy: None,
            interrupts: Vec::new(),
            over: false,
            rows: HEIGHT,
            telemetry,
            fault: Fault::None,
            cure: Cure::Told,
            configured: 0,
            ffc: 0,
            shutter: 0,
            last_ffc: 60_000,
            frames: 0,
        };
        let out = Mutex::new(ours.try_clone()?);
        let shared = Arc::new(Shared { state: Mutex::new(state), more: Condvar::new(), out });
        let (a, b, serial, socket) = (shared.clone(), shared.clone(), serial.to_string(), ours.try_clone()?);
        thread::spawn(move || stream(&a));
        thread::spawn(move || {
            let _ = serve(&b, ours, &serial);
            let mut state = b.state.lock().unwrap();
            state.over = true;
            b.more.notify_all();
        });
        Ok(Self { shared, socket })
    }

    /// Begins a fault.
    pub fn ail(&self, fault: Fault, cure: Cure) {
        let mut state = self.shared.state.lock().unwrap();
        (state.fault, state.cure) = (fault, cure);
    }

    /// Offers 160x122, or no longer, and sends what it offers, without telling the host.
    pub fn change(&self, telemetry: bool) {
        let mut state = self.shared.state.lock().unwrap();
        (state.telemetry, state.rows) = (telemetry, if telemetry { HEIGHT + TELEMETRY } else { HEIGHT });
    }

    /// How often the host configured it, and corrections it was told to make.
    pub fn counts(&self) -> (u32, u32, u64) {
        let state = self.shared.state.lock().unwrap();
        (state.configured, state.ffc, state.frames)
    }
}

impl Drop for Camera {
    /// Pulls the plug.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// A wall at 20 degC with noise, a disc at 37 degC that wanders, and telemetry where it is asked for.
fn frame(n: u32, rows: usize, telemetry: &[u16]) -> Vec<u8> {
    let (cx, cy) = ((n as usize * 3 % WIDTH) as i64, (n as usize * 2 % HEIGHT) as i64);
    let mut words = Vec::with_capacity(WIDTH * rows);
    for y in 0..HEIGHT as i64 {
        for x in 0..WIDTH as i64 {
            let d2 = (x - cx).pow(2) + (y - cy).pow(2);
            let wall = 29_315 + (x * 31 + y * 17 + i64::from(n) * 7) % 11;
            words.push(if d2 < 144 { 31_015 - d2 as u16 } else { wall as u16 });
        }
    }
    if rows > HEIGHT {
        words.extend(telemetry);
    }
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// The two rows of telemetry of frame `n`: TLinear in 0.01 K, and what the shutter does.
fn telemetry(n: u32, state: &mut State) -> Vec<u16> {
    let mut t = vec![0u16; WIDTH * TELEMETRY];
    let uptime = 600_000 + n * 111;
    let closed = state.shutter > 0;
    if closed {
        state.shutter -= 1;
        state.last_ffc = uptime;
    }
    let halves = |word: u32| (word as u16, (word >> 16) as u16);
    (t[0], t[3]) = (14, if closed { 2 << 4 } else { 3 << 4 });
    (t[1], t[2]) = halves(uptime);
    (t[20], t[21]) = halves(n * 3);
    (t[30], t[31]) = halves(state.last_ffc);
    (t[24], t[208], t[209]) = (30_465, 1, 1);
    t
}

/// Fills isochronous requests, a packet each millisecond.
fn stream(shared: &Shared) {
    let period = Duration::from_nanos(1_000_000_000 / u64::from(FPS));
    let mut clock = Instant::now();
    let mut next = clock;
    let (mut picture, mut counter, mut fid, mut lossy) = (0u32, 0u32, 0u8, 0u32);
    let mut current: Option<(Vec<u8>, usize)> = None;
    loop {
        let (request, rows, fault) = {
            let mut state = shared.state.lock().unwrap();
            loop {
                if state.over {
                    return;
                }
                if let Some(request) = state.iso.pop_front() {
                    state.busy = Some(request.seq);
                    break (request, state.rows, state.fault);
                }
                current = None;
                state = shared.more.wait(state).unwrap();
            }
        };
        let now = Instant::now();
        if clock + Duration::from_millis(200) < now {
            (clock, next) = (now, now);
        }
        let (mut data, mut packets) = (Vec::new(), Vec::new());
        for &(offset, length) in &request.packets {
            clock += Duration::from_millis(1);
            if current.is_none() && clock >= next && fault != Fault::Silent {
                let mut state = shared.state.lock().unwrap();
                current = Some((frame(picture, rows, &telemetry(counter, &mut state)), 0));
                state.frames += 1;
                drop(state);
                picture += u32::from(!matches!(fault, Fault::Frozen | Fault::Repeated));
                counter += u32::from(!matches!(fault, Fault::Frozen | Fault::Stuck));
                fid ^= 1;
                next += period;
            }
            let mut actual = 0;
            if let Some((bytes, at)) = current.as_mut() {
                let until = if fault == Fault::Short { bytes.len() / 2 } else { bytes.len() };
                let take = (until - *at).min(length as usize - 2);
                let end = *at + take == until;
                let error = if fault == Fault::ErrorBit { 0x40 } else { 0 };
                lossy += 1;
                if fault != Fault::Lossy || !lossy.is_multiple_of(3) {
                    data.extend([2, fid | error | if end { 2 } else { 0 }]);
                    data.extend(&bytes[*at..*at + take]);
                    actual = take as u32 + 2;
                }
                *at += take;
                if end {
                    current = None;
                }
            }
            packets.push((offset, length, actual));
        }
        if let Some(wait) = clock.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        let mut state = shared.state.lock().unwrap();
        // One that was unlinked meanwhile is answered already.
        if state.busy.take() == Some(request.seq) {
            answer(shared, request.seq, 0, &data, request.start, &packets);
        }
    }
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn answer(shared: &Shared, seq: u32, status: i32, data: &[u8], start: i32, packets: &[(u32, u32, u32)]) {
    let n = packets.len() as u32;
    let mut v = words(&[3, seq, 0, 0, 0, status as u32, data.len() as u32, start as u32, n, 0, 0, 0]);
    v.extend(data);
    for &(offset, length, actual) in packets {
        v.extend(words(&[offset, length, actual, 0]));
    }
    let _ = shared.out.lock().unwrap().write_all(&v);
}

fn acknowledge(shared: &Shared, seq: u32, status: i32, length: u32) {
    let v = words(&[3, seq, 0, 0, 0, status as u32, length, 0, 0, 0, 0, 0]);
    let _ = shared.out.lock().unwrap().write_all(&v);
}

fn unlink(shared: &Shared, seq: u32, victim: u32) {
    let mut state = shared.state.lock().unwrap();
    let before = state.iso.len() + state.interrupts.len();
    state.iso.retain(|iso| iso.seq != victim);
    state.interrupts.retain(|i| *i != victim);
    let mut status = if state.iso.len() + state.interrupts.len() < before { ECONNRESET } else { 0 };
    if state.busy == Some(victim) {
        state.busy = None;
        status = ECONNRESET;
    }
    let v = words(&[4, seq, 0, 0, 0, status as u32, 0, 0, 0, 0, 0, 0]);
    let _ = shared.out.lock().unwrap().write_all(&v);
}

/// Answers requests until the host is gone.
fn serve(shared: &Shared, mut socket: UnixStream, serial: &str) -> std::io::Result<()> {
    let mut registers = registers();
    let mut probe = vec![0u8; 26];
    settle(&mut probe, true);
    loop {
        let mut head = [0u8; 48];
        socket.read_exact(&mut head)?;
        let word = |i: usize| u32::from_be_bytes(head[i * 4..i * 4 + 4].try_into().unwrap());
        let (command, seq, is_in, endpoint) = (word(0), word(1), word(3) == 1, word(4));
        if command == 2 {
            unlink(shared, seq, word(5));
            continue;
        }
        let (length, start, count) = (word(6), word(7) as i32, word(8));
        let mut data = vec![0u8; if is_in { 0 } else { length as usize }];
        socket.read_exact(&mut data)?;
        match endpoint {
            1 => {
                let mut list = vec![0u8; count as usize * 16];
                socket.read_exact(&mut list)?;
                let at = |o: usize| u32::from_be_bytes(list[o..o + 4].try_into().unwrap());
                let packets = (0..count as usize).map(|i| (at(i * 16), at(i * 16 + 4))).collect();
                shared.state.lock().unwrap().iso.push_back(Iso { seq, start, packets });
                shared.more.notify_one();
            }
            2 => shared.state.lock().unwrap().interrupts.push(seq),
            _ => {
                let setup: [u8; 8] = head[40..48].try_into().unwrap();
                match request(shared, &mut registers, &mut probe, setup, &data, serial) {
                    Some(mut v) if is_in => {
                        v.truncate(length as usize);
                        answer(shared, seq, 0, &v, 0, &[]);
                    }
                    Some(_) => acknowledge(shared, seq, 0, length),
                    None if is_in => answer(shared, seq, EPIPE, &[], 0, &[]),
                    None => acknowledge(shared, seq, EPIPE, 0),
                }
            }
        }
    }
}
