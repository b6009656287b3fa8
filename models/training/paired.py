"""Labels thermal pictures by the visible ones taken with them, for `heatmark eval`.

    python paired.py THERMAL VISIBLE [--out LABELS]

Two folders of pictures with the same names, each pair showing the same field of view, as cameras with both sensors
write them. A public face mesh (MediaPipe) finds 68 points on the visible faces; since the two lenses look from
different places, each face is moved by what makes the edges of the two pictures agree best. No network of ours takes
part. Writes NAME.txt beside each thermal picture (or to --out): YOLO boxes with 68 points. What the mesh does not find
has no label: look at the pictures before believing in a count of false faces. What was done is printed, with the
correlation of the edges.

Needs the packages of requirements-paired.txt, in an environment of their own.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

#: The vertex of MediaPipe's mesh at each iBUG-68 point.
MESH = [162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
        71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
        33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
        61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]

TURNS = (0, 45, 90, -45, -90)  # degrees by which a picture is turned to find tilted faces
WIDTH = 640  # px to which both pictures are brought for their edges
REACH = (8, 34)  # the most px by which lenses beside and above each other move a face
DOUBTED = 0.2  # correlation below which a face is moved as all of its picture
APART = 6  # px that faces of one picture may be moved differently


def meshes(picture):
    """68 points `[n, 68, 2]` px of the faces in a visible picture, RGB."""
    import mediapipe as mp

    height, width = picture.shape[:2]
    seen = []
    with mp.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.3) as detector:
        for turn in TURNS:
            there = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 0.8)
            back = cv2.invertAffineTransform(there)
            turned = cv2.warpAffine(picture, there, (width, height))
            for face in detector.process(turned).detections or []:
                b = face.location_data.relative_bounding_box
                centre = back @ ((b.xmin + b.width / 2) * width, (b.ymin + b.height / 2) * height, 1)
                seen.append((face.score[0], turn, centre, max(b.width * width, b.height * height) / 0.8))
    seen.sort(key=lambda face: -face[0])
    kept = []
    for face in seen:
        if all(np.hypot(*(face[2] - k[2])) > 0.6 * max(face[3], k[3]) for k in kept):
            kept.append(face)
    side, found = 400, []
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=False,
                                         min_detection_confidence=0.2) as mesh:
        for _, turn, centre, size in kept:
            there = cv2.getRotationMatrix2D(tuple(map(float, centre)), turn, side / (2.2 * size))
            there[:, 2] += side / 2 - centre
            faces = mesh.process(cv2.warpAffine(picture, there, (side, side))).multi_face_landmarks
            if faces:
                points = np.array([(faces[0].landmark[i].x * side, faces[0].landmark[i].y * side, 1) for i in MESH])
                found.append(points @ cv2.invertAffineTransform(there).T)
    return np.array(found).reshape(-1, len(MESH), 2)


def edges(channel, sigma):
    """Magnitude of the gradient, at most 1."""
    smooth = cv2.GaussianBlur(channel.astype(np.float32), (0, 0), sigma)
    size = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.minimum(size / (np.percentile(size, 97) + 1e-6), 1)


def agreement(visible, thermal, points):
    """How well edges agree, -1 to 1, where a face of `visible` (Lab) is moved on `thermal`, both `WIDTH` wide: a map
    whose middle stands for no move."""
    low, high = points.min(0), points.max(0)
    size, (cx, cy) = float((high - low).max()), (low + high) / 2
    height, width = thermal.shape
    x0, x1 = (int(np.clip(cx + k * size, 0, width)) for k in (-0.95, 0.95))
    y0, y1 = (int(np.clip(cy + k * size, 0, height)) for k in (-1.05, 0.85))
    sigma = max(1.2, size / 60)
    here = np.max([edges(visible[:, :, k], sigma) for k in range(3)], 0)[y0:y1, x0:x1]
    dx, dy = REACH
    there = np.pad(edges(thermal, sigma), ((dy, dy), (dx, dx)))[y0:y1 + 2 * dy, x0:x1 + 2 * dx]
    return cv2.matchTemplate(there, here, cv2.TM_CCOEFF_NORMED)


def moves(maps):
    """Of the maps of one picture's faces the moves, px, and how well the edges agree there: the best within `APART` of
    what suits all best, for lenses stand still and people stand at some distances."""
    both = np.sum(maps, 0)
    y, x = np.unravel_index(both.argmax(), both.shape)
    top, left = max(y - APART, 0), max(x - APART, 0)
    found = []
    for one in maps:
        near = one[top:y + APART + 1, left:x + APART + 1]
        i, j = np.unravel_index(near.argmax(), near.shape)
        if near[i, j] < DOUBTED:
            i, j = y - top, x - left
        found.append((np.array([left + j - REACH[0], top + i - REACH[1]], float), float(near[i, j])))
    return found


def lines(faces):
    """YOLO lines of faces `[n, 68, 2]` in shares of the picture."""
    out = []
    for p in np.clip(faces, -1, 2):
        low, high = np.clip(p.min(0), 0, 1), np.clip(p.max(0), 0, 1)
        out.append(" ".join(["0", *(f"{v:.5f}" for v in (*(low + high) / 2, *(high - low), *p.ravel()))]))
    return "\n".join(out) + "\n" if out else ""


def read(path, how):
    """A picture, or a plain error."""
    picture = cv2.imread(str(path), how)
    if picture is None:
        raise SystemExit(f"{path}: is not a picture")
    return picture


def label(thermal, visible):
    """The faces of a pair in shares of the picture, and `moves` of them."""
    points = meshes(cv2.cvtColor(visible, cv2.COLOR_BGR2RGB)) / visible.shape[1::-1]
    height = round(WIDTH * thermal.shape[0] / thermal.shape[1])
    heat = cv2.resize(thermal.astype(np.float32), (WIDTH, height), interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(heat, (2, 99.5))
    heat = np.clip((heat - low) / max(high - low, 1e-6), 0, 1)
    lab = cv2.cvtColor(cv2.resize(visible, (WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2LAB)
    found = moves([agreement(lab, heat, p * (WIDTH, height)) for p in points]) if len(points) else []
    return [p + m / (WIDTH, height) for p, (m, _) in zip(points, found)], found


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
        grey = read(thermal, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        faces, found = label(grey, read(visible, cv2.IMREAD_COLOR))
        (out / f"{thermal.stem}.txt").write_text(lines(faces))
        said = ", ".join(f"moved by {x:+.0f} {y:+.0f} of {WIDTH} px ({agreed:.2f})" for (x, y), agreed in found)
        print(f"{thermal.name}: {len(faces)} faces{': ' if len(faces) else ''}{said}")


if __name__ == "__main__":
    main()
