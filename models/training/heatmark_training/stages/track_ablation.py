"""Stage `track-ablation`: what each part of the one-stream tracker and of its distillation brings, in several seeds.

All rows have the same data and the same number of steps. Writes to the output folder `ablation.json` (every finished run;
a repeated command skips these), `report.md`, `ablation.png` and the folders of the runs. Rows whose teachers are not given
are left out. Two processes may share the folder, each with seeds or rows of its own. Every run is judged by following
targets in held-out sequences, see `track_evaluate`.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .. import track_losses as losses
from ..device import DEVICE
from ..pretrained import read_checkpoint
from ..track_branches import TwoBranches
from ..track_evaluate import TorchPredictor, follow_all, summary
from ..track_networks import MERGES, MODES, Crops, Tracker, track_mflop
from ..track_report import Entry, write_report
from ..track_samples import SampleOptions, TrackBatch, TrackSource
from ..track_sequences import Sequence, TrackSets, describe_sets
from ..track_task import LAYOUT, Inputs
from ..train_loop import Budget, Run, Step, train
from .track import supervised_step
from .track_distillation import (DistilledStudent, Weights, alone_by_turns, distilling_step, in_visible, load_tracker,
                                 one_modality, parse_weights)

#: The row that others are compared with, and the one with everything.
BASE, ALL = "none", "all"
TERMS = Weights._fields
#: Terms of the two branches: those of CKD.
CKD = ("style", "content", "mask")
#: Most held-out sequences, real clips, and frames of a real clip.
SEQUENCES, CLIPS, CLIP_FRAMES = 60, 24, 100


class Row(NamedTuple):
    """A variant. `terms` None: trained with one modality alone; `network`: where the modalities meet
    (`track_networks.MERGES`), or two branches; `options`: of the samples; `against`: the row that it is compared with."""

    title: str
    terms: tuple[str, ...] | None = ()
    modes: tuple[str, ...] = MODES
    network: str = "quarter"
    teacher: str = "teacher"
    options: Mapping[str, float] = MappingProxyType({})
    real: bool = True
    against: str = BASE


ROWS = {
    "visible": Row("visible only", None, ("visible",)),
    "thermal": Row("thermal only", None, ("thermal",)),
    "early": Row("early concatenation, no distillation (merge at 1/1)", network="input"),
    BASE: Row("one stream, no distillation"),
    **{term: Row(f"+ {term}", (term,)) for term in TERMS},
    ALL: Row("all terms", TERMS),
    "plain": Row("all terms, teacher without prompts", TERMS, teacher="plain_teacher", against=ALL),
    "eighth": Row("merge at 1/8, no distillation", network="eighth"),
    "branches": Row("two branches, CKD", CKD, network="branches"),
    "elimination": Row("two branches, CKD, joint elimination", CKD, network="elimination", against="branches"),
    "no-misregistration": Row("all terms minus misregistration", TERMS, options={"misregistration": 0.0}, against=ALL),
    "no-absent": Row("all terms minus absent samples", TERMS, options={"absent": 0.0}, against=ALL),
    "no-real": Row("all terms minus the real share", TERMS, real=False, against=ALL),
}


def chosen(text: str | None) -> dict[str, Row]:
    """The rows that `--rows` names."""
    names = [n.strip() for n in text.split(",")] if text else list(ROWS)
    if unknown := [n for n in names if n not in ROWS]:
        raise SystemExit(f"--rows {', '.join(unknown)}: choose from {', '.join(ROWS)}")
    return {n: row for n, row in ROWS.items() if n in names}


def lacking(row: Row, args: argparse.Namespace, weights: Weights) -> str | None:
    """Why a row cannot be run."""
    needed = []
    if {"response", "feature"} & set(row.terms or ()):
        needed.append(row.teacher)
    if "content" in (row.terms or ()):
        needed += ["thermal_teacher", "visible_teacher"]
    if not row.real:
        needed.append("real")
    if missing := [f"--{n.replace('_', '-')}" for n in needed if not getattr(args, n)]:
        return f"it needs {', '.join(missing)}"
    if row.terms and not any(getattr(weights, term) for term in row.terms):
        return "--terms gives it no weight"
    return None


def branches_step(singles: dict[str, Tracker], weights: Weights, seed: int) -> Step:
    """The step of two branches: as `distilling_step`, with the terms of CKD between the branches."""
    generator = torch.Generator().manual_seed(seed)
    turn = [0]

    def step(net: DistilledStudent, batch: TrackBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        inputs = Inputs(batch)
        student, paired = net.student, inputs.paired()
        if paired.stop == paired.start:
            return supervised_step(student, batch, progress)
        hidden = losses.mask(inputs.rows, student.trunk.stride, generator).to(DEVICE) if weights.mask else None
        visible, thermal, maps, presence = student.look(inputs.template, inputs.search, hidden)
        loss, values = losses.tracking(maps, presence, inputs.truth)
        rows, modes = alone_by_turns(paired, turn[0], False)
        turn[0] += 1
        template, search, truth = one_modality(inputs, modes[0], rows)
        loss = (loss + losses.tracking(*student(template, search), truth)[0]) / 2
        terms: dict[str, Tensor] = {}
        if weights.style:
            terms["style"] = torch.stack([losses.style(v[in_visible(inputs, paired)], t[paired])
                                          for v, t in zip(visible, thermal)]).sum()
        if weights.content:
            each = []
            for mode, mine in (("thermal", thermal[-1]), ("visible", visible[-1])):
                with torch.no_grad():
                    theirs = singles[mode].trunk(*Crops(inputs.search.visible, inputs.search.thermal).mode(mode))
                each.append(losses.content(net.content[mode](mine), theirs))
            terms["content"] = torch.stack(each).mean()
        for name, value in terms.items():
            loss = loss + getattr(weights, name) * value
        return loss, {**values, **{k: float(v.detach()) for k, v in terms.items()}}

    return step


def spaced(sequences: list[Sequence], most: int) -> list[Sequence]:
    """At most so many sequences, evenly over their names."""
    ordered = sorted(sequences, key=lambda s: (s.folder.parent.name, s.name))
    return [ordered[k] for k in np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).astype(int))]


class Judge:
    """Follows targets in held-out sequences: SR, NPR (percent) and the AUROC of presence, by mode, and of real clips."""

    def __init__(self, held: list[Sequence], real: list[Sequence], frames: int) -> None:
        self.held, self.frames = spaced(held, SEQUENCES), frames
        self.real = spaced([s for s in real if "thermal" in s.modalities], CLIPS)

    def __call__(self, net: nn.Module, modes: tuple[str, ...]) -> dict[str, float]:
        """Metrics of a tracker in some modes."""
        predictor = TorchPredictor(net)
        parts = [(mode, mode, self.held, self.frames) for mode in modes]
        if "thermal" in modes:
            parts.append(("real", "thermal", self.real, CLIP_FRAMES))
        out = {}
        for name, mode, sequences, frames in parts:
            usable = [s for s in sequences if mode in s.modalities or mode == "both" and len(s.modalities) == 2]
            if usable:
                found = summary(follow_all(predictor, usable, mode, frames))
                out |= {f"{name}_{k}": round(v, 4) for k in ("sr", "npr", "auroc")
                        if np.isfinite(v := found.get(k, np.nan))}
        return out


class Data(NamedTuple):
    """The sequences of all runs."""

    synthetic: TrackSets
    real: TrackSets | None
    held: list[Sequence]


def read_data(args: argparse.Namespace) -> Data:
    """The sequences of --sets, --real and --held."""
    synthetic = TrackSets(args.sets, limit=args.limit)
    if not synthetic.training:
        raise SystemExit(f"no set with meta.json matches {args.sets}")
    held = synthetic.held_out
    if args.held:
        apart = TrackSets(args.held)
        if both := {f.resolve() for f in apart.folders} & {f.resolve() for f in synthetic.folders}:
            raise SystemExit(f"--held: {', '.join(f.name for f in both)} is among --sets")
        held = apart.training + apart.held_out
        if not held:
            raise SystemExit(f"no set with meta.json matches {args.held}")
    return Data(synthetic, TrackSets(args.real, real=True, limit=args.limit) if args.real else None, held)


class Teachers:
    """The frozen networks of the options, read once."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.nets: dict[str, Any] = {}
        #: What the store keeps of them, by option.
        self.about: dict[str, dict[str, Any]] = {}
        for name in ("teacher", "plain_teacher", "thermal_teacher", "visible_teacher"):
            if path := getattr(args, name):
                self.nets[name] = load_tracker(path, "teacher" if name in ("teacher", "plain_teacher") else "single")
                about = read_checkpoint(path)["describe"]
                if name == "plain_teacher" and about.get("prompts", True):
                    raise SystemExit(f"{path}: this teacher has prompts; --plain-teacher wants track-teacher --no-prompts")
                self.about[name] = {k: about.get(k) for k in ("size", "steps", "batch")}

    def singles(self) -> dict[str, Tracker]:
        """The trackers of one modality."""
        return {m: self.nets[f"{m}_teacher"] for m in ("thermal", "visible")}


