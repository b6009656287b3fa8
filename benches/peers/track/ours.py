"""Our row: `heatmark track` on the same frames, as a program. It reports its own time for each frame."""

import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np

#: Our own names for what a tracker is shown.
MODALITIES = {"thermal": ("thermal",), "visible": ("visible",), "both": ("thermal", "visible")}


def missing(binary):
    """Why `binary` cannot track; None if it can."""
    if binary is None:
        return "no --heatmark"
    try:
        helped = subprocess.run([binary, "track", "--help"], capture_output=True)
    except OSError as e:
        return f"{binary} cannot be run: {e.strerror}"
    return None if helped.returncode == 0 else f"{binary} has no `track`"


def identity(binary):
    """Version and digest: a release has many builds."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
    return f"{version}, the program with SHA-256 {hashlib.sha256(pathlib.Path(binary).read_bytes()).hexdigest()[:12]}"


def modalities(sequence):
    """What it can be shown of a sequence."""
    return [m for m, needs in MODALITIES.items() if all(n in sequence.truths for n in needs)]


def pictures(sequence, folder):
    """The frames that count, as numbered pictures, 8 or 16 bit: the program sees what the peers see, before any gain
    control."""
    for modality in sequence.truths:
        (folder / modality).mkdir()
        for k, i in enumerate(sequence.rows):
            frame = np.ascontiguousarray(sequence.reels[modality][i])
            cv2.imwrite(str(folder / modality / f"{k:05}.png"), frame[..., ::-1] if frame.ndim == 3 else frame)


class Ours:
    """`heatmark track` with one tracker; `model` None: its default."""

    def __init__(self, binary, model):
        self.binary, self.model = binary, model
        self.name = f"heatmark-{pathlib.Path(model).stem}" if model else "heatmark"

    def command(self, sequence, modality, folder, rate_hz):
        box = ",".join(f"{v:.2f}" for v in sequence.truth(modality)[0])
        paths = [str(folder / m) for m in MODALITIES[modality]]
        inputs = ["--rgb", paths[-1]] if modality != "thermal" else []
        if modality != "visible":
            inputs.insert(0, paths[0])
            signal = sequence.about.get("signal")
            inputs += ["--signal", signal] if signal in ("centikelvin", "decikelvin", "counts") else []
        model = ["--model", self.model] if self.model else []
        rest = ["--no-http", "--quiet", "--set", f"source.rate_hz={rate_hz}"]
        return [self.binary, "track", *inputs, *model, "--init", box, *rest]

    def boxes(self, sequence, modality, folder):
        """Boxes [n, 4] and presence [n]. `folder`: see `pictures`."""
        command = self.command(sequence, modality, folder, sequence.about.get("fps", 30.0))
        with tempfile.TemporaryDirectory() as out:
            file = pathlib.Path(out) / "boxes.txt"
            run([*command, "--every", "--boxes", str(file), "--presence"])
            rows = np.loadtxt(file, delimiter=",", ndmin=2)
        if len(rows) != len(sequence.rows):
            raise SystemExit(f"{' '.join(command)}: {len(rows)} boxes, wanted {len(sequence.rows)}")
        return rows[:, :4], rows[:, 4]

    def times(self, sequence, modality, folder):
        """Milliseconds of the frames after the first, from a frame to its targets, by the clock on the wall. With --every
        results hold no times; at this rate it is given frames as fast as it takes them."""
        with tempfile.TemporaryDirectory() as out:
            file = pathlib.Path(out) / "results.ndjson"
            run([*self.command(sequence, modality, folder, 1000), "--ndjson", str(file)])
            lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [line["latency_us"]["infer"] / 1e3 for line in lines][1:]


def run(command):
    """Its inference is one thread; reading and writing have threads of their own, for which it gets all CPUs."""
    free = lambda: os.sched_setaffinity(0, range(os.cpu_count()))
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=free)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
