"""Labels thermal pictures from the visible ones taken with them, for `heatmark eval`.

    python -m heatmark_training.paired THERMAL VISIBLE [--out LABELS]

Two folders of pictures with the same names, each pair showing the same field of view, as cameras with both sensors
write them. A public face mesh (MediaPipe) finds 68 points on the visible faces; since the two lenses look from
different places, each face is shifted to where the edges of the two pictures agree best. No network of ours takes
part. Writes NAME.txt beside each thermal picture (or to --out): YOLO boxes with 68 points. Faces that the mesh misses
have no label: look at the pictures before trusting a count of false positives. The shifts are printed, with the
correlation of the edges.

Needs the packages of requirements-paired.txt, in an environment of their own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

#: The vertex of MediaPipe's mesh at each iBUG-68 point.
MESH = [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
        71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
        33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
        61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]

ANGLES = (0, 45, 90, -45, -90)  # degrees by which a picture is rotated to find tilted faces
WIDTH = 640  # px to which both pictures are resized for their edges
MAX_SHIFT = (8, 34)  # x, y, px: the most by which lenses beside and above each other displace a face
MIN_CORRELATION = 0.2  # below it, a face takes the common shift of its picture
MAX_DIFFERENCE = 6  # px by which shifts of faces of one picture may differ

#: A shift x, y, px, and the correlation of the edges there.
Shift = tuple[np.ndarray, float]


def mesh_points(picture: np.ndarray) -> np.ndarray:
    """68 points `[n, 68, 2]` px of the faces in a visible picture, RGB."""
    import mediapipe as mp

    height, width = picture.shape[:2]
    found = []
    with mp.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.3) as detector:
        for angle in ANGLES:
            rotation = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 0.8)
            back = cv2.invertAffineTransform(rotation)
            rotated = cv2.warpAffine(picture, rotation, (width, height))
            for face in detector.process(rotated).detections or []:
                b = face.location_data.relative_bounding_box
                centre = back @ ((b.xmin + b.width / 2) * width, (b.ymin + b.height / 2) * height, 1)
                found.append((face.score[0], angle, centre, max(b.width * width, b.height * height) / 0.8))
    found.sort(key=lambda face: -face[0])
    kept: list[tuple] = []
    for face in found:
        if all(np.hypot(*(face[2] - k[2])) > 0.6 * max(face[3], k[3]) for k in kept):
            kept.append(face)
    side, points = 400, []
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=False,
                                         min_detection_confidence=0.2) as mesh:
        for _, angle, centre, size in kept:
            crop = cv2.getRotationMatrix2D(tuple(map(float, centre)), angle, side / (2.2 * size))
            crop[:, 2] += side / 2 - centre
            faces = mesh.process(cv2.warpAffine(picture, crop, (side, side))).multi_face_landmarks
            if faces:
                p = np.array([(faces[0].landmark[i].x * side, faces[0].landmark[i].y * side, 1) for i in MESH])
                points.append(p @ cv2.invertAffineTransform(crop).T)
    return np.array(points).reshape(-1, len(MESH), 2)


def edges(channel: np.ndarray, sigma: float) -> np.ndarray:
    """Magnitude of the gradient, at most 1."""
    smooth = cv2.GaussianBlur(channel.astype(np.float32), (0, 0), sigma)
    size = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.minimum(size / (np.percentile(size, 97) + 1e-6), 1)


def edge_correlation(visible: np.ndarray, thermal: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Correlation of the edges, -1 to 1, where a face of `visible` (Lab) is shifted on `thermal`, both `WIDTH` wide: a
    map whose middle stands for no shift."""
    low, high = points.min(0), points.max(0)
    size, (cx, cy) = float((high - low).max()), (low + high) / 2
    height, width = thermal.shape
    x0, x1 = (int(np.clip(cx + k * size, 0, width)) for k in (-0.95, 0.95))
    y0, y1 = (int(np.clip(cy + k * size, 0, height)) for k in (-1.05, 0.85))
    sigma = max(1.2, size / 60)
    template = np.max([edges(visible[:, :, k], sigma) for k in range(3)], 0)[y0:y1, x0:x1]
    dx, dy = MAX_SHIFT
    area = np.pad(edges(thermal, sigma), ((dy, dy), (dx, dx)))[y0:y1 + 2 * dy, x0:x1 + 2 * dx]
    return cv2.matchTemplate(area, template, cv2.TM_CCOEFF_NORMED)