def build(row: Row, size: str, teachers: Teachers, weights: Weights, seed: int) -> tuple[nn.Module, Tracker, Step]:
    """What is trained, the tracker within it, and its step."""
    torch.manual_seed(seed)
    two = row.network not in MERGES
    student = TwoBranches(size, row.network == "elimination") if two else Tracker(size, row.network)
    if row.terms is None:
        return student, student, supervised_step
    weights = Weights(**{t: getattr(weights, t) if t in row.terms else 0.0 for t in TERMS})
    singles = teachers.singles() if weights.content else {}
    if two:
        return DistilledStudent(student, None, singles), student, branches_step(singles, weights, seed)
    guide = teachers.nets[row.teacher] if weights.response or weights.feature else None
    return DistilledStudent(student, guide, singles), student, distilling_step(guide, singles, weights, seed)


def run_row(args: argparse.Namespace, key: str, seed: int, data: Data, teachers: Teachers, weights: Weights,
            judge: Judge) -> dict[str, float]:
    """Trains and judges one row with one seed."""
    row = ROWS[key]
    net, student, step = build(row, args.size, teachers, weights, seed)
    mode = row.modes[0]
    mflop = track_mflop(student, mode)
    real = data.real if row.real else None
    source = TrackSource(data.synthetic, real, args.real_share if real else 0.0, SampleOptions(**row.options), row.modes)
    # Other commands load trackers of one stream only.
    task = "tracker" if row.network in MERGES else "tracker-branches"
    about = {"task": task, "size": args.size, "merge_at": row.network, "seed": seed, "batch": args.batch, "lr": args.lr,
             "muon_lr": args.muon_lr, "stage": args.stage, "row": key, **describe_sets(source.sets)}
    _, trained = train(net, Run(Path(args.out) / f"{key}-{seed}", True), Budget(args.steps),
                       lambda rng: source.batch(args.batch, rng), step, lambda _: {}, seed, args.lr, about,
                       every=args.every, prefetch=not args.inline, precision=args.precision, muon_lr=args.muon_lr,
                       layout=LAYOUT)
    return judge(trained.student if isinstance(trained, DistilledStudent) else trained, row.modes) | {
        "mflop": round(mflop, 2)}


