"""Training and the runtime crop and normalise targets alike: both are compared with one fixture.

`python tests/test_track_preprocess.py` writes it again, from the definition in heatmark_training/track_preprocess.py:
consecutive arrays; numbers of -1..2 in 16 bits.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heatmark_training import track_preprocess as pre

FIXTURE = Path(__file__).resolve().parents[3] / "tests" / "data" / "track_preprocess.npy"

#: Boxes (cx, cy, w, h), px of the thermal frame: reduced, enlarged, over the border.
THERMAL = np.array([[80.3, 60.6, 60, 110], [71.25, 48.8, 9, 5], [3.5, 116, 24, 31]], np.float32)
VISIBLE = np.array([[52.4, 30.1, 31, 44]], np.float32)


def frames():
    """A centikelvin frame and a picture with edges, ramps and noise."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:120, :160]
    thermal = 29300 + 900 * (np.hypot(x - 80, (y - 60) * 0.8) < 30) + 300 * ((x // 13 + y // 7) % 2) + 2.0 * x
    thermal = np.rint(thermal + rng.normal(0, 6, thermal.shape)).astype(np.uint16)
    y, x = np.mgrid[:72, :96]
    planes = [60 + 40 * ((x // 9 + y // 5) % 2) + 0.7 * x, 90 + 60 * (np.hypot(x - 50, y - 30) < 14), 200 - 1.5 * y]
    visible = np.stack(planes, -1) + rng.normal(0, 4, (72, 96, 3))
    return thermal, np.clip(np.rint(visible), 0, 255).astype(np.uint8)


def expected(frame, box, crop=pre.crop_reference):
    """Template and search crop of one box, normalised, `[s, s]` or `[3, s, s]`."""
    cx, cy, w, h = box.astype(np.float64)
    side = pre.template_side(w, h)
    template, search = crop(frame, (cx, cy), side, pre.TEMPLATE), crop(frame, (cx, cy), 2 * side, pre.SEARCH)
    if frame.ndim == 2:
        limits = pre.thermal_limits(template, pre.THERMAL_FLOOR["centikelvin"])
        return [pre.normalise_thermal(v, *limits) for v in (template, search)]
    statistics = pre.visible_statistics(template)
    return [pre.normalise_visible(v, *statistics).transpose(2, 0, 1) for v in (template, search)]


def packed(x):
    """[-1, 2] in 16 bits."""
    return np.rint((x + 1) / 3 * 65535).astype(np.uint16)


def write():
    """The fixture: for each modality the frame, boxes, templates and search crops."""
    with open(FIXTURE, "wb") as f:
        for frame, boxes in zip(frames(), (THERMAL, VISIBLE)):
            np.save(f, frame)
            np.save(f, boxes)
            for crops in zip(*(expected(frame, box) for box in boxes)):
                np.save(f, packed(np.stack(crops)))


def test_the_definition_gives_the_fixture():
    with open(FIXTURE, "rb") as f:
        for made, boxes in zip(frames(), (THERMAL, VISIBLE)):
            frame, places, templates, searches = (np.load(f) for _ in range(4))
            assert (frame == made).all() and (places == boxes).all()
            for box, *want in zip(boxes, templates, searches):
                for got, stored in zip(expected(frame, box), want):
                    assert np.abs(got - (stored / 65535 * 3 - 1)).max() < 1e-4


def test_the_fast_crops_of_training_are_close():
    for frame, boxes in zip(frames(), (THERMAL, VISIBLE)):
        for box in boxes:
            for got, want in zip(expected(frame, box, pre.crop), expected(frame, box)):
                off = np.abs(got - want)
                # OpenCV rounds sample positions to 1/32 px, and 8-bit samples: edges move, areas do not.
                assert off.mean() < 0.01 and np.percentile(off, 99) < 0.1, (box, off.mean(), np.percentile(off, 99))


def test_the_fast_crops_do_not_shift():
    ramp = np.add.outer(3.0 * np.arange(500), 5.0 * np.arange(540)).astype(np.float32)
    for side in (20, 90, 130.5, 185, 310):
        want = pre.crop_reference(ramp, (270.3, 249.6), side, 64)
        for crop in (pre.crop, pre.quick_crop):
            assert np.abs(crop(ramp, (270.3, 249.6), side, 64) - want)[4:-4, 4:-4].max() < 0.2, side


def test_quick_crops_are_close_enough_to_train_on():
    for frame, boxes in zip(frames(), (THERMAL, VISIBLE)):
        for box in boxes:
            for got, want in zip(expected(frame, box, pre.quick_crop), expected(frame, box)):
                assert np.abs(got - want).mean() < 0.05, box


def test_a_crop_far_outside_the_frame_repeats_its_border():
    frame = frames()[0]
    got = pre.crop(frame, (-500, 60), 40, 64)
    assert np.ptp(got, axis=1).max() == 0 and abs(got.mean() - frame[:, 0].mean()) < 200


def test_a_square_box_fills_half_of_the_template():
    assert pre.template_side(10, 10) == 20
    assert pre.template_side(0, 0) == 6, "boxes have at least three pixels"


if __name__ == "__main__":
    write()
