"""How long does a frame take? One thread, one CPU, all trackers by turns, crops and decoding included."""

import datetime
import os
import pathlib
import tempfile

import numpy as np

import following
import ours
import report
import sequences

ROUNDS = 2


def measure(folders, given, ready, own):
    """The times of a set."""
    load, cpus = os.getloadavg()[0], os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    times, frames = {}, 0
    for folder in folders:
        sequence = sequences.Sequence(folder, given.limit)
        frames += len(sequence.rows)
        wanted = [(peer, m) for peer in ready for m in sequence.modalities if m in given.modalities]
        with tempfile.TemporaryDirectory() as pictures:
            ours.pictures(sequence, pathlib.Path(pictures))
            # Some frames that do not count.
            following.follow(sequences.Sequence(folder, 10), wanted)
            for _ in range(ROUNDS):
                for run in following.follow(sequence, wanted):
                    times.setdefault((run.peer.name, run.modality), []).extend(run.times)
                for tracker in own:
                    for m in ours.modalities(sequence):
                        times.setdefault((tracker.name, m), []).extend(tracker.times(sequence, m, pathlib.Path(pictures)))
        print(f"times: {sequence.name}, {len(sequence.rows)} frames", flush=True)
    os.sched_setaffinity(0, cpus)
    return {
        "date": datetime.date.today().isoformat(), "machine": report.machine(), "load": round(load, 1),
        "sequences": [f.name for f in folders], "frames": frames * ROUNDS,
        "rows": [{"tracker": tracker, "modality": m, "least": min(t), "median": float(np.median(t))}
                 for (tracker, m), t in times.items()],
    }
