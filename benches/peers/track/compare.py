"""Trackers on the same boxes: how well does each follow? `run --help` tells the options, timing.py measures times."""

import datetime
import itertools
import json
import os
import pathlib
import subprocess
import tempfile

os.environ.update(OMP_NUM_THREADS="1", OPENCV_LOG_LEVEL="ERROR")

import cv2
import numpy as np

import following
import measures
import networks
import options
import ours
import peers
import report
import sequences
import timing


def late(sequence, ready, results):
    """Two trackers, one on each modality, and of both boxes the one with the higher score: what `results` holds
    already is put together, boxes in thermal pixels."""
    made = {}
    for peer in (p for p in ready if p.kind == "score"):
        thermal, visible = (results.get((peer.name, m)) for m in ("thermal", "visible"))
        if thermal and visible:
            first = (thermal[1] >= visible[1])[:, None]
            boxes = np.where(first, thermal[0], visible[0] * np.tile(sequence.scale(), 2))
            made[peer.name, "late"] = boxes, np.maximum(thermal[1], visible[1])
    return made


class Row:
    """How well one tracker followed on one modality of a set."""

    def __init__(self):
        self.scores, self.presence, self.seen = {}, [], []

    def add(self, name, boxes, presence, truths):
        self.scores[name] = measures.scores(boxes, truths)
        if presence is not None:
            # The first box is given.
            self.presence.append(presence[1:])
            self.seen.append(~np.isnan(truths[1:, 0]))

    def summary(self):
        counted = {name: s for name, s in self.scores.items() if s}
        made = {key: float(np.mean([s[key] for s in counted.values()])) for key in ("pr_20", "pr_5", "npr", "sr")}
        made["auroc"] = measures.auroc(np.concatenate(self.presence), np.concatenate(self.seen)) if self.presence else None
        made["sr_by_sequence"] = {name: round(s["sr"], 4) for name, s in counted.items()}
        return made


def place(folder, key, sequence):
    return folder / key[0] / key[1] / f"{sequence.name}.txt"


