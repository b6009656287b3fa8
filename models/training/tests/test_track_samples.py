"""Sequences, samples and decoding of the trackers."""

import json

import numpy as np
import pytest

from heatmark_training import track_preprocess as pre
from heatmark_training.track_decode import Target, decode
from heatmark_training.track_evaluate import follow_all, sequence_metrics, summary
from heatmark_training.track_samples import SampleOptions, TrackSource, Window, assemble, box_in_crop
from heatmark_training.track_sequences import Sequence, TrackSets, clip_number
from heatmark_training.track_task import area_under_curve
from tiny_sequences import ABSENT, FRAMES, write_sequence, write_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A paired set and a thermal one."""
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "pairs", 8)
    write_set(folder / "clips", 10, visible=False, signal="counts")
    return folder


def source(sets, **options):
    """Samples of both."""
    return TrackSource(TrackSets(str(sets / "pairs")), TrackSets(str(sets / "clips"), real=True), 0.3,
                       SampleOptions(**options))


def test_a_sequence_knows_its_boxes(sets):
    of = Sequence(sets / "pairs" / "00000")
    assert of.modalities == ("thermal", "visible") and of.count == FRAMES and of.floor == 100
    assert of.labels["thermal"].absent.tolist() == list(ABSENT) and len(of.labels["thermal"].present) == FRAMES - 2
    assert np.allclose(of.labels["visible"].box[0], 2 * of.labels["thermal"].box[0], atol=0.02)
    assert of.visible_scale.tolist() == [2, 2]


def test_frames_outside_the_labelled_range_are_unknown(tmp_path):
    folder = write_sequence(tmp_path / "s", 1)
    about = json.loads((folder / "sequence.json").read_text())
    (folder / "sequence.json").write_text(json.dumps(about | {"frames": [1, 5]}))
    labels = Sequence(folder).labels["thermal"]
    assert labels.present.tolist() == [1, 2, 3, 4] and labels.absent.tolist() == [5]


@pytest.mark.parametrize("content,message", [("a,b\n1,2\n", "expected frame"), ("frame,x,y,w,h\n0,1,2\n", "expected")])
def test_broken_boxes_are_named(tmp_path, content, message):
    folder = write_sequence(tmp_path / "s", 1)
    (folder / "boxes.csv").write_text(content)
    with pytest.raises(SystemExit, match=message):
        Sequence(folder).labels


def test_a_folder_without_frames_is_named(tmp_path):
    folder = write_sequence(tmp_path / "s", 1, visible=False, thermal=False)
    with pytest.raises(SystemExit, match="neither"):
        Sequence(folder)


def test_real_clips_are_split_by_number(sets):
    split = TrackSets(str(sets / "clips"), real=True)
    assert {clip_number(s.name) for s in split.held_out} == {3, 6, 9} and len(split.training) == 7
    assert clip_number("IR_DRONE_013") == 13 and clip_number("x") == 0


def test_a_set_counts_once_its_meta_exists(tmp_path):
    write_set(tmp_path / "set-1", 3)
    (tmp_path / "set-1" / "meta.json").rename(tmp_path / "later")
    found = TrackSets(str(tmp_path / "set-*"))
    assert not found.training
    (tmp_path / "later").rename(tmp_path / "set-1" / "meta.json")
    assert found.refresh() == 1 and found.refresh() == 0 and len(found.training) == 2


def test_boxes_lie_on_the_target(sets):
    batch = source(sets, augment=False, absent=0.0, misregistration=0.0).batch(48, np.random.default_rng(1))
    checked = 0
    for k, (x0, y0, x1, y1) in enumerate(batch.boxes[:len(batch.search_thermal)]):
        if not (min(x0, y0) > 2 and max(x1, y1) < 126):
            continue
        image = batch.search_thermal[k, 0]
        inside = image[int(y0 + 3):int(y1 - 3), int(x0 + 3):int(x1 - 3)]
        assert abs(inside.mean()) > 0.75, (k, inside.mean())
        checked += 1
    assert checked > 10


def test_a_batch_is_sorted_by_what_its_samples_have(sets):
    batch = source(sets).batch(64, np.random.default_rng(2))
    thermals, visibles = len(batch.search_thermal), len(batch.search_visible)
    assert len(batch) == 64 and 0 < 64 - visibles < thermals < 64
    assert batch.template_thermal.shape == (thermals, 1, 64, 64) and batch.search_visible.shape == (visibles, 3, 128, 128)
    for array in (batch.template_thermal, batch.search_thermal, batch.template_visible, batch.search_visible):
        assert array.dtype == np.float32 and array.min() >= -1 and array.max() <= 2
    assert 0.5 < batch.present.mean() < 0.95
    assert (batch.boxes[batch.present == 0] == -1).all(1).any()


def test_batches_depend_on_the_generator_alone(sets):
    a, b = (source(sets).batch(16, np.random.default_rng([3, 4])) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values()))


def test_one_modality_alone(sets):
    for mode in ("thermal", "visible"):
        only = TrackSource(TrackSets(str(sets / "pairs")), None, 0, modes=(mode,)).batch(8, np.random.default_rng(5))
        assert len(only.search_thermal) == 8 * (mode == "thermal") and len(only.search_visible) == 8 * (mode == "visible")


def test_a_target_that_is_never_seen_in_a_modality_is_no_sample_of_it(tmp_path):
    folder = write_set(tmp_path / "pairs", 4)
    empty = ["frame,x,y,w,h", *(f"{i},,,," for i in range(FRAMES))]
    (folder / "00001" / "visible-boxes.csv").write_text("\n".join(empty) + "\n")
    only = TrackSource(TrackSets(str(folder)), None, 0, modes=("visible",))
    assert {p.search_of.name for p in only.plans(64, np.random.default_rng(8))} == {"00000", "00002"}
    assert len(only.batch(8, np.random.default_rng(9)).search_visible) == 8


def test_flips_move_boxes_with_the_picture(sets):
    plain = source(sets, augment=False)
    rng = np.random.default_rng(6)
    plans = plain.plans(32, rng)
    before, after = assemble(plans, rng, False, False), assemble(plans, np.random.default_rng(7), False, True)
    mirrored = np.flatnonzero(~np.isclose(before.boxes, after.boxes).all(1))
    assert len(mirrored)
    for k in mirrored[:5]:
        assert np.allclose(after.boxes[k, 2:] - after.boxes[k, :2], before.boxes[k, 2:] - before.boxes[k, :2], atol=1e-3)


def test_a_box_in_its_crop():
    box = box_in_crop(np.array([50, 40, 10, 20]), Window(0, np.array([48.0, 40.0]), 64.0))
    assert box.tolist() == [58, 44, 78, 84]


def test_decoding_finds_the_cell_and_its_box():
    maps = np.full((5, 16, 16), -9, np.float32)
    maps[:, 7, 9] = 3, 0.25, -0.5, np.log(2), 0
    found = decode(maps, 4.0)
    assert np.allclose(found.box, [78, 56, 64, 32]) and found.score == pytest.approx(1 / (1 + np.exp(-3)))


def test_the_first_frame_keeps_the_givers_convention(sets):
    target = Target(Sequence(sets / "pairs" / "00000"), "thermal", 0)
    given = target.box.copy()
    maps = np.full((5, 16, 16), -9, np.float32)
    # The network sees a target half as large and 8 px to the right and below: for it, the cell's corner.
    maps[:, 8, 8] = 3, 0.5, 0.5, np.log(0.5), np.log(0.5)
    for first in (True, False):
        target.search(0)
        target.follow(maps, 0.9, first)
    assert np.allclose(target.box, given, atol=1e-6) and target.presence == 0.9


def test_a_faint_target_coasts(sets):
    target = Target(Sequence(sets / "pairs" / "00000"), "both", 0)
    box = target.box.copy()
    target.search(1)
    target.follow(np.full((5, 16, 16), -9, np.float32), 0.1, False)
    assert (target.box == box).all() and target.presence == 0.1


def test_metrics_of_the_box_that_never_moves(sets):
    sequences = [Sequence(sets / "pairs" / f"{k:05}") for k in range(3)]
    traces = follow_all(None, sequences, "both", 100)
    for t in traces:
        t.boxes[:] = t.of.labels["thermal"].box[t.frames]
    assert sequence_metrics(traces[0]) == pytest.approx({"npr": 1, "pr5": 1, "pr20": 1, "sr": 20 / 21})
    out = summary(traces)
    assert out["sequences"] == 3 and out["absent"] == 6 and out["auroc"] == 0.5


def test_area_under_curve():
    assert area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    assert np.isnan(area_under_curve(np.array([1.0]), np.array([True])))
