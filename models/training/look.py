"""Draws what a landmark model (and a detector) sees on grey pictures. For looking only.

    python look.py MODEL.onnx picture.png --box 120,60,300,250 --box ... --out seen.png
    python look.py MODEL.onnx pictures/*.png --detector DETECTOR.onnx --out seen.png
"""

import argparse
import math

import cv2
import numpy as np
import onnxruntime as ort
import torch

import crop
from detect import decode
from nets import tally
from points import COUNT, RIGHT_EYE, LEFT_EYE, box

LINES = [(0, 16, 0), (17, 21, 0), (22, 26, 0), (27, 30, 0), (31, 35, 0), (36, 41, 1), (42, 47, 1), (48, 59, 1), (60, 67, 1)]


def session(path):
    """An onnxruntime session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def channels(net):
    """Planes that a model reads."""
    return net.get_inputs()[0].shape[1]


def landmarks(net, frame, face, rounds, floor):
    """Points in frame px, expected errors in px, presence: crops again around its own answer."""
    centre, half = crop.from_box(face)
    turn = 0.0
    for _ in range(rounds):
        x = crop.landmark_input(frame, centre, half, turn, floor)
        votes, presence = net.run(None, {"image": x[None, :channels(net)]})
        out = tally(torch.from_numpy(votes).permute(0, 3, 1, 2)).numpy()
        points = crop.to_frame(out[0, :, :2].astype(np.float64), centre, half, turn)
        error = np.exp(out[0, :, 2]) * half
        eyes = points[LEFT_EYE].mean(0) - points[RIGHT_EYE].mean(0)
        centre, half = crop.from_box(box(points))
        turn = float(np.clip(math.atan2(eyes[1], eyes[0]), -0.7, 0.7)) if np.hypot(*eyes) > 0.25 * half else 0.0
    return points, error, 1 / (1 + math.exp(-float(presence[0, 0])))


def find(net, frame, floor, threshold):
    """Face boxes in frame px with scores."""
    x, (s, x0, y0) = crop.detector_input(frame, floor)
    heat, geom = net.run(None, {"image": x[None, :channels(net)]})
    boxes, _, scores = decode(heat[0, 0], geom[0], threshold)
    return boxes * s + [x0, y0, x0, y0], scores


def draw(picture, points, error, presence, face, zoom):
    """Paints one face, green where sure, red where not."""
    p = (points * zoom).astype(int)
    relative = error / max(np.ptp(points, 0).max(), 1)
    for a, b, closed in LINES:
        cv2.polylines(picture, [p[a:b + 1]], bool(closed), (150, 120, 0), 1, cv2.LINE_AA)
    for k in range(COUNT):
        sure = float(np.clip(1 - relative[k] / 0.15, 0, 1))
        cv2.circle(picture, tuple(int(v) for v in p[k]), 1 + (zoom > 2), (0, int(255 * sure), int(255 * (1 - sure))), -1, cv2.LINE_AA)
    x0, y0, x1, y1 = (int(v * zoom) for v in face)
    cv2.rectangle(picture, (x0, y0), (x1, y1), (200, 200, 0), 1)
    cv2.putText(picture, f"{presence:.2f}", (x0, y0 - 3), cv2.FONT_HERSHEY_PLAIN, 1, (0, 255, 255), 1)


def close_up(grey, face, points, error, presence):
    """One face enlarged, 320 x 320."""
    centre, half = crop.from_box(face, 2.0)
    zoom = 160 / half
    view = crop.resample(grey.astype(np.float32), centre, half, 0.0, 320)
    picture = cv2.cvtColor(np.clip(view, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    corner = centre - half
    draw(picture, points - corner, error, presence, np.asarray(face) - [*corner, *corner], zoom)
    return picture


def main():
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("pictures", nargs="+")
    p.add_argument("--detector")
    p.add_argument("--score", type=float, default=0.35)
    p.add_argument("--box", action="append", default=[], help="x0,y0,x1,y1 around the face's points, px")
    p.add_argument("--rounds", type=int, default=2, help="crops again around its own points")
    p.add_argument("--zoom", type=int, default=2)
    p.add_argument("--faces", action="store_true", help="show the faces enlarged instead of the pictures")
    p.add_argument("--out", required=True)
    args = p.parse_args()
    net, finder = session(args.model), session(args.detector) if args.detector else None
    sheets = []
    for path in args.pictures:
        grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise SystemExit(f"{path}: not a picture")
        frame = grey.astype(np.float32)
        boxes = [[float(v) for v in b.split(",")] for b in args.box]
        if finder:
            found, scores = find(finder, frame, crop.FLOOR["grey"], args.score)
            print(path, [(np.round(b).astype(int).tolist(), round(float(s), 2)) for b, s in zip(found, scores)])
            boxes += found.tolist()
        seen = [(face, landmarks(net, frame, face, args.rounds, crop.FLOOR["grey"])) for face in boxes]
        if args.faces:
            sheets += [close_up(grey, face, *answer) for face, answer in seen]
            continue
        picture = cv2.cvtColor(cv2.resize(grey, None, fx=args.zoom, fy=args.zoom, interpolation=cv2.INTER_CUBIC),
                               cv2.COLOR_GRAY2BGR)
        for face, answer in seen:
            draw(picture, *answer, face, args.zoom)
        sheets.append(picture)
    if args.faces:
        sheets += [np.zeros((320, 320, 3), np.uint8)] * (-len(sheets) % 5)
        rows = [np.hstack(sheets[i:i + 5]) for i in range(0, len(sheets), 5)]
    else:
        width = max(s.shape[1] for s in sheets)
        rows = [cv2.copyMakeBorder(s, 0, 4, 0, width - s.shape[1], cv2.BORDER_CONSTANT) for s in sheets]
    cv2.imwrite(args.out, np.vstack(rows))


if __name__ == "__main__":
    main()
