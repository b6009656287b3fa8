"""Draws the predictions of a landmark model (and a detector) on grey pictures, to look at.

    python -m heatmark_training.preview MODEL.onnx picture.png --box 120,60,300,250 --box ... --out preview.png
    python -m heatmark_training.preview MODEL.onnx pictures/*.png --detector DETECTOR.onnx --out preview.png
"""

import argparse
import math
from collections.abc import Sequence

import cv2
import numpy as np
import onnxruntime as ort
import torch

from .detection import decode
from .landmark_set import COUNT, LEFT_EYE, RIGHT_EYE, bounding_box
from .networks import soft_argmax
from .preprocess import FLOOR, crop_of_box, crop_to_frame, detector_input, landmark_input, resample

#: Contours: first and last point, whether closed.
LINES = [(0, 16, 0), (17, 21, 0), (22, 26, 0), (27, 30, 0), (31, 35, 0), (36, 41, 1), (42, 47, 1), (48, 59, 1), (60, 67, 1)]

#: Points `[70, 2]` px, expected errors `[70]` px, presence 0 to 1.
Prediction = tuple[np.ndarray, np.ndarray, float]


def session(path: str) -> ort.InferenceSession:
    """An onnxruntime session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def input_channels(net: ort.InferenceSession) -> int:
    """Channels of a model's input."""
    return net.get_inputs()[0].shape[1]


def landmarks(net: ort.InferenceSession, frame: np.ndarray, face: Sequence[float], rounds: int,
              floor: float) -> Prediction:
    """The prediction for a face box; from the second round on, the crop is around the last prediction."""
    centre, half = crop_of_box(face)
    angle = 0.0
    for _ in range(rounds):
        x = landmark_input(frame, centre, half, angle, floor)
        votes, presence = net.run(None, {"image": x[None, :input_channels(net)]})
        out = soft_argmax(torch.from_numpy(votes).permute(0, 3, 1, 2)).numpy()
        points = crop_to_frame(out[0, :, :2].astype(np.float64), centre, half, angle)
        error = np.exp(out[0, :, 2]) * half
        eyes = points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)
        centre, half = crop_of_box(bounding_box(points))
        angle = float(np.clip(math.atan2(eyes[1], eyes[0]), -0.7, 0.7)) if np.hypot(*eyes) > 0.25 * half else 0.0
    return points, error, 1 / (1 + math.exp(-float(presence[0, 0])))


def detect(net: ort.InferenceSession, frame: np.ndarray, floor: float,
           threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Face boxes `[n, 4]` in frame px with scores `[n]`."""
    x, (s, x0, y0) = detector_input(frame, floor)
    heat, geom = net.run(None, {"image": x[None, :input_channels(net)]})
    boxes, _, scores = decode(heat[0, 0], geom[0], threshold)
    return boxes * s + [x0, y0, x0, y0], scores


def draw(picture: np.ndarray, prediction: Prediction, face: Sequence[float] | np.ndarray, zoom: float) -> None:
    """Paints one face: green where certain, red where not."""
    points, error, presence = prediction
    p = (points * zoom).astype(int)
    relative = error / max(np.ptp(points, 0).max(), 1)
    for a, b, closed in LINES:
        cv2.polylines(picture, [p[a:b + 1]], bool(closed), (150, 120, 0), 1, cv2.LINE_AA)
    for k in range(COUNT):
        certain = float(np.clip(1 - relative[k] / 0.15, 0, 1))
        colour = (0, int(255 * certain), int(255 * (1 - certain)))
        cv2.circle(picture, tuple(int(v) for v in p[k]), 1 + (zoom > 2), colour, -1, cv2.LINE_AA)
    x0, y0, x1, y1 = (int(v * zoom) for v in face)
    cv2.rectangle(picture, (x0, y0), (x1, y1), (200, 200, 0), 1)
    cv2.putText(picture, f"{presence:.2f}", (x0, y0 - 3), cv2.FONT_HERSHEY_PLAIN, 1, (0, 255, 255), 1)


def close_up(grey: np.ndarray, face: Sequence[float], prediction: Prediction) -> np.ndarray:
    """One face enlarged, 320 x 320."""
    points, error, presence = prediction
    centre, half = crop_of_box(face, 2.0)
    zoom = 160 / half
    view = resample(grey.astype(np.float32), centre, half, 0.0, 320)
    picture = cv2.cvtColor(np.clip(view, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    corner = centre - half
    draw(picture, (points - corner, error, presence), np.asarray(face) - [*corner, *corner], zoom)
    return picture


def sheet(pictures: list[np.ndarray], close_ups: bool) -> np.ndarray:
    """All pictures in one: close-ups in rows of five, others below each other."""
    if close_ups:
        pictures = pictures + [np.zeros((320, 320, 3), np.uint8)] * (-len(pictures) % 5)
        rows = [np.hstack(pictures[i:i + 5]) for i in range(0, len(pictures), 5)]
    else:
        width = max(s.shape[1] for s in pictures)
        rows = [cv2.copyMakeBorder(s, 0, 4, 0, width - s.shape[1], cv2.BORDER_CONSTANT) for s in pictures]
    return np.vstack(rows)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m heatmark_training.preview", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures", nargs="+")
    p.add_argument("--detector")
    p.add_argument("--score", type=float, default=0.35)
    p.add_argument("--box", action="append", default=[], help="x0,y0,x1,y1 around the face's points, px")
    p.add_argument("--rounds", type=int, default=2, help="predictions per face, each on a crop around the last")
    p.add_argument("--zoom", type=int, default=2)
    p.add_argument("--faces", action="store_true", help="show the faces enlarged instead of the pictures")
    p.add_argument("--out", required=True)
    return p


def main() -> None:
    """Runs the command."""
    args = parser().parse_args()
    net, detector = session(args.model), session(args.detector) if args.detector else None
    pictures = []
    for path in args.pictures:
        grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise SystemExit(f"{path}: not a picture")
        frame = grey.astype(np.float32)
        boxes = [[float(v) for v in b.split(",")] for b in args.box]
        if detector:
            found, scores = detect(detector, frame, FLOOR["grey"], args.score)
            print(path, [(np.round(b).astype(int).tolist(), round(float(s), 2)) for b, s in zip(found, scores)])
            boxes += found.tolist()
        predictions = [(face, landmarks(net, frame, face, args.rounds, FLOOR["grey"])) for face in boxes]
        if args.faces:
            pictures += [close_up(grey, face, prediction) for face, prediction in predictions]
            continue
        picture = cv2.cvtColor(cv2.resize(grey, None, fx=args.zoom, fy=args.zoom, interpolation=cv2.INTER_CUBIC),
                               cv2.COLOR_GRAY2BGR)
        for face, prediction in predictions:
            draw(picture, prediction, face, args.zoom)
        pictures.append(picture)
    cv2.imwrite(args.out, sheet(pictures, args.faces))


if __name__ == "__main__":
    main()
