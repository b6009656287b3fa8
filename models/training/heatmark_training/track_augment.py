"""What cameras do to the crops of a tracker, and their normalisation: batches of crops, f32, in place."""

import cv2
import numpy as np

from . import track_preprocess as pre
from .sensor_model import NOISE_TABLE

#: Template and search crops of one modality.
Pair = tuple[np.ndarray, np.ndarray]


def column(values: np.ndarray) -> np.ndarray:
    """`[n]` as f32 `[n, 1, 1, 1]`."""
    return np.asarray(values, np.float32).reshape(-1, 1, 1, 1)


def some(rng: np.random.Generator, n: int, share: float, low: float, high: float) -> np.ndarray:
    """`[n]`: uniform numbers for a share of the samples, 0 for the others."""
    return np.where(rng.random(n) < share, rng.uniform(low, high, n), 0)


def noise_like(image: np.ndarray, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of a deviation per sample, from a window of the table for each sample."""
    out = np.empty_like(image)
    size = out[0].size
    for k, s in enumerate(sigma):
        at = int(rng.integers(0, NOISE_TABLE.size - size))
        np.multiply(NOISE_TABLE[at:at + size].reshape(out[k].shape), np.float32(s), out=out[k])
    return out


def limits(template: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`lo` and `span` of thermal templates `[n, 1, s, s]`: `track_preprocess.thermal_limits` of a batch."""
    sub = template[:, 0, ::2, ::2].reshape(len(template), -1)
    k = int(pre.THERMAL_TAIL * (sub.shape[1] - 1) + 0.5)
    top = int((1 - pre.THERMAL_TAIL) * (sub.shape[1] - 1) + 0.5)
    part = np.partition(sub, (k, top), axis=1)
    return part[:, k], np.maximum(part[:, top] - part[:, k], floor)


def soften(pair: Pair, rng: np.random.Generator) -> None:
    """Coarser resolution and blur, the same for both crops of a sample; motion blur of some search crops."""
    n = len(pair[0])
    for k in range(n):
        if rng.random() < 0.35:
            share = rng.uniform(0.2, 0.9)
            for crops in pair:
                _resize_there_and_back(crops[k], share)
        if rng.random() < 0.25:
            sigma = rng.uniform(0.4, 1.4)
            for crops in pair:
                for plane in crops[k]:
                    cv2.GaussianBlur(plane, (0, 0), sigma, dst=plane)
        if rng.random() < 0.08:
            length = int(rng.integers(3, 9))
            kernel = np.zeros((length, length), np.float32)
            ends = rng.integers(0, length, 2)
            cv2.line(kernel, (0, int(ends[0])), (length - 1, int(ends[1])), 1.0)
            if rng.random() < 0.5:
                kernel = kernel.T.copy()
            for plane in pair[1][k]:
                plane[:] = cv2.filter2D(plane, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _resize_there_and_back(image: np.ndarray, share: float) -> None:
    side = image.shape[1]
    small = max(6, round(side * share))
    for plane in image:
        less = cv2.resize(plane, (small, small), interpolation=cv2.INTER_AREA)
        plane[:] = cv2.resize(less, (side, side), interpolation=cv2.INTER_LINEAR)


def veil(image: np.ndarray, cover: np.ndarray, value: np.ndarray, rng: np.random.Generator) -> None:
    """Mixes samples with a smooth field around `value` `[n, c]`, by `cover` `[n]` 0..1 and uneven over the crop."""
    side = image.shape[2]
    for k in np.flatnonzero(cover):
        field = cv2.resize(rng.uniform(0, 1, (4, 4)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        share = np.clip(np.float32(cover[k]) * (0.7 + 0.6 * field), 0, 1)
        image[k] += (value[k][:, None, None].astype(np.float32) - image[k]) * share


def augment_thermal(template: np.ndarray, search: np.ndarray, floors: np.ndarray, rng: np.random.Generator,
                    disturb: bool) -> Pair:
    """Thermal crops `[n, 1, s, s]` as cameras deliver them, normalised. `floors` `[n, 2]`: least spans of the template's
    and the search crop's kind of signal; a foreign search crop is brought to the template's unit."""
    n = len(template)
    if not n:
        return template, search
    unit = floors[:, 0] / floors[:, 1]
    if (unit != 1).any():
        search *= column(unit)
    floor = floors[:, 0]
    if disturb:
        lo, span = limits(template, floor)
        soften((template, search), rng)
        gain = np.where(rng.random(n) < 0.5, np.exp(rng.normal(0, 0.15, n)), 1)
        offset = np.where(rng.random(n) < 0.5, rng.normal(0, 0.08, n), 0) * span
        search -= column(lo)
        search *= column(gain)
        search += column(lo + offset)
        lost = np.where(rng.random(n) < 0.04, rng.uniform(0.5, 1, n), 0)
        veil(search, lost, np.float32(lo + span * rng.uniform(0, 1, n))[:, None], rng)
        level = span * some(rng, n, 0.6, 0, 1) ** 2 * 0.08
        stripes = span * some(rng, n, 0.25, 0, 0.05)
        step = span * some(rng, n, 0.25, 0.01, 0.08)
        for image in (template, search):
            image += noise_like(image, level, rng)
            image += noise_like(image[:, :, :1], stripes, rng)
            for k in np.flatnonzero(step):
                image[k] = np.round(image[k] / step[k]) * step[k]
        inverted = rng.random(n) < 0.06
        template[inverted] *= -1
        search[inverted] *= -1
    lo, span = limits(template, floor)
    for image in (template, search):
        image -= column(lo)
        image /= column(span)
        np.clip(image, pre.LOW, pre.HIGH, out=image)
    return template, search


def augment_visible(template: np.ndarray, search: np.ndarray, rng: np.random.Generator, disturb: bool) -> Pair:
    """Visible crops `[n, 3, s, s]` 0..255 as cameras deliver them, normalised."""
    n = len(template)
    if not n:
        return template, search
    if disturb:
        soften((template, search), rng)
        dark = rng.random(n) < 0.12
        gain = np.where(dark, rng.uniform(0.03, 0.3, n), np.exp(rng.normal(0, 0.3, n)))
        cast = np.exp(rng.normal(0, 0.06, (n, 3))) * gain[:, None]
        later = np.exp(rng.normal(0, 0.12, n))
        level = np.where(dark, rng.uniform(1, 6, n), 8 * some(rng, n, 0.6, 0, 1) ** 2)
        smoke = np.where(rng.random(n) < 0.1, rng.uniform(0.4, 1.1, n), 0)
        veil(search, smoke, np.repeat(rng.uniform(20, 235, (n, 1)), 3, 1), rng)
        grey = rng.random(n) < 0.12
        for image, factor in ((template, cast), (search, cast * later[:, None])):
            image *= factor[:, :, None, None].astype(np.float32)
            image += noise_like(image, level, rng)
            image[grey] = image[grey].mean(1, keepdims=True)
            np.clip(image, 0, 255, out=image)
            np.round(image, out=image)
    mean = template.mean((1, 2, 3))
    deviation = template.std((1, 2, 3))
    scale = 0.25 / np.maximum(deviation, pre.VISIBLE_FLOOR)
    for image in (template, search):
        image -= column(mean)
        image *= column(scale)
        image += np.float32(0.5)
        np.clip(image, pre.LOW, pre.HIGH, out=image)
    return template, search
