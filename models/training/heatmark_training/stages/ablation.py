"""Stage `ablation`: which part of the distillation helps. Same data, steps and teacher for all.

Writes to the output folder `ablation.json` (every finished run; a repeated command skips these),
`report.md`, `ablation.png` (the table), `curves.png`, `regions.png` and `examples.png`. The budget is per run.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch

from .. import figures
from ..datasets import Shards
from ..landmark_samples import Batch, LandmarkSource
from ..landmark_task import LandmarkEvaluator, predict
from ..networks import Landmarker
from ..preprocess import INPUT_CHANNELS
from ..train_loop import Budget, Run, train
from .distillation import rgb_teacher, transfer_step

matplotlib.use("Agg")

#: Variants: name, parts of `transfer`.
VARIANTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "feature": ("feature",),
    "logit": ("logit",),
    "feature+logit": ("feature", "logit"),
    "forward": ("forward",),
    "reverse": ("reverse",),
    "both (DIKD)": ("feature", "logit", "forward", "reverse"),
}

#: Metrics by finished run, `variant/seed`.
Results = dict[str, dict[str, float]]


def report(folder: Path, results: Results, budget: str) -> None:
    """The table and the picture of all finished runs."""
    from matplotlib import pyplot as plt

    rows, names, means, spreads = [], [], [], []
    for name in VARIANTS:
        runs = [results[key] for key in runs_of(name, results)]
        if not runs:
            continue
        rows.append(f"| {name} | {len(runs)} | {cell(runs, 'nme')} | {cell(runs, 'hard_nme')} | "
                    f"{cell(runs, 'hard_five')} | {cell(runs, 'hard_fail8')} |")
        v = np.array([r["hard_nme"] for r in runs])
        names.append(name)
        means.append(v.mean())
        spreads.append(v.std(ddof=1) if len(v) > 1 else 0)
    head = ["# Ablation of the distillation", "",
            f"Synthetic held-out faces, percent of the face size (sqrt of the box area), {budget} per run; "
            "mean and standard deviation over seeds. Differences below the spread mean nothing.", "",
            "| variant | seeds | NME, clean | NME, cameras | five points, cameras | over 8 % |", "|---|---|---|---|---|---|"]
    tail = ["", "Cumulative error curves (`curves.png`) and errors by region (`regions.png`) are of the same faces through",
            "cameras, means over seeds; `examples.png` shows the best, the median and the worst faces of the last",
            "variant's first seed: ground truth as rings, predictions as dots."]
    (folder / "report.md").write_text("\n".join(head + rows + tail) + "\n")
    figure, axes = plt.subplots(figsize=(7, 0.5 * len(names) + 1.2))
    axes.barh(range(len(names)), means, xerr=spreads, color="#c05020", capsize=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("NME of held-out faces through cameras, %")
    figure.tight_layout()
    figure.savefig(folder / "ablation.png", dpi=120)
    plt.close(figure)


def cell(runs: list[dict[str, float]], metric: str) -> str:
    """A cell of the table: mean and standard deviation over seeds."""
    v = np.array([r[metric] for r in runs])
    return f"{v.mean():.2f} +- {v.std(ddof=1):.2f}" if len(v) > 1 else f"{v[0]:.2f}"


def runs_of(name: str, results: Results) -> list[str]:
    """Keys of the finished runs of a variant."""
    return [key for key in results if key.rsplit("/", 1)[0] == name]


def run_folder(folder: Path, key: str) -> Path:
    """The folder of a run."""
    return folder / key.replace(" ", "-").replace("/", "-")


def draw(folder: Path, results: Results, held_out: Batch) -> None:
    """The pictures of all finished runs; `held_out`: the faces that they predicted."""
    predictions = {}
    for name in VARIANTS:
        files = [run_folder(folder, key) / "points.npy" for key in runs_of(name, results)]
        if runs := [np.load(file) for file in files if file.exists()]:
            predictions[name] = runs
    if not predictions:
        return
    errors = {name: [figures.errors(points, held_out.points) for points in runs] for name, runs in predictions.items()}
    figures.curves(folder / "curves.png", errors)
    figures.regions(folder / "regions.png", errors)
    figures.examples(folder / "examples.png", held_out.image, predictions[list(predictions)[-1]][0], held_out.points)


def main(args: argparse.Namespace) -> None:
    """Runs what is missing."""
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "ablation.json"
    budget = f"{args.steps} steps" if args.steps else f"{args.minutes} minutes"
    setting = {"budget": budget, "size": args.size, "batch": args.batch, "lr": args.lr, "muon_lr": args.muon_lr,
               "data": args.data, "limit": args.limit}
    done = json.loads(store.read_text()) if store.exists() else {"setting": setting, "runs": {}}
    if done["setting"] != setting:
        raise SystemExit(f"{store}: made with {done['setting']}, not {setting}; use another --out")
    teacher = rgb_teacher(args.teacher, args.size)
    faces, scenes = Shards(args.data, args.limit), Shards(args.scenes) if args.scenes else None
    evaluator = LandmarkEvaluator(LandmarkSource(faces, scenes, rgb=True))
    for seed in (int(s) for s in args.seeds.split(",")):
        for name, parts in VARIANTS.items():
            key = f"{name}/{seed}"
            if key in done["runs"]:
                continue
            torch.manual_seed(seed)
            # RGB for all, so that all see the same crops.
            source = LandmarkSource(faces, scenes, rgb=True)
            run = Run(run_folder(folder, key), True)
            metrics, net = train(Landmarker(args.size), run, Budget(args.steps, args.minutes),
                                 partial(source.batch, args.batch),
                                 transfer_step(teacher, parts), evaluator, seed, args.lr,
                                 {"task": "face-landmarks", "size": args.size, "seed": seed, "channels": INPUT_CHANNELS},
                                 every=args.every, prefetch=not args.inline, precision=args.precision,
                                 muon_lr=args.muon_lr)
            np.save(run_folder(folder, key) / "points.npy", predict(net, evaluator.hard.image)[0][..., :2])
            done["runs"][key] = metrics
            temporary = store.with_suffix(".tmp")
            temporary.write_text(json.dumps(done, indent=1))
            temporary.replace(store)
            report(folder, done["runs"], budget)
    draw(folder, done["runs"], evaluator.hard)
    print((folder / "report.md").read_text())
