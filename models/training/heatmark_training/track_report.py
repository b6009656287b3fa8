"""The report of `track-ablation`: a table, a sentence for every row, and a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np

matplotlib.use("Agg")

#: Metrics by finished run, `row/seed`.
Results = Mapping[str, Mapping[str, float]]
#: What a row is judged by: the first of these that it has.
JUDGED = {"both_sr": "SR", "thermal_sr": "SR, thermal", "visible_sr": "SR, visible"}
#: Columns of the table: metric, title, decimals.
COLUMNS = (("both_sr", "SR, both", 1), ("thermal_sr", "SR, thermal", 1), ("visible_sr", "SR, visible", 1),
           ("both_npr", "NPR, both", 1), ("both_auroc", "AUROC of presence, both", 3),
           ("real_sr", "SR, real clips, thermal", 1), ("mflop", "MFLOP", 0))


class Entry(NamedTuple):
    """A row of the report: its key in the results, its title, the key of the row that it is compared with in words."""

    key: str
    title: str
    against: str


class Gain(NamedTuple):
    """Difference of two rows' means over the seeds that both have, in points of a metric, and the seeds' spread: the larger
    standard deviation of the two; None with fewer than two seeds."""

    metric: str
    points: float
    spread: float | None

    def shown(self) -> bool:
        """Whether the difference exceeds the spread."""
        return self.spread is not None and abs(self.points) > self.spread


def by_seed(key: str, results: Results) -> dict[str, Mapping[str, float]]:
    """The finished runs of a row by seed."""
    split = ((k.rsplit("/", 1), v) for k, v in results.items())
    return {seed: v for (row, seed), v in split if row == key}


def judged(runs: Mapping[str, Mapping[str, float]]) -> str | None:
    """The metric that these runs are judged by."""
    return next((m for m in JUDGED if runs and all(m in r for r in runs.values())), None)


def gain(key: str, against: str, results: Results) -> Gain | None:
    """What a row gains over another; None where they have nothing in common."""
    mine, theirs = by_seed(key, results), by_seed(against, results)
    metric = judged(mine)
    seeds = [s for s in mine if metric and metric in theirs.get(s, {})]
    if key == against or not metric or not seeds:
        return None
    a, b = (np.array([runs[s][metric] for s in seeds]) for runs in (mine, theirs))
    spread = float(max(a.std(ddof=1), b.std(ddof=1))) if len(seeds) > 1 else None
    return Gain(metric, float(a.mean() - b.mean()), spread)


def cell(values: list[float], decimals: int) -> str:
    """Mean and standard deviation over seeds."""
    if not values:
        return "-"
    v = np.array(values)
    spread = v.std(ddof=1) if len(v) > 1 else 0.0
    return f"{v.mean():.{decimals}f} +- {spread:.{decimals}f}" if spread > 0 else f"{v.mean():.{decimals}f}"


def verdict(found: Gain | None) -> str:
    """The table's last cell."""
    if found is None:
        return "-"
    note = "one seed" if found.spread is None else "" if found.shown() else "within the spread"
    unit = "" if found.metric == "both_sr" else JUDGED[found.metric].removeprefix("SR, ")
    return ", ".join(part for part in (f"{found.points:+.1f}", unit, note) if part)


def sentence(entry: Entry, titles: Mapping[str, str], results: Results) -> str | None:
    """What a row says, in words."""
    found = gain(entry.key, entry.against, results)
    if found is None:
        return None
    start = (f"- **{entry.title}** {'gains' if found.points >= 0 else 'loses'} {abs(found.points):.1f} points of "
             f"{JUDGED[found.metric]} against *{titles[entry.against]}*")
    if found.spread is None:
        return f"{start}; with one seed that says little."
    if not found.shown():
        return f"{start}: within the seeds' spread of {found.spread:.1f}, so nothing is shown."
    return f"{start}; the seeds spread by {found.spread:.1f}."


def write_report(folder: Path, entries: list[Entry], base: str, results: Results, about: list[str]) -> None:
    """Writes `report.md` and `ablation.png` of the rows that have finished runs. `about`: paragraphs on top; `base`: the
    row that the last column compares with."""
    entries = [e for e in entries if by_seed(e.key, results)]
    titles = {e.key: e.title for e in entries}
    lines = ["# Ablation of the one-stream tracker", ""]
    for paragraph in about:
        lines += [paragraph, ""]
    heads = ["row", "seeds", *(title for _, title, _ in COLUMNS), f"gain over *{titles.get(base, base)}*"]
    lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for e in entries:
        runs = by_seed(e.key, results)
        cells = [cell([r[m] for r in runs.values() if m in r], decimals) for m, _, decimals in COLUMNS]
        lines.append("| " + " | ".join([e.title, str(len(runs)), *cells, verdict(gain(e.key, base, results))]) + " |")
    said = [s for e in entries if (s := sentence(e, titles, results))]
    lines += ["", *said, "", "![SR of every row](ablation.png)"]
    (folder / "report.md").write_text("\n".join(lines) + "\n")
    draw(folder / "ablation.png", entries, base, results)


def draw(path: Path, entries: list[Entry], base: str, results: Results) -> None:
    """Bars of every row's SR with the seeds' spread; rows of one modality are grey, the base row is a band."""
    from matplotlib import pyplot as plt

    bars = []
    for e in entries:
        runs = by_seed(e.key, results)
        if metric := judged(runs):
            v = np.array([r[metric] for r in runs.values()])
            colour = "#c05020" if metric == "both_sr" else "#909090"
            bars.append((e.key, e.title if metric == "both_sr" else f"{e.title} ({JUDGED[metric]})", v.mean(),
                         v.std(ddof=1) if len(v) > 1 else 0.0, colour))
    if not bars:
        return
    keys, titles, means, spreads, colours = zip(*bars)
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(bars) + 1.2))
    axes.barh(range(len(bars)), means, xerr=spreads, color=colours, capsize=3)
    if base in keys:
        mean, spread = means[keys.index(base)], spreads[keys.index(base)]
        axes.axvspan(mean - spread, mean + spread, color="#3060a0", alpha=0.25, linewidth=0, zorder=0)
        axes.axvline(mean, color="#3060a0", linewidth=1)
    low = min(m - s for m, s in zip(means, spreads))
    axes.set_xlim(max(0, low - 0.3 * (max(means) - low) - 1), None)
    axes.set_yticks(range(len(bars)), titles, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("SR of held-out sequences, % (the axis is cut)")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
