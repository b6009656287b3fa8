"""Sequences of hot things from videos without labels."""

import numpy as np
import pytest

from heatmark_training import track_hot
from heatmark_training.track_sequences import TrackSets


def scene(count=60):
    """Frames with a warm square that goes right, one that comes to meet it, and one that stands."""
    rng = np.random.default_rng(1)
    frames = rng.normal(60, 2, (count, 120, 200))
    for i, frame in enumerate(frames):
        for x, y in ((20 + i, 40), (150 - i, 42), (100, 90)):
            frame[y:y + 20, x:x + 10] += 120
    return np.clip(frames, 0, 255).astype(np.uint8)


def test_tracks_end_before_regions_touch():
    tracks = track_hot.distinct(track_hot.follow(scene(), 60))
    assert len(tracks) == 3
    for track in tracks:
        boxes = np.array(track.boxes)
        assert (np.abs(boxes[:, 2] - 10) <= 3).all() and (np.abs(boxes[:, 3] - 20) <= 3).all()
    assert sorted(len(t.boxes) for t in tracks)[-1] == 60, "the one that stands is seen in all frames"
    assert all(t.first + len(t.boxes) <= 62 for t in tracks if track_hot.moves(t))
    assert sum(map(track_hot.moves, tracks)) == 2


def test_a_set_is_written_and_read(monkeypatch, tmp_path):
    monkeypatch.setattr(track_hot, "read", lambda path: scene(40))
    out = tmp_path / "hot"
    monkeypatch.setattr("sys.argv", ["track_hot", "a.mp4", "--out", str(out)])
    track_hot.main()
    sets = TrackSets(str(out), real=True)
    assert len(sets.training) >= 2 and not sets.held_out
    one = sets.training[0]
    i = int(one.labels["thermal"].present[0])
    x, y, w, h = one.labels["thermal"].box[i]
    inside = one.frames("thermal")[i][int(y - h / 4):int(y + h / 4), int(x - w / 4):int(x + w / 4)]
    assert inside.mean() > 150


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SystemExit, match="a.mp4"):
        track_hot.read(tmp_path / "a.mp4")
