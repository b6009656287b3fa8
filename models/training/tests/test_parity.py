"""Training and the runtime preprocess alike: both are compared with one fixture.

`python tests/test_parity.py` writes it again, from the definition in heatmark_training/preprocess.py. The runtime's test is
`training_and_runtime_see_the_same` in tests/synth.rs.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heatmark_training import preprocess

FIXTURE = Path(__file__).resolve().parents[3] / "tests" / "data" / "preprocess.npy"

#: Centre x, y, half-size (px), angle (rad): upright, rotated, enlarged, reduced, over the border.
CROPS = np.array([[80, 60, 48, 0], [71.3, 48.8, 31.7, 0.4], [40.25, 90.5, 9.5, -1.1],
                  [90, 55, 130, 0.2], [4, 118, 40, 0.7]], np.float32)


def frame():
    """A centikelvin frame with edges, ramps and noise."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:120, :160]
    face = 1100 / (1 + np.exp(-(35 - np.hypot(x - 80, (y - 60) * 0.8))))
    boxes = 400 * ((x // 23 + y // 17) % 2)
    return np.rint(29300 + face + boxes + 2.0 * x + rng.normal(0, 6, (120, 160))).astype(np.uint16)


def expected(picture):
    """Inputs of every crop `[n, 2, 96, 96]` and of the detector `[2, 128, 160]`, by the definition."""
    picture = picture.astype(np.float32)
    crops = [preprocess.network_input(preprocess.resample_reference(picture, (cx, cy), half, angle, preprocess.CROP_SIZE), 20.0, channels=2)
             for cx, cy, half, angle in CROPS.astype(np.float64)]
    scale, _, _ = preprocess.letterbox(160, 120)
    whole = preprocess.resample_reference(picture, (80, 60), scale * preprocess.DETECTOR_WIDTH / 2, 0.0,
                                    preprocess.DETECTOR_WIDTH, preprocess.DETECTOR_HEIGHT)
    return np.stack(crops), preprocess.network_input(whole, 20.0, preprocess.DETECTOR_TAIL, channels=2)


def packed(x):
    """[-1.5, 1.5] in 16 bits."""
    return np.rint((x / preprocess.CONTRAST_LIMIT + 1) * 32767.5).astype(np.uint16)


def write():
    """The fixture: consecutive arrays."""
    crops, whole = expected(frame())
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    with open(FIXTURE, "wb") as f:
        for array in (frame(), CROPS, packed(crops), packed(whole)):
            np.save(f, array)


def test_the_definition_gives_the_fixture():
    with open(FIXTURE, "rb") as f:
        picture, places, crops, whole = (np.load(f) for _ in range(4))
    assert (places == CROPS).all()
    for got, want in zip(expected(picture), (crops, whole)):
        assert np.abs(got - (want / 32767.5 - 1) * preprocess.CONTRAST_LIMIT).max() < 1e-4


def test_the_fast_sampler_of_training_is_close():
    picture = frame()
    for (cx, cy, half, angle), want in zip(CROPS.astype(np.float64), expected(picture)[0]):
        off = np.abs(preprocess.landmark_input(picture, (cx, cy), half, angle, 20.0) - want[:preprocess.INPUT_CHANNELS])
        # OpenCV rounds sample positions to 1/32 px: edges move, areas do not.
        assert off.mean() < 0.01 and np.percentile(off, 99) < 0.1, (off.mean(), np.percentile(off, 99))


if __name__ == "__main__":
    write()
