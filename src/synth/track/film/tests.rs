use super::*;

/// Scripts with nothing in front of the target and no smear.
fn plain(count: u64) -> impl Iterator<Item = Script> {
    (0..count).map(|index| {
        let mut script = Script::draw(3, index, 3);
        script.front.clear();
        (script.smoke, script.gas, script.contrast) = ([0.0; 2], 0.0, [1.0; 2]);
        (script.visible.exposure, script.thermal.exposure) = (0.0, 0.0);
        script
    })
}

#[test]
fn boxes_are_the_extents_of_what_is_drawn() {
    let (tiles, album) = (Tiles::new(), Album::default());
    let mut looked_at = 0;
    for script in plain(16) {
        let mut film = Film::new(&script, &tiles, &album);
        for modality in [Modality::Visible, Modality::Thermal] {
            let truth = film.expose(modality, 1.0, false, &mut Picture::default());
            let Some(outline) = truth.outline else { continue };
            let [w, h] = script.size(modality);
            let mut drawn = [w as f32, h as f32, 0.0f32, 0.0f32];
            film.layer.over(w, h, |i, _, a| {
                if a > 0.05 {
                    let (x, y) = ((i % w) as f32, (i / w) as f32);
                    drawn = [drawn[0].min(x), drawn[1].min(y), drawn[2].max(x + 1.0), drawn[3].max(y + 1.0)];
                }
            });
            // Pointed tips cover too little of their last pixels to be seen.
            let slack = 1.2 + 0.04 * outline.longer_side();
            for (a, b) in drawn.iter().zip(outline.to_array()) {
                assert!((a - b).abs() < slack, "{:?} {modality:?}: {drawn:?} {outline:?}", script.target.kind);
            }
            assert!(truth.seen > 0.2 && truth.seen <= 1.0, "{}", truth.seen);
            looked_at += 1;
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}

#[test]
fn crossover_leaves_no_difference_to_what_is_behind() {
    let (tiles, album) = (Tiles::new(), Album::default());
    for mut script in plain(8) {
        let mut differences = [0.0f32; 2];
        for (k, contrast) in [1.0, 0.0].into_iter().enumerate() {
            script.contrast = [contrast; 2];
            let mut film = Film::new(&script, &tiles, &album);
            let (mut with, mut without) = (Picture::default(), Picture::default());
            film.expose(Modality::Thermal, 1.0, true, &mut without);
            film.expose(Modality::Thermal, 1.0, false, &mut with);
            let (mut sum, mut weight) = (0.0, 0.0);
            film.layer.over(with.width, with.height, |i, _, a| {
                sum += with.px[i][3] - without.px[i][3];
                weight += a;
            });
            differences[k] = (sum / weight).abs();
        }
        assert!(differences[1] < 0.01, "{differences:?}");
    }
}

#[test]
fn what_stands_in_front_is_subtracted() {
    let (tiles, album) = (Tiles::new(), Album::default());
    let mut hidden = 0;
    for index in 0..24 {
        let script = Script::draw(5, index, 8);
        let mut film = Film::new(&script, &tiles, &album);
        for shot in script.shots.iter().filter(|s| s.absent == Some(Absence::Hidden)) {
            let truth = film.expose(Modality::Thermal, shot.now, false, &mut Picture::default());
            assert!(truth.seen < 0.3, "{index} {shot:?}: {}", truth.seen);
            hidden += usize::from(truth.seen < LEAST_SEEN);
        }
    }
    assert!(hidden > 6, "{hidden}");
}
