//! PNGs to look at, and times; both ignored unless asked for.

use super::*;

/// Prints the time of a whole picture; run with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn speed() {
    let me = face(3, 80.0, 62.0, 64.0);
    for (w, h, scale) in [(160, 120, 4), (640, 512, 2)] {
        let frame = scene_of(w, h, Signal::CENTIKELVIN, &me);
        let r = result(&frame, vec![me.clone()]);
        for (what, layers, filter) in [
            ("bare nearest", Layers::NONE, Filter::Nearest),
            ("bare bilinear", Layers::NONE, Filter::Bilinear),
            ("everything", Layers::ALL, Filter::Bilinear),
        ] {
            let c = Controls { layers, filter, ..controls("ironbow", scale) };
            let mut canvas = Canvas::default();
            let mut renderer = Renderer::new(&Settings::default()).unwrap();
            let mut times = Vec::new();
            for _ in 0..300 {
                let t = std::time::Instant::now();
                renderer.render(Some(&frame), &r, NOW, &c, &mut canvas);
                times.push(t.elapsed().as_secs_f64() * 1e6);
            }
            times.sort_by(f64::total_cmp);
            println!("{w}x{h} at {scale}x {what}: median {:.0} us, least {:.0} us", times[150], times[0]);
        }
    }
}

/// Writes pictures to look at; run with `--ignored --nocapture`.
#[test]
#[ignore = "writes pictures to the temporary folder"]
fn gallery() {
    let folder = std::env::temp_dir().join("heatmark-gallery");
    std::fs::create_dir_all(&folder).unwrap();
    let save = |name: &str, canvas: &Canvas| {
        let mut bytes = Vec::new();
        crate::picture::png(canvas, &mut bytes).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let me = face(3, 80.0, 64.0, 62.0);
    let frame = scene_of(160, 120, Signal::CENTIKELVIN, &me);
    for (row, scale) in PALETTES.iter().zip([4].into_iter().cycle()) {
        save(
            &format!("palette-{}.png", row.name),
            &draw(Some(&frame), &result(&frame, vec![me.clone()]), &controls(row.name, scale)),
        );
    }
    for (w, h, scale) in [
        (80, 60, 1),
        (80, 60, 4),
        (80, 60, 8),
        (160, 120, 1),
        (160, 120, 2),
        (160, 120, 8),
        (320, 256, 2),
        (640, 512, 1),
        (1280, 1024, 1),
    ] {
        let me = face(3, w as f32 * 0.5, h as f32 * 0.53, h as f32 * 0.52);
        let frame = scene_of(w, h, Signal::CENTIKELVIN, &me);
        save(
            &format!("size-{w}x{h}-{scale}x.png"),
            &draw(Some(&frame), &result(&frame, vec![me]), &controls("ironbow", scale)),
        );
    }
    states(&save);
    clip(&save);
}

fn states(save: &dyn Fn(&str, &Canvas)) {
    let me = face(3, 80.0, 64.0, 62.0);
    let mut frame = scene_of(160, 120, Signal::CENTIKELVIN, &me);
    let c = controls("ironbow", 4);
    let mut r = result(&frame, vec![me.clone()]);
    (r.faces[0].track_state, r.faces[0].region_c) = (TrackState::Lost, Readings::none(NoTemperature::Lost));
    save("state-lost.png", &draw(Some(&frame), &r, &c));
    let mut r = result(&frame, vec![me.clone()]);
    for (i, p) in r.faces[0].landmarks.iter_mut().enumerate() {
        p.confidence = 1.0 - (i as f32 * 0.37).sin().abs() * 0.8;
    }
    save("state-doubt.png", &draw(Some(&frame), &r, &c));
    (r.seq, r.captured) = (4, Nanos(NOW.0 - 240_000_000));
    save("state-aged.png", &draw(Some(&frame), &r, &c));
    let mut r = result(&frame, vec![me.clone()]);
    frame.meta.captured = Nanos(NOW.0 - 3_400_000_000);
    r.captured = frame.meta.captured;
    r.state = StreamState::Stale;
    save("state-stale.png", &draw(Some(&frame), &r, &c));
    r.state = StreamState::NoSignal;
    save("state-nosignal.png", &draw(Some(&frame), &r, &c));
    save("state-noframe.png", &draw(None, &r, &c));
    frame.meta.ffc = FfcState::Running;
    r.state = StreamState::Ffc;
    r.faces.clear();
    save("state-ffc.png", &draw(Some(&frame), &r, &c));
    let pair = vec![face(3, 40.0, 60.0, 50.0), face(4, 112.0, 66.0, 56.0)];
    for (name, signal) in [("counts", Signal::Counts), ("grey", Signal::Grey8)] {
        let frame = scene_of(160, 120, signal, &pair[1]);
        let mut r = result(&frame, pair.clone());
        r.faces.iter_mut().for_each(|f| f.region_c = Readings::none(NoTemperature::NotRadiometric));
        save(&format!("signal-{name}.png"), &draw(Some(&frame), &r, &controls("white-hot", 4)));
    }
    let frame = scene_of(160, 120, Signal::CENTIKELVIN, &pair[1]);
    save("two.png", &draw(Some(&frame), &result(&frame, pair), &c));
    let near = face(7, 70.0, 66.0, 118.0);
    let frame = scene_of(160, 120, Signal::CENTIKELVIN, &near);
    save("near.png", &draw(Some(&frame), &result(&frame, vec![near]), &controls("inferno", 4)));
}

/// Real frames: a PureThermal recording, if it is available.
fn clip(save: &dyn Fn(&str, &Canvas)) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/clips/purethermal3_tlinear_82frames.raw.y16.gz");
    let Ok(file) = std::fs::File::open(path) else { return println!("skipped: no {path}") };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut bytes).unwrap();
    let header = 12 + u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let mut renderer = Renderer::new(&Settings::default()).unwrap();
    let mut canvas = Canvas::default();
    let mut frame = flat(160, 120, Signal::CENTIKELVIN);
    for (i, raw) in bytes[header..].chunks_exact(24 + 38_400).enumerate() {
        for (v, b) in frame.pixels.iter_mut().zip(raw[24..].chunks_exact(2)) {
            *v = u16::from_le_bytes([b[0], b[1]]);
        }
        frame.meta.captured = Nanos(i as u64 * 114_000_000);
        let r = result(&frame, Vec::new());
        renderer.render(Some(&frame), &r, frame.meta.captured, &controls("ironbow", 4), &mut canvas);
        if i % 40 == 0 {
            save(&format!("clip-{i:02}.png"), &canvas);
        }
    }
}
