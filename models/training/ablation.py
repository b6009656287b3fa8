"""Stage `ablation`: which part of the distillation helps. Same data, steps and teacher for all.

Writes to the output folder `ablation.json` (every finished run; a repeated command skips these),
`report.md`, `ablation.png` (the table), `curves.png`, `regions.png` and `examples.png`. The budget is per run.
"""

import json
from pathlib import Path

import matplotlib
import numpy as np
import torch

import figures
from crop import PLANES
from data import Shards
from distil import transfer_step
from loop import Budget, Run, train
from nets import Landmarker
from sample import Source
from student import Judge, predict
from unfold import frozen

matplotlib.use("Agg")

VARIANTS = {
    "none": (),
    "feature": ("feature",),
    "logit": ("logit",),
    "feature+logit": ("feature", "logit"),
    "forward": ("forward",),
    "reverse": ("reverse",),
    "both (DIKD)": ("feature", "logit", "forward", "reverse"),
}


def report(folder, results, budget):
    """The table and the picture of all finished runs."""
    from matplotlib import pyplot as plt

    rows, names, means, spreads = [], [], [], []
    for name in VARIANTS:
        runs = [results[key] for key in runs_of(name, results)]
        if not runs:
            continue
        def cell(k):
            v = np.array([r[k] for r in runs])
            return f"{v.mean():.2f} +- {v.std(ddof=1):.2f}" if len(v) > 1 else f"{v[0]:.2f}"
        rows.append(f"| {name} | {len(runs)} | {cell('nme')} | {cell('hard_nme')} | {cell('hard_five')} | {cell('hard_fail8')} |")
        v = np.array([r["hard_nme"] for r in runs])
        names.append(name), means.append(v.mean()), spreads.append(v.std(ddof=1) if len(v) > 1 else 0)
    head = ["# Ablation of the distillation", "",
            f"Synthetic held-out faces, percent of the face size (sqrt of the box area), {budget} per run; "
            "mean and standard deviation over seeds. Differences below the spread mean nothing.", "",
            "| variant | seeds | NME, clean | NME, cameras | five points, cameras | over 8 % |", "|---|---|---|---|---|---|"]
    tail = ["", "Cumulative error curves (`curves.png`) and errors by region (`regions.png`) are of the same faces through",
            "cameras, means over seeds; `examples.png` shows the best, the middling and the worst faces of the last",
            "variant's first seed: truth as rings, answers as dots."]
    (folder / "report.md").write_text("\n".join(head + rows + tail) + "\n")
    figure, axes = plt.subplots(figsize=(7, 0.5 * len(names) + 1.2))
    axes.barh(range(len(names)), means, xerr=spreads, color="#c05020", capsize=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("NME of held-out faces through cameras, %")
    figure.tight_layout()
    figure.savefig(folder / "ablation.png", dpi=120)
    plt.close(figure)


def runs_of(name, results):
    """Keys of the finished runs of a variant."""
    return [key for key in results if key.rsplit("/", 1)[0] == name]


def place(folder, key):
    """The folder of a run."""
    return folder / key.replace(" ", "-").replace("/", "-")


def draw(folder, results, held):
    """The pictures of all finished runs; `held`: the faces that they answered."""
    answers = {}
    for name in VARIANTS:
        files = [place(folder, key) / "points.npy" for key in runs_of(name, results)]
        if runs := [np.load(file) for file in files if file.exists()]:
            answers[name] = runs
    if not answers:
        return
    named = {name: [figures.errors(points, held.points) for points in runs] for name, runs in answers.items()}
    figures.curves(folder / "curves.png", named)
    figures.regions(folder / "regions.png", named)
    figures.examples(folder / "examples.png", held.image, answers[list(answers)[-1]][0], held.points)


def main(args):
    """Runs what is missing."""
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "ablation.json"
    budget = f"{args.steps} steps" if args.steps else f"{args.minutes} minutes"
    setting = {"budget": budget, "size": args.size, "batch": args.batch, "rate": args.rate, "turn": args.turn,
               "data": args.data, "limit": args.limit}
    done = json.loads(store.read_text()) if store.exists() else {"setting": setting, "runs": {}}
    if done["setting"] != setting:
        raise SystemExit(f"{store}: made with {done['setting']}, not {setting}; use another --out")
    teacher, about = frozen(args.teacher)
    if about["size"] != args.size or about.get("channels", 1) != 3:
        raise SystemExit(f"{args.teacher}: an RGB teacher of size {args.size} is wanted")
    faces, scenes = Shards(args.data, args.limit), Shards(args.scenes) if args.scenes else None
    judge = Judge(Source(faces, scenes, colour=True))
    for seed in (int(s) for s in args.seeds.split(",")):
        for name, parts in VARIANTS.items():
            key = f"{name}/{seed}"
            if key in done["runs"]:
                continue
            torch.manual_seed(seed)
            source = Source(faces, scenes, colour=True)  # for all, so that all see the same crops
            run = Run(place(folder, key), True)
            metrics, net = train(Landmarker(args.size), run, Budget(args.steps, args.minutes),
                               lambda rng: source.batch(args.batch, rng), transfer_step(teacher, parts), judge,
                               seed, args.rate, {"task": "face-landmarks", "size": args.size, "seed": seed,
                                                "channels": PLANES},
                               every=args.every, prefetch=not args.inline, arithmetic=args.arithmetic, turn=args.turn)
            np.save(place(folder, key) / "points.npy", predict(net, judge.hard.image)[0][..., :2])
            done["runs"][key] = metrics
            temporary = store.with_suffix(".tmp")
            temporary.write_text(json.dumps(done, indent=1))
            temporary.replace(store)
            report(folder, done["runs"], budget)
    draw(folder, done["runs"], judge.hard)
    print((folder / "report.md").read_text())
