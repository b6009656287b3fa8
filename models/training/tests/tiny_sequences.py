"""Sets of made-up sequences, shared by the tests: a warm square that moves over a ramp, and leaves for a while."""

import json

import numpy as np

FRAMES, ABSENT = 8, (5, 6)


def write_sequence(folder, seed, visible=True, thermal=True, signal="centikelvin"):
    """One sequence; the visible frames are twice as large."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    frames, pictures, rows, own = [], [], ["frame,x,y,w,h,seen,ffc"], ["frame,x,y,w,h"]
    left, top, side = rng.uniform(20, 40), rng.uniform(15, 30), rng.uniform(8, 14)
    for i in range(FRAMES):
        there = i not in ABSENT
        inside = (np.abs(x - left - side / 2) < side / 2) & (np.abs(y - top - side / 2) < side / 2) & there
        frames.append(np.rint(29500 + x + rng.normal(0, 3, x.shape) + 600 * inside))
        picture = 60 + 0.5 * x[..., None] + rng.normal(0, 4, (60, 80, 3)) + [120, 40, 0] * inside[..., None]
        pictures.append(np.clip(picture, 0, 255).repeat(2, 0).repeat(2, 1))
        numbers = [left, top, side, side] if there else None
        rows.append(f"{i}," + (",".join(f"{v:.2f}" for v in numbers) + ",1,0" if numbers else ",,,,,0"))
        own.append(f"{i}," + (",".join(f"{2 * v:.2f}" for v in numbers) if numbers else ",,,"))
        left, top = left + rng.normal(0, 1.5), top + rng.normal(0, 1.5)
    if thermal:
        np.save(folder / "thermal.npy", np.array(frames, np.uint16))
    if visible:
        np.save(folder / "visible.npy", np.array(pictures, np.uint8))
    (folder / "boxes.csv").write_text("\n".join(rows if thermal else own) + "\n")
    if visible and thermal:
        (folder / "visible-boxes.csv").write_text("\n".join(own) + "\n")
    about = {"schema": "heatmark.sequence/1", "signal": signal, "fps": 10.0, "class": f"kind{seed % 3}",
             "attributes": []}
    (folder / "sequence.json").write_text(json.dumps(about))
    return folder


def write_set(folder, count, **kinds):
    """A set of sequences."""
    for k in range(count):
        write_sequence(folder / f"{k:05}", k, **kinds)
    (folder / "meta.json").write_text(json.dumps({"schema": "heatmark.synth/1", "kind": "track"}))
    return folder
