"""Plain folders: a sequence on disk, and its pictures as 8-bit BGR.

    SEQ/thermal.npy, or a folder thermal/ of numbered pictures     [n, h, w], 8 or 16 bit
    SEQ/visible.npy, or a folder visible/ of numbered pictures     [n, H, W, 3] sRGB
    SEQ/boxes.csv, SEQ/visible-boxes.csv                            frame,x,y,w,h...: empty where the target is not in view
    SEQ/sequence.json                                               "signal", "fps", "frames": [first, last]
"""

import csv
import json
import pathlib
import re

import cv2
import numpy as np

TRUTHS = {"thermal": "boxes.csv", "visible": "visible-boxes.csv"}
ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")


def is_held_out(name):
    """Whether a thermal drone clip is kept from training: by the last digit of its number."""
    numbers = re.findall(r"\d+", name)
    return bool(numbers) and int(numbers[-1]) % 10 in (3, 6, 9)


def find(path):
    """The sequence in `path`, or those in the folders inside it, by name."""
    path = pathlib.Path(path)
    folders = [path] if any((path / f).is_file() for f in TRUTHS.values()) else sorted(path.iterdir())
    found = [f for f in folders if any((f / t).is_file() for t in TRUTHS.values())]
    if not found:
        raise SystemExit(f"{path}: holds no sequence, wanted a folder with boxes.csv or a folder of such folders")
    return found


def boxes(path):
    """Left, top, width, height by frame [n, 4], NaN where the target is not in view."""
    with open(path, newline="") as file:
        rows = [[float(row[k] or "nan") for k in ("x", "y", "w", "h")] for row in csv.DictReader(file)]
    rows = np.array(rows).reshape(-1, 4)
    rows[~(rows[:, 2:] > 0).all(1)] = np.nan
    return rows


def about(folder):
    """What sequence.json says; nothing where there is none."""
    file = folder / "sequence.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def ever_seen(folder):
    """Whether the target is ever in view."""
    return any(not np.isnan(boxes(folder / t)).all() for t in TRUTHS.values() if (folder / t).is_file())


class Pictures:
    """A folder of numbered pictures, read one at a time."""

    def __init__(self, folder):
        number = lambda p: [int(n) for n in re.findall(r"\d+", p.stem)]
        self.files = sorted((p for p in folder.iterdir() if p.suffix.lower() in ENDINGS), key=number)
        self.dtype = self[0].dtype

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        picture = cv2.imread(str(self.files[i]), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise SystemExit(f"{self.files[i]}: cannot be read")
        return picture if picture.ndim == 2 else cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2RGB)


def pictures(folder, modality):
    """Thermal [h, w] or visible [H, W, 3] by frame, or None."""
    if (folder / f"{modality}.npy").exists():
        return np.load(folder / f"{modality}.npy", mmap_mode="r")
    if (folder / modality).is_dir():
        return Pictures(folder / modality)
    return None


class Sequence:
    """A labelled clip from its first box on.

    `rows`: the frames that count. `truths[m]`: boxes of these in the pixels of modality m, NaN: not in view."""

    def __init__(self, folder, limit=None):
        self.name, self.folder = folder.name, folder
        self.about = about(folder)
        self.reels = {m: pictures(folder, m) for m in TRUTHS}
        self.reels = {m: reel for m, reel in self.reels.items() if reel is not None}
        truths = {m: boxes(folder / file) for m, file in TRUTHS.items() if (folder / file).is_file()}
        truths = {m: t for m, t in truths.items() if m in self.reels}
        if not truths:
            raise SystemExit(f"{folder}: has no pictures with boxes")
        count = min([len(t) for t in truths.values()] + [len(self.reels[m]) for m in truths])
        first, last = self.about.get("frames", (0, count - 1))
        seen = np.all([~np.isnan(t[first:count, 0]) for t in truths.values()], axis=0)
        if not seen.any():
            raise SystemExit(f"{folder}: the target is never in view")
        start, end = first + int(seen.argmax()), min(last + 1, count)
        self.rows = range(start, min(end, start + limit) if limit else end)
        self.truths = {m: t[self.rows.start:self.rows.stop] for m, t in truths.items()}
        self.range = None

    @property
    def modalities(self):
        """What a tracker of one picture can be shown."""
        return [*self.truths, *(["mean"] if len(self.truths) == 2 else [])]

    def truth(self, modality):
        """Boxes in the pixels of `modality`; those of pairs are in thermal pixels."""
        return self.truths["visible" if modality == "visible" else next(iter(self.truths))]

    def scale(self):
        """Thermal pixels for one visible pixel, across and down."""
        t, v = (self.reels[m][self.rows.start].shape for m in ("thermal", "visible"))
        return np.array([t[1] / v[1], t[0] / v[0]])

    def grey(self, i):
        """Thermal frame `i` in 8 bits. 16-bit frames span percentiles 1 to 99 of the newest frames, as a camera's
        own gain control does. Frames are asked for in order."""
        frame = self.reels["thermal"][i]
        if frame.dtype == np.uint8:
            return np.ascontiguousarray(frame)
        low, high = np.percentile(frame[::3, ::3], (1, 99))
        new = np.array([low, max(high, low + 1)])
        self.range = new if self.range is None or i == self.rows.start else 0.9 * self.range + 0.1 * new
        return ((frame - self.range[0]) * (255 / (self.range[1] - self.range[0]))).clip(0, 255).astype(np.uint8)

    def shown(self, i):
        """8-bit BGR pictures of frame `i` by modality. The mean has the size of the thermal frame."""
        made = {}
        if "thermal" in self.truths:
            made["thermal"] = cv2.cvtColor(self.grey(i), cv2.COLOR_GRAY2BGR)
        if "visible" in self.truths:
            visible = np.ascontiguousarray(self.reels["visible"][i])
            code = cv2.COLOR_GRAY2BGR if visible.ndim == 2 else cv2.COLOR_RGB2BGR
            made["visible"] = cv2.cvtColor(visible, code)
        if len(made) == 2:
            h, w = made["thermal"].shape[:2]
            visible = made["visible"]
            fitted = visible if visible.shape[:2] == (h, w) else cv2.resize(visible, (w, h), interpolation=cv2.INTER_AREA)
            made["mean"] = cv2.addWeighted(made["thermal"], 0.5, fitted, 0.5, 0)
        return made
