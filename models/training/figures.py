"""Pictures of the reports: error curves, errors by region, examples good and bad."""

import cv2
import matplotlib
import numpy as np

from metrics import each_point
from points import GROUPS

matplotlib.use("Agg")

#: Side of an example, px.
SIDE = 192


def errors(points, truth):
    """Errors `[n, 70]` in percent of the face size, of points and truth `[n, 70, 2]`."""
    return 100 * each_point(points, truth)


def share(each, limits):
    """Percent of the faces whose mean error is at most each of `limits`, of errors `[n, 70]`."""
    nme = np.sort(each.mean(1))
    return 100 * np.searchsorted(nme, limits, side="right") / max(len(nme), 1)


def curves(path, named):
    """Cumulative error curves; `named`: name to the errors `[n, 70]` of each seed."""
    from matplotlib import pyplot as plt

    limits = np.linspace(0, 12, 121)
    figure, axes = plt.subplots(figsize=(6.5, 4))
    for name, runs in named.items():
        axes.plot(limits, np.mean([share(each, limits) for each in runs], 0), label=name, linewidth=1.2)
    axes.axvline(8, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="mean error of a face, % of its size", ylabel="faces within it, %", xlim=(0, 12), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def regions(path, named):
    """Mean error by region; `named` as for `curves`."""
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


def example(image, points, truth, text):
    """One crop enlarged: truth as green rings, the answer as red dots. Points in crop units."""
    grey = np.clip((image[0] + 1) * 127.5, 0, 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
    place = lambda p: tuple(int(v) for v in np.clip((p + 1) / 2 * SIDE, -SIDE, 2 * SIDE))
    for p in truth:
        cv2.circle(picture, place(p), 2, (60, 200, 60), 1, cv2.LINE_AA)
    for p in points:
        cv2.circle(picture, place(p), 1, (40, 40, 255), -1, cv2.LINE_AA)
    cv2.putText(picture, text, (4, SIDE - 6), cv2.FONT_HERSHEY_PLAIN, 1, (0, 255, 255), 1, cv2.LINE_AA)
    return picture


def examples(path, images, points, truth, columns=8):
    """Three rows: the best faces, those around the median, the worst."""
    each = errors(points, truth).mean(1)
    order, middle = np.argsort(each), max(len(each) // 2 - columns // 2, 0)
    rows = [order[:columns], order[middle:middle + columns], order[-columns:]]
    cv2.imwrite(str(path), np.vstack([
        np.hstack([example(images[i], points[i], truth[i], f"{each[i]:.1f} %") for i in row]) for row in rows]))
