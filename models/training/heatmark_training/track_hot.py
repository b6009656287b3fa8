"""Sequences of hot things from thermal videos without labels: `python -m heatmark_training.track_hot VIDEO... --out SET`.

In most thermal videos of people they are brighter than what is around them. Bright regions are linked from frame to frame
while there is no doubt: the region overlaps one of the frame before and no other, and is about as large. Others of the kind
stay in the picture as distractors. A box ends where regions touch, so that no sequence shows a crossing. The boxes are
those of silhouettes, at times without a cool coat; what remains wrong is rare and small beside what real pictures add.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

#: Grey levels above the median of the neighbourhood that a region exceeds; each finds its own regions.
RISES = (25, 60)
#: Side of the neighbourhood, px, and of what is closed within a region.
NEIGHBOURHOOD, GAP = 161, 7
#: Least height and area of a region, px; largest share of the frame; range of width over height.
LEAST_HEIGHT, LEAST_AREA, LARGEST, ASPECT = 12, 60, 0.25, (0.15, 3.0)
#: Overlap and ratio of areas that link two regions; least number of frames of a sequence.
OVERLAP, SAME_AREA, LEAST_FRAMES = 0.6, 1.25, 20
#: Overlap above which two sequences show the same thing.
SAME_THING = 0.5


class Track(NamedTuple):
    """Boxes (x, y, w, h) in consecutive frames from `first` on."""

    first: int
    boxes: list[np.ndarray]


def regions(frame: np.ndarray, rise: float) -> np.ndarray:
    """Boxes `[n, 4]` of the bright regions of a frame u8 `[h, w]`, and their areas in a fifth column."""
    small = cv2.resize(frame, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.medianBlur(small, NEIGHBOURHOOD // 4 | 1), frame.shape[::-1])
    bright = (cv2.GaussianBlur(frame, (0, 0), 1).astype(np.int16) > around.astype(np.int16) + rise).astype(np.uint8)
    closed = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((GAP, 3), np.uint8))
    _, _, table, _ = cv2.connectedComponentsWithStats(closed)
    table = table[1:].astype(np.float64)
    x, y, w, h, area = table.T
    height, width = frame.shape
    inside = (x > 1) & (y > 1) & (x + w < width - 1) & (y + h < height - 1)
    fits = (h >= LEAST_HEIGHT) & (area >= LEAST_AREA) & (w * h < LARGEST * frame.size)
    return table[inside & fits & (w > ASPECT[0] * h) & (w < ASPECT[1] * h)]


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU `[n, m]` of boxes `[n, 4+]` and `[m, 4+]`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:4], b[None, :, :2] + b[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(2)
    return shared / (a[:, None, 2:4].prod(2) + b[None, :, 2:4].prod(2) - shared)


def follow(frames: np.ndarray, rise: float) -> list[Track]:
    """The undoubted tracks of bright regions."""
    done: list[Track] = []
    open_tracks: list[Track] = []
    for i, frame in enumerate(frames):
        found = regions(frame, rise)
        last = np.array([t.boxes[-1] for t in open_tracks]).reshape(-1, 5)
        iou = overlaps(last, found)
        going, taken = [], set()
        for k, track in enumerate(open_tracks):
            near = np.flatnonzero(iou[k] > 0.1)
            j = int(near[0]) if len(near) == 1 else -1
            alone = j >= 0 and (iou[:, j] > 0.1).sum() == 1 and iou[k, j] > OVERLAP
            ratio = found[j, 4] / track.boxes[-1][4] if alone else 0
            if alone and 1 / SAME_AREA < ratio < SAME_AREA:
                track.boxes.append(found[j])
                going.append(track)
                taken.add(j)
            else:
                done.append(track)
        going += [Track(i, [found[j]]) for j in range(len(found)) if j not in taken]
        open_tracks = going
    return [t for t in done + open_tracks if len(t.boxes) >= LEAST_FRAMES]


def distinct(tracks: list[Track]) -> list[Track]:
    """Without those that show what a longer one shows."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda t: -len(t.boxes)):
        def same(other: Track) -> bool:
            i = max(track.first, other.first)
            if i >= min(track.first + len(track.boxes), other.first + len(other.boxes)):
                return False
            pair = (t.boxes[i - t.first][None] for t in (track, other))
            return overlaps(*pair)[0, 0] > SAME_THING
        if not any(same(other) for other in kept):
            kept.append(track)
    return kept


def moves(track: Track) -> bool:
    """Whether it moves by more than a tenth of its size in its time."""
    boxes = np.array(track.boxes)
    centre = boxes[:, :2] + boxes[:, 2:4] / 2
    return float(np.ptp(centre, axis=0).max()) > 0.1 * float(np.sqrt(boxes[:, 2:4].prod(1).mean()))


def read(path: Path) -> np.ndarray:
    """All frames of a video, u8 `[n, h, w]`."""
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = video.read()
        if not there:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    if not frames:
        raise SystemExit(f"{path}: no video that OpenCV reads")
    return np.stack(frames)


def write(folder: Path, clip: Path, track: Track, about: dict[str, object]) -> None:
    """Writes one sequence; the frames are those of the clip."""
    folder.mkdir(parents=True)
    (folder / "thermal.npy").symlink_to(Path("..") / clip.name)
    rows = ["frame,x,y,w,h"] + [f"{track.first + i}," + ",".join(f"{v:.1f}" for v in box[:4])
                                for i, box in enumerate(track.boxes)]
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    last = track.first + len(track.boxes) - 1
    (folder / "sequence.json").write_text(json.dumps(
        {"schema": "heatmark.sequence/1", "signal": "grey8", "attributes": [], "frames": [track.first, last], **about}))


def main() -> None:
    """Runs the command."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.track_hot", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("videos", nargs="+", help="thermal videos, brighter where warmer")
    p.add_argument("--out", required=True, help="folder of the set; created")
    p.add_argument("--most", type=int, default=40, help="at most this many sequences of a video, the longest")
    args = p.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True)
    for path in map(Path, args.videos):
        frames = read(path)
        clip = out / f"{path.stem}.npy"
        np.save(clip, frames)
        tracks = distinct([t for rise in RISES for t in follow(frames, rise)])
        tracks = [t for k, t in enumerate(tracks) if moves(t) or k % 4 == 0][:args.most]
        for k, track in enumerate(tracks):
            write(out / f"{path.stem}-{10 * k:04}", clip, track, {"class": "hot thing", "fps": 30.0})
        print(f"{path}: {len(frames)} frames, {len(tracks)} sequences", flush=True)
    (out / "meta.json").write_text(json.dumps({"schema": "heatmark.synth/1", "kind": "track"}))


if __name__ == "__main__":
    main()
