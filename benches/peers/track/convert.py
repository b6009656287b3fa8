"""Thermal drone clips and labelled pairs as plain folders (see sequences.py).

    convert.py drones CLIPS SET     CLIPS holds NAME.mp4 and NAME.csv (`frame,x,y,w,h`, empty: not in view)
    convert.py pairs LABELS VIDEOS SET
                                    LABELS: a list of targets with boxes at key frames, linear between (JSON);
                                    VIDEOS holds infrared/CLIP.mp4 and visible/CLIP.mp4

The split of the drone clips is by clip: held out is every clip whose number ends in 3, 6 or 9. A clip's split is written
to its sequence.json; `--split` takes one alone. The targets of a clip share its pictures through links.
"""

import argparse
import json
import os
import pathlib

import cv2
import numpy as np

import sequences


def frames(video, code):
    """Every frame of a video, its colours changed by `code`."""
    capture = cv2.VideoCapture(str(video))
    read = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        read.append(cv2.cvtColor(frame, code))
    if not read:
        raise SystemExit(f"{video}: has no frame that can be read")
    return np.stack(read)


def write_about(folder, **about):
    about = {"schema": "heatmark.sequence/1", "signal": "grey8", "fps": 30.0, "attributes": [], **about}
    (folder / "sequence.json").write_text(json.dumps(about) + "\n")


def finish(out, count):
    """A set counts once it has this file."""
    (out / "meta.json").write_text(json.dumps({"schema": "heatmark.synth/1", "kind": "track", "count": count}) + "\n")
    print(f"{count} sequences in {out}")


def drones(clips, out, split):
    """Thermal clips of flying things, one target each."""
    count = 0
    for video in sorted(clips.glob("*.mp4")):
        part = "held-out" if sequences.is_held_out(video.stem) else "training"
        if split not in ("all", part):
            continue
        table = video.with_suffix(".csv")
        folder = out / video.stem
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "thermal.npy", frames(video, cv2.COLOR_BGR2GRAY))
        (folder / "boxes.csv").write_text(table.read_text())
        # IR_DRONE_001: camera, class, number.
        words = [w for w in video.stem.split("_") if w != "IR" and not w.isdigit()]
        write_about(folder, **{"class": " ".join(words).lower(), "split": part})
        count += 1
    finish(out, count)


def between(target, count):
    """The box of each of `count` frames, NaN where the target is not in view or nothing is known."""
    keys = sorted((int(frame), box) for frame, box in target["boxes"].items())
    at, values = [k for k, _ in keys], np.array([b for _, b in keys], float)
    made = np.full((count, 4), np.nan)
    known = np.arange(at[0], min(at[-1] + 1, count))
    made[known] = np.stack([np.interp(known, at, values[:, k]) for k in range(4)], 1)
    for first, last in target.get("absent", []):
        made[first:last + 1] = np.nan
    return made, (at[0], int(known[-1]))


def pairs(labels, videos, out):
    """Registered pairs: one box for both modalities."""
    out.mkdir(parents=True, exist_ok=True)
    targets = json.loads(labels.read_text())
    kinds = {"thermal": ("infrared", cv2.COLOR_BGR2GRAY), "visible": ("visible", cv2.COLOR_BGR2RGB)}
    for target in targets:
        folder = out / target["target"]
        folder.mkdir(exist_ok=True)
        for modality, (place, code) in kinds.items():
            shared = out / f"{target['clip']}.{modality}.npy"
            if not shared.exists():
                np.save(shared, frames(videos / place / f"{target['clip']}.mp4", code))
            link = folder / f"{modality}.npy"
            link.unlink(missing_ok=True)
            os.symlink(os.path.join("..", shared.name), link)
        count = min(len(np.load(folder / f"{m}.npy", mmap_mode="r")) for m in kinds)
        boxes, known = between(target, count)
        lines = ["frame,x,y,w,h"]
        for i, box in enumerate(boxes):
            lines.append(f"{i}," + (",,," if np.isnan(box[0]) else ",".join(f"{v:.2f}" for v in box)))
        for name in sequences.TRUTHS.values():
            (folder / name).write_text("\n".join(lines) + "\n")
        write_about(folder, **{"class": target.get("kind", ""), "frames": known, "note": target.get("note", "")})
    finish(out, len(targets))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("drones")
    one.add_argument("clips", type=pathlib.Path)
    one.add_argument("set", type=pathlib.Path)
    one.add_argument("--split", default="all", choices=["all", "training", "held-out"])
    two = kinds.add_parser("pairs")
    two.add_argument("labels", type=pathlib.Path)
    two.add_argument("videos", type=pathlib.Path)
    two.add_argument("set", type=pathlib.Path)
    given = parser.parse_args()
    if given.kind == "drones":
        drones(given.clips, given.set, given.split)
    else:
        pairs(given.labels, given.videos, given.set)


main()
