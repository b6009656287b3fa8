"""What thermal cameras do to a picture: optics, noise, gain control, 8-bit output, compression.

Every function works on one small f32 frame and a numpy Generator, and takes tens of microseconds.
"""

import cv2
import numpy as np

from .preprocess import FLOOR

#: Share of the frames that stay as they were rendered.
UNCHANGED_SHARE = 0.3

#: Normal numbers drawn once: a random window of them is as good as fresh ones, and 10 times cheaper.
NOISE_TABLE = np.random.default_rng(0).standard_normal(1 << 20, np.float32)


def simulate(image: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One frame as some camera delivers it (f32), and the `floor` of its normalisation.

    `image`: f32 centikelvin; `face`: box in its pixels, around which things happen. `UNCHANGED_SHARE` of the frames
    come from a healthy radiometric camera, for which the renderer's own sensor model is enough.
    """
    if rng.random() < UNCHANGED_SHARE:
        return np.ascontiguousarray(image, np.float32), FLOOR["centikelvin"]
    if rng.random() < 0.18:
        image = draw_objects(image, face, rng)
    image = add_noise(blur_and_shade(image, rng), rng)
    kind = rng.random()
    if kind < 0.38:
        floor = FLOOR["centikelvin"]
    elif kind < 0.5:
        image = image / np.float32(rng.uniform(2.0, 5.0))
        floor = FLOOR["counts"]
    else:
        image = to_eight_bit(image, face, rng)
        floor = FLOOR["grey"]
    if rng.random() < 0.06:
        image = -image
    return np.ascontiguousarray(image, np.float32), floor


def draw_objects(image: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws warm and cold objects in front of and beside the face, in place: discs, bars and boxes."""
    lo, hi = float(image.min()), float(image.max())
    size = face[2] - face[0] + face[3] - face[1]
    for _ in range(int(rng.integers(1, 3))):
        value = lo + (hi - lo) * rng.uniform(-0.2, 1.2)
        x = int(rng.uniform(face[0] - 0.4 * size, face[2] + 0.4 * size))
        y = int(rng.uniform(face[1] - 0.3 * size, face[3] + 0.4 * size))
        a, b = (max(1, int(size * rng.uniform(0.03, 0.25))) for _ in range(2))
        if rng.random() < 0.5:
            cv2.ellipse(image, (x, y), (a, b), rng.uniform(0, 180), 0, 360, value, -1)
        else:
            cv2.rectangle(image, (x - a, y - b), (x + a, y + b), value, -1)
    return image


def blur_and_shade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, motion blur and a smooth gradient over the frame."""
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.08:
        n = int(rng.integers(2, 5))
        kernel = np.zeros((n, n), np.float32)
        cv2.line(kernel, (0, int(rng.integers(0, n))), (n - 1, int(rng.integers(0, n))), 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if rng.random() < 0.4:
        h, w = image.shape
        u = (np.arange(w, dtype=np.float32) * (2 / w) - 1)[None]
        v = (np.arange(h, dtype=np.float32) * (2 / h) - 1)[:, None]
        spread = float(image.max() - image.min())
        a, b, c = (rng.normal(0, 0.08, 3) * spread).astype(np.float32)
        image = image + (a * u + c * u * u) + (b * v + c * v * v)
    return image


def gaussian(h: int, w: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Normal noise `[h, w]` f32."""
    at = int(rng.integers(0, NOISE_TABLE.size - h * w))
    return NOISE_TABLE[at:at + h * w].reshape(h, w) * np.float32(sigma)


def tail_percentiles(image: np.ndarray, tail: float) -> tuple[float, float]:
    """The two percentiles at `tail` and 1 - `tail`, from every 3rd row and column."""
    flat = image[::3, ::3].ravel()
    k = int(tail * (flat.size - 1))
    part = np.partition(flat, (k, flat.size - 1 - k))
    return float(part[k]), float(part[flat.size - 1 - k])


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Temporal noise, column and row stripes, a dead row."""
    lo, hi = tail_percentiles(image, 0.05)
    spread = max(hi - lo, 1.0)
    h, w = image.shape
    if rng.random() < 0.5:
        image = image + gaussian(h, w, spread * 0.05 * rng.random() ** 2, rng)
    if rng.random() < 0.3:
        image = image + gaussian(1, w, spread * rng.uniform(0, 0.04), rng)
        image += gaussian(h, 1, spread * rng.uniform(0, 0.02), rng)
    if rng.random() < 0.05:
        image[int(rng.integers(0, h))] = lo
    return image


def stretch(image: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """Linear from `lo`..`hi` to 0..255 with clipping."""
    return np.clip((image - lo) * (255.0 / max(hi - lo, 1e-3)), 0, 255)


def equalise_with_plateau(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Histogram equalisation with a plateau, mixed with the linear map; 0..255."""
    lo, hi = float(image.min()), float(image.max())
    flat = stretch(image, lo, hi)
    level = flat.astype(np.uint8)
    count = np.bincount(level.ravel(), minlength=256).astype(np.float32)
    # Things outside this cut-out take their share of the grey levels.
    for _ in range(int(rng.integers(0, 3))):
        centre, width = rng.uniform(0, 255), rng.uniform(4, 60)
        weight = np.exp(-(((np.arange(256) - centre) / width) ** 2)).astype(np.float32)
        count += weight / weight.sum() * image.size * rng.uniform(0, 2)
    count = np.minimum(count, image.size * rng.uniform(0.005, 0.1))
    total = np.cumsum(count)
    table = total * (255.0 / total[-1])
    share = rng.uniform(0, 0.5)
    return share * flat + (1 - share) * table[level]


def saturate(image: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A range too small for the scene: most of the face (or of the rest) becomes flat; 0..255."""
    x0, y0, x1, y1 = (int(max(v, 0)) for v in face)
    inside = image[y0:y1 + 1:2, x0:x1 + 1:2]
    inside = np.sort(inside.ravel()) if inside.size else np.sort(image.ravel())
    lo, hi = float(image.min()), float(image.max())
    cut = float(inside[int((inside.size - 1) * rng.uniform(0.15, 0.9))])
    span = max((hi - lo) * rng.uniform(0.25, 1.0), 1.0)
    return stretch(image, cut - span, cut) if rng.random() < 0.75 else stretch(image, cut, cut + span)


def enhance_local_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """CLAHE, or a compressed base layer with stronger detail; 0..255."""
    lo, hi = float(image.min()), float(image.max())
    flat = stretch(image, lo, hi)
    if rng.random() < 0.5:
        tiles = int(rng.integers(2, 6))
        clahe = cv2.createCLAHE(rng.uniform(1, 5), (tiles, tiles))
        return clahe.apply(flat.astype(np.uint8)).astype(np.float32)
    base = cv2.blur(flat, (2 * max(2, image.shape[1] // 8) + 1,) * 2)
    return np.clip(127 + (base - 127) * rng.uniform(0.2, 1) + (flat - base) * rng.uniform(1, 2.5), 0, 255)


def stretch_between_percentiles(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The linear gain control of most cameras; 0..255."""
    flat = np.sort(image[::2, ::2].ravel())
    n = flat.size - 1
    lo, hi = flat[int(n * rng.uniform(0, 0.12))], flat[int(n * (1 - rng.uniform(0, 0.12)))]
    if rng.random() < 0.4:  # the rest of the scene is warmer or colder than this cut-out
        spread = hi - lo
        lo, hi = lo - spread * rng.uniform(0, 1.5), hi + spread * rng.uniform(0, 1.5)
    return stretch(image, float(lo), float(hi))


def to_eight_bit(image: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A camera or file without radiometry: gain control, sharpening, gamma, 8 bits, JPEG; f32 of 0..255."""
    kind = rng.random()
    if kind < 0.35:
        out = stretch_between_percentiles(image, rng)
    elif kind < 0.55:
        out = saturate(image, face, rng)
    elif kind < 0.78:
        out = equalise_with_plateau(image, rng)
    else:
        out = enhance_local_contrast(image, rng)
    out = out.astype(np.float32)
    if rng.random() < 0.2:
        out = np.clip(out + (out - cv2.GaussianBlur(out, (0, 0), 1.0)) * rng.uniform(0.3, 1.5), 0, 255)
    if rng.random() < 0.5:
        out = 255.0 * (out / 255.0) ** np.float32(np.exp(rng.uniform(-0.8, 0.8)))
    out = np.rint(out).astype(np.uint8)
    if rng.random() < 0.4:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
        out = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    return out.astype(np.float32)