def save(file, boxes, presence):
    """The boxes as the field's toolkits read them; presence in a fifth column where there is one."""
    lines = [",".join(f"{v:.3f}" for v in box) for box in boxes]
    if presence is not None:
        lines = [f"{line},{p:.6f}" for line, p in zip(lines, presence)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def saved(file, count):
    """Boxes and presence of an earlier run; None where there are none of that many frames."""
    rows = np.loadtxt(file, delimiter=",", ndmin=2) if file.is_file() else []
    return (rows[:, :4], rows[:, 4] if rows.shape[1] > 4 else None) if len(rows) == count else None


def save_truths(folder, sequence):
    """The truths of the frames that count as plain folders, for `heatmark eval`."""
    for modality, truths in sequence.truths.items():
        file = folder / modality / sequence.name / sequences.TRUTHS[modality]
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = ["frame,x,y,w,h"]
        for i, box in enumerate(truths):
            lines.append(f"{i},,,," if np.isnan(box[0]) else f"{i}," + ",".join(map(repr, map(float, box))))
        file.write_text("\n".join(lines) + "\n")


def track(sequence, out, given, ready, own):
    """Boxes and presence of every tracker on every modality of a sequence: {(tracker, modality): result}."""
    wanted = [(peer, m) for peer in ready for m in sequence.modalities if m in given.modalities]
    results = {}
    if given.keep:
        kept = {(p.name, m): saved(place(out, (p.name, m), sequence), len(sequence.rows)) for p, m in wanted}
        results = {key: result for key, result in kept.items() if result}
    for run in following.follow(sequence, [(p, m) for p, m in wanted if (p.name, m) not in results]):
        results[run.peer.name, run.modality] = run.result()
    if "late" in given.modalities:
        results.update(late(sequence, ready, results))
    if own:
        with tempfile.TemporaryDirectory() as pictures:
            ours.pictures(sequence, pathlib.Path(pictures))
            for tracker, m in itertools.product(own, ours.modalities(sequence)):
                results[tracker.name, m] = tracker.boxes(sequence, m, pathlib.Path(pictures))
    for key, result in results.items():
        save(place(out, key, sequence), *result)
    save_truths(out / "truth", sequence)
    return results


def check(binary, out, rows):
    """The same scores by `heatmark eval`: the largest difference."""
    worst = 0.0
    for row in rows:
        side = "visible" if row["modality"] == "visible" or not (out / "truth" / "thermal").is_dir() else "thermal"
        boxes = out / row["tracker"] / row["modality"]
        command = [binary, "eval", "--track", str(out / "truth" / side), "--boxes", str(boxes), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        theirs = json.loads(done.stdout)["sets"][0]["overall"]
        for mine, its in (("pr_20", "pr"), ("pr_5", "pr_5"), ("npr", "npr"), ("sr", "sr")):
            worst = max(worst, abs(row[mine] - theirs[its]))
    return f"`heatmark eval` gives the same scores for {len(rows)} rows; the largest difference is {worst:.6f}."


def accuracy(folders, name, given, ready, own):
    """The results of a set, again after each sequence, so that a run that is cut short has results."""
    rows, out, frames, absent, classes = {}, given.out / name, 0, {}, {}
    for at, folder in enumerate(folders):
        sequence = sequences.Sequence(folder, given.limit)
        results = track(sequence, out, given, ready, own)
        for key, result in results.items():
            rows.setdefault(key, Row()).add(sequence.name, *result, sequence.truth(key[1]))
        frames += len(sequence.rows)
        if gone := int(np.isnan(sequence.truth("thermal")[:, 0]).sum()):
            absent[sequence.name] = gone
        classes.setdefault(sequence.about.get("class", ""), []).append(sequence.name)
        print(f"{name}: {at + 1} of {len(folders)}, {sequence.name}, {len(sequence.rows)} frames", flush=True)
        yield {
            "date": datetime.date.today().isoformat(), "limit": given.limit, "held_out": given.held_out,
            "sequences": at + 1, "asked_for": len(folders), "frames": frames, "absent": absent, "classes": classes,
            "kinds": {p.name: p.kind for p in ready} | {o.name: "score" for o in own},
            "rows": [{"tracker": key[0], "modality": key[1], **row.summary()} for key, row in rows.items()],
        }


def chosen(path, given):
    """The folders of a set that are asked for, the classes by turns: a run that is cut short has some of each."""
    folders = [f for f in sequences.find(path) if not given.held_out or sequences.is_held_out(f.name)]
    if not folders:
        raise SystemExit(f"{path}: no sequence's number ends in 3, 6 or 9")
    classes = {}
    for folder in folders:
        classes.setdefault(sequences.about(folder).get("class", ""), []).append(folder)
    for name, members in classes.items():
        n = min(given.sequences or len(members), len(members))
        classes[name] = [members[i] for i in np.linspace(0, len(members) - 1, n).round().astype(int)]
    turns = [f for turn in itertools.zip_longest(*classes.values()) for f in turn if f]
    never = [f for f in turns if not sequences.ever_seen(f)]
    if never:
        print(f"{path.name}: the target is never in view in {', '.join(f.name for f in never)}: left out", flush=True)
    return [f for f in turns if f not in never]


def write(file, made):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made, indent=1) + "\n")
    file.with_suffix(".md").write_text(report.text(made))


def main():
    given = options.arguments()
    cv2.setNumThreads(1)
    notes = []
    if given.models is None:
        given.models = options.ROOT / "target/peers/networks"
        if why := networks.fetch(given.models):
            notes.append(why)
    ready, missing = peers.all_peers(given.models, given.peers)
    own = []
    if why := ours.missing(given.heatmark):
        missing.append(f"heatmark is left out: {why}")
    else:
        own = [ours.Ours(given.heatmark, model) for model in given.heatmark_model or [None]]
    for note in notes + missing:
        print(note, flush=True)
    if given.self_test:
        import self_test
        return self_test.run(ready)
    made = json.loads(given.results.read_text()) if given.results.is_file() else {"sets": {}}
    made.update(schema="heatmark.peers-track/1", versions=report.versions())
    for path in given.sets:
        folders, name = chosen(path, given), path.resolve().name
        entry = made["sets"].setdefault(name, {})
        if given.time:
            entry["times"] = timing.measure(folders[:given.sequences], given, ready, own)
        else:
            for result in accuracy(folders, name, given, ready, own):
                entry.update(result, notes=missing, ours=ours.identity(given.heatmark) if own else None, check=None)
                write(given.results, made)
            if given.check:
                entry["check"] = check(given.heatmark, given.out / name, entry["rows"])
        write(given.results, made)
    print("\n" + report.text(made))


if __name__ == "__main__":
    main()