def choose_shifts(maps: list[np.ndarray]) -> list[Shift]:
    """The shift of each face of one picture, from their correlation maps: the best within `MAX_DIFFERENCE` of the best
    common shift, as the lenses are fixed and people stand at different distances."""
    total = np.sum(maps, 0)
    y, x = np.unravel_index(total.argmax(), total.shape)
    top, left = max(y - MAX_DIFFERENCE, 0), max(x - MAX_DIFFERENCE, 0)
    found = []
    for one in maps:
        near = one[top:y + MAX_DIFFERENCE + 1, left:x + MAX_DIFFERENCE + 1]
        i, j = np.unravel_index(near.argmax(), near.shape)
        if near[i, j] < MIN_CORRELATION:
            i, j = y - top, x - left
        found.append((np.array([left + j - MAX_SHIFT[0], top + i - MAX_SHIFT[1]], float), float(near[i, j])))
    return found


def yolo_lines(faces: Sequence[np.ndarray]) -> str:
    """YOLO lines of faces `[n, 68, 2]` in shares of the picture."""
    out = []
    for p in np.clip(np.asarray(faces), -1, 2):
        low, high = np.clip(p.min(0), 0, 1), np.clip(p.max(0), 0, 1)
        out.append(" ".join(["0", *(f"{v:.5f}" for v in (*(low + high) / 2, *(high - low), *p.ravel()))]))
    return "\n".join(out) + "\n" if out else ""


def read_picture(path: Path, flags: int) -> np.ndarray:
    """A picture, or a plain error. `flags`: of `cv2.imread`."""
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise SystemExit(f"{path}: is not a picture")
    return picture


def label(thermal: np.ndarray, visible: np.ndarray) -> tuple[list[np.ndarray], list[Shift]]:
    """The faces of a pair, each `[68, 2]` in shares of the picture, and their shifts."""
    points = mesh_points(cv2.cvtColor(visible, cv2.COLOR_BGR2RGB)) / visible.shape[1::-1]
    height = round(WIDTH * thermal.shape[0] / thermal.shape[1])
    heat = cv2.resize(thermal.astype(np.float32), (WIDTH, height), interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(heat, (2, 99.5))
    heat = np.clip((heat - low) / max(high - low, 1e-6), 0, 1)
    lab = cv2.cvtColor(cv2.resize(visible, (WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2LAB)
    found = choose_shifts([edge_correlation(lab, heat, p * (WIDTH, height)) for p in points]) if len(points) else []
    return [p + m / (WIDTH, height) for p, (m, _) in zip(points, found)], found


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m heatmark_training.paired",
                                     description=(__doc__ or "").splitlines()[0])
    parser.add_argument("thermal", type=Path)
    parser.add_argument("visible", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pairs = [(t, v) for t in sorted(args.thermal.iterdir()) for v in args.visible.glob(t.stem + ".*")
             if t.suffix.lower() != ".txt"]
    if not pairs:
        raise SystemExit(f"{args.thermal} and {args.visible}: no pictures of the same name")
    out = args.out or args.thermal
    out.mkdir(parents=True, exist_ok=True)
    for thermal, visible in pairs:
        grey = read_picture(thermal, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        faces, found = label(grey, read_picture(visible, cv2.IMREAD_COLOR))
        (out / f"{thermal.stem}.txt").write_text(yolo_lines(faces))
        shifts = ", ".join(f"shifted by {x:+.0f} {y:+.0f} of {WIDTH} px ({r:.2f})" for (x, y), r in found)
        print(f"{thermal.name}: {len(faces)} faces{': ' if len(faces) else ''}{shifts}")


if __name__ == "__main__":
    main()