def paragraphs(setting: dict[str, Any], teachers: dict[str, dict[str, Any]]) -> list[str]:
    """What the report says before its table."""
    made = "; ".join(f"{k.replace('_', ' ')}: {v['size']}, {v['steps']} steps of {v['batch']}"
                     for k, v in teachers.items())
    return [
        f"Size {setting['size']}, {setting['steps']} steps of {setting['batch']} samples for every row, from nothing; mean "
        "and standard deviation over seeds. SR, NPR (percent) and the AUROC of presence are those of whole sequences that "
        f"were not trained on ({setting['judged_by'][0]} rendered ones of at most {setting['frames']} frames, and "
        f"{setting['judged_by'][1]} real thermal clips of at most {CLIP_FRAMES}; the real ones show the same kinds of target "
        "as the real training clips, by the same cameras). MFLOP: of a frame, by the row's first mode.",
        "Rows of one stream or two branches see the paired samples of a batch once more with one modality alone, those "
        "without distillation too; the rows of one modality see each sample once. `+` rows have that term alone. A gain "
        "below the seeds' spread (the larger standard deviation of the two rows) is called within the spread; "
        "with three seeds one row in five that changes nothing exceeds it by chance, one in 24 twice it. Minus "
        "misregistration: the displacement that training adds; the rendered pairs keep their own. Joint elimination is an "
        "analogue: once, before the head.",
        f"Teachers: {made}." if made else "No teacher was given.",
    ]


def load_store(store: Path, setting: dict[str, Any], teachers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The finished runs of the same setting and teachers."""
    done = {"setting": setting, "teachers": {}, "runs": {}}
    if store.exists():
        done = json.loads(store.read_text())
    if done["setting"] != setting:
        differs = {k: (done["setting"].get(k), v) for k, v in setting.items() if done["setting"].get(k) != v}
        raise SystemExit(f"{store}: made with another setting (there, here): {differs}; use another --out")
    for name, about in teachers.items():
        if done["teachers"].setdefault(name, about) != about:
            raise SystemExit(f"{store}: its {name} was {done['teachers'][name]}, not {about}; use another --out")
    return done


def main(args: argparse.Namespace) -> None:
    """Runs what is missing."""
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    weights, rows = parse_weights(args.terms), chosen(args.rows)
    for key, row in list(rows.items()):
        if why := lacking(row, args, weights):
            print(f"skipped: {row.title}: {why}", flush=True)
            del rows[key]
    data, teachers = read_data(args), Teachers(args)
    judge = Judge(data.held, data.real.held_out if data.real else [], args.frames)
    setting = {"size": args.size, "steps": args.steps, "batch": args.batch, "lr": args.lr, "muon_lr": args.muon_lr,
               "real_share": args.real_share, "terms": weights._asdict(), "frames": args.frames,
               **describe_sets([s for s in (data.synthetic, data.real) if s]),
               "held": sorted({s.folder.parent.name for s in data.held}), "judged_by": [len(judge.held), len(judge.real)]}
    store = folder / "ablation.json"
    entries = [Entry(k, r.title, r.against) for k, r in ROWS.items()]
    done = load_store(store, setting, teachers.about)
    for seed in (int(s) for s in args.seeds.split(",")):
        for key, row in rows.items():
            if f"{key}/{seed}" in done["runs"]:
                continue
            print(f"row {row.title}, seed {seed}", flush=True)
            metrics = run_row(args, key, seed, data, teachers, weights, judge)
            # Another process may have finished runs meanwhile.
            done = load_store(store, setting, teachers.about)
            done["runs"][f"{key}/{seed}"] = metrics
            temporary = store.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(json.dumps(done, indent=1))
            temporary.replace(store)
            write_report(folder, entries, BASE, done["runs"], paragraphs(setting, done["teachers"]))
    if done["runs"]:
        write_report(folder, entries, BASE, done["runs"], paragraphs(setting, done["teachers"]))
        print((folder / "report.md").read_text())
