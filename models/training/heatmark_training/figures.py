"""Figures of the reports: error curves, errors by region, examples good and bad."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from .landmark_set import GROUPS
from .metrics import point_errors

matplotlib.use("Agg")

#: Side of an example, px.
SIDE = 192

#: By name, the errors `[n, 70]` of each seed, percent.
Errors = dict[str, list[np.ndarray]]


def errors(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Errors `[n, 70]` in percent of the face size, of points and truth `[n, 70, 2]`."""
    return 100 * point_errors(points, truth)


def share_within(each: np.ndarray, limits: Sequence[float] | np.ndarray) -> np.ndarray:
    """Percent of the faces whose mean error is at most each of `limits`, of errors `[n, 70]`."""
    nme = np.sort(each.mean(1))
    return 100 * np.searchsorted(nme, limits, side="right") / max(len(nme), 1)


def curves(path: Path, named: Errors) -> None:
    """Cumulative error curves."""
    from matplotlib import pyplot as plt

    limits = np.linspace(0, 12, 121)
    figure, axes = plt.subplots(figsize=(6.5, 4))
    for name, runs in named.items():
        axes.plot(limits, np.mean([share_within(each, limits) for each in runs], 0), label=name, linewidth=1.2)
    axes.axvline(8, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="mean error of a face, % of its size", ylabel="faces within it, %", xlim=(0, 12), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def regions(path: Path, named: Errors) -> None:
    """Mean error by region."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4))
    width = 0.85 / max(len(named), 1)
    for i, (name, runs) in enumerate(named.items()):
        means = np.array([[each[:, index].mean() for index in GROUPS.values()] for each in runs])
        axes.bar(np.arange(len(GROUPS)) + i * width, means.mean(0), width, yerr=means.std(0), label=name, capsize=1.5)
    axes.set_xticks(np.arange(len(GROUPS)) + 0.43 - width / 2, list(GROUPS))
    axes.set_ylabel("mean error, % of the face size")
    axes.legend(fontsize=8, ncols=2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def example(image: np.ndarray, points: np.ndarray, truth: np.ndarray, text: str) -> np.ndarray:
    """One crop `[c, R, R]` enlarged: ground truth as green rings, predictions as red dots. Points `[70, 2]` in crop
    units."""
    grey = np.clip((image[0] + 1) * 127.5, 0, 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)

    def pixel(p: np.ndarray) -> tuple[int, ...]:
        return tuple(int(v) for v in np.clip((p + 1) / 2 * SIDE, -SIDE, 2 * SIDE))

    for p in truth:
        cv2.circle(picture, pixel(p), 2, (60, 200, 60), 1, cv2.LINE_AA)
    for p in points:
        cv2.circle(picture, pixel(p), 1, (40, 40, 255), -1, cv2.LINE_AA)
    cv2.putText(picture, text, (4, SIDE - 6), cv2.FONT_HERSHEY_PLAIN, 1, (0, 255, 255), 1, cv2.LINE_AA)
    return picture


def examples(path: Path, images: np.ndarray, points: np.ndarray, truth: np.ndarray, columns: int = 8) -> None:
    """Three rows: the best faces, those around the median, the worst; of images `[n, c, R, R]`, points and truth
    `[n, 70, 2]`."""
    each = errors(points, truth).mean(1)
    order, middle = np.argsort(each), max(len(each) // 2 - columns // 2, 0)
    rows = [order[:columns], order[middle:middle + columns], order[-columns:]]
    cv2.imwrite(str(path), np.vstack([
        np.hstack([example(images[i], points[i], truth[i], f"{each[i]:.1f} %") for i in row]) for row in rows]))
