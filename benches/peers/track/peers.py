"""The peers: trackers of one picture. Each is started with a box and then answers one picture at a time.

`start(picture, box)`; `step(picture)` gives the box and a score. A box is left, top, width, height in pixels, and the
picture 8-bit BGR. The score is None where the tracker gives none; a flag (0 or 1) is marked by `flag` in `Peer`.
"""

from dataclasses import dataclass
from typing import Callable

import cv2
import numpy as np

import networks


class Still:
    """The given box, for ever."""

    def start(self, picture, box):
        self.box = box

    def step(self, picture):
        return self.box, None


class OpenCv:
    """A tracker of OpenCV. It takes whole pixels, in the legacy module any."""

    def __init__(self, make, kind=None):
        self.tracker, self.kind = make(), kind
        self.whole = not type(self.tracker).__name__.startswith("legacy")

    def start(self, picture, box):
        self.box = box
        self.tracker.init(picture, tuple(round(v) for v in box) if self.whole else tuple(box))

    def step(self, picture):
        try:
            found, box = self.tracker.update(picture)
        except cv2.error:
            # Some fail where the box leaves the picture.
            found, box = False, (0, 0, 0, 0)
        if found and box[2] > 0 and box[3] > 0:
            self.box = box
        if self.kind == "score":
            return self.box, float(self.tracker.getTrackingScore())
        return self.box, float(found) if self.kind == "flag" else None


def crop(picture, centre, side, border):
    """The square of `side` whole pixels around `centre`, filled up with the colour `border`: after SiamFC."""
    x, y = (int(np.floor(c - (side + 1) / 2 + 0.5)) for c in centre)
    h, w = picture.shape[:2]
    left, top, right, bottom = max(0, -x), max(0, -y), max(0, x + side - w), max(0, y + side - h)
    inner = picture[max(0, y):max(0, min(h, y + side)), max(0, x):max(0, min(w, x + side))]
    if not inner.size:
        return np.full((side, side, 3), border, np.uint8)
    if left or top or right or bottom:
        inner = cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_CONSTANT, value=border)
    return inner


def spread(w, h):
    """Side of the square that holds a box and half its sides around it."""
    pad = (w + h) / 2
    return np.sqrt((w + pad) * (h + pad))


def change(ratio):
    return np.maximum(ratio, 1 / ratio)


class Siamese:
    """Two crops, a map of scores, a map of boxes: what NanoTrack and LightTrack share. The networks come as `nets` with
    `template(crop)` and `search(crop)`: scores [n, n] and distances to the four edges [4, n, n], crop pixels."""

    def __init__(self, nets):
        self.nets = nets

    def start(self, picture, box):
        self.centre = np.array([box[0] + (box[2] - self.nets.inset) / 2, box[1] + (box[3] - self.nets.inset) / 2])
        self.size = np.array(box[2:], float)
        # The mean of the first picture fills up what lies outside it.
        self.border = [*map(float, cv2.mean(picture)[:3])]
        self.nets.template(crop(picture, self.centre, round(spread(*self.size)), self.border), self)

    def step(self, picture):
        n = self.nets
        scale = n.small / spread(*self.size)
        score, edges = n.search(crop(picture, self.centre, round(n.large / scale), self.border), self)
        left, top, right, bottom = n.x - edges[0], n.y - edges[1], n.x + edges[2], n.y + edges[3]
        w, h = right - left, bottom - top
        penalty = np.exp((1 - change(spread(w, h) / spread(*(self.size * scale)))
                          * change((self.size[0] / self.size[1]) / (w / h))) * n.penalty)
        at = np.unravel_index(np.argmax(penalty * score * (1 - n.influence) + n.window * n.influence), score.shape)
        rate = penalty[at] * score[at] * n.rate
        self.centre = self.centre + np.array([left[at] + right[at], top[at] + bottom[at]]) / 2 / scale
        found = np.array([w[at], h[at]]) / scale
        for _ in range(n.smoothed):
            found = self.size * (1 - rate) + found * rate
        limits = picture.shape[1::-1]
        self.centre, self.size = np.clip(self.centre, 0, limits), np.clip(found, 10, limits)
        x, y = self.centre - self.size / 2
        return (x, y, *self.size), float(score[at])


def grid(n, stride):
    """Offsets of the cells of a map from the centre of the crop."""
    return np.meshgrid((np.arange(n) - n // 2) * float(stride), (np.arange(n) - n // 2) * float(stride))


class NanoNets:
    """NanoTrack by onnxruntime. Settings from models/config/config*.yaml of the repository in models.txt."""

    small, large, smoothed, inset = 127, 255, 1, 1

    def __init__(self, folder, version):
        import onnx
        import onnxruntime
        self.influence, self.penalty, self.rate, cells = {
            1: (0.462, 0.148, 0.390, 16), 2: (0.490, 0.150, 0.385, 16), 3: (0.455, 0.138, 0.348, 15)}[version]
        self.window, (self.x, self.y) = np.outer(np.hanning(cells), np.hanning(cells)), grid(cells, 16)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3

        def session(model):
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        backbone = onnx.load(folder / f"nanotrack_v{version}_backbone.onnx")
        self.backbone = session(backbone.SerializeToString())
        # The file fixes the size of the search crop.
        del backbone.graph.value_info[:]
        for value, side in ((backbone.graph.input[0], 127), (backbone.graph.output[0], 8)):
            for d in value.type.tensor_type.shape.dim[2:]:
                d.dim_value = side
        self.first = session(backbone.SerializeToString())
        self.head = session(str(folder / f"nanotrack_v{version}_head.onnx"))

    @staticmethod
    def blob(picture, side):
        return cv2.dnn.blobFromImage(picture, size=(side, side))

    def template(self, picture, track):
        track.features = self.first.run(None, {"input": self.blob(picture, self.small)})[0]

    def search(self, picture, track):
        features = self.backbone.run(None, {"input": self.blob(picture, self.large)})[0]
        logits, edges = self.head.run(None, {"input1": track.features, "input2": features})
        return 1 / (1 + np.exp(logits[0, 0] - logits[0, 1])), edges[0]


class LightNets:
    """LightTrack by OpenVINO, in single precision. The networks take 8-bit BGR and normalise it."""

    small, large, smoothed, inset, influence, penalty, rate = 128, 256, 2, 0, 0.38, 0.062, 0.765

    def __init__(self, folder):
        import openvino
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        made = lambda name: core.compile_model(folder / f"lighttrack_{name}.xml", "CPU", settings).create_infer_request()
        self.first, self.backbone, self.head = made("z_feature"), made("x_feature"), made("head")
        self.window, (self.x, self.y) = np.outer(np.hanning(16), np.hanning(16)), grid(16, 16)

    def template(self, picture, track):
        self.first.infer({0: cv2.resize(picture, (self.small, self.small))[None]})
        track.features = self.first.get_output_tensor().data.copy()

    def search(self, picture, track):
        self.backbone.infer({0: cv2.resize(picture, (self.large, self.large))[None]})
        self.head.infer({0: track.features, 1: self.backbone.get_output_tensor().data})
        return self.head.get_output_tensor(0).data, self.head.get_output_tensor(1).data


@dataclass
class Peer:
    """A tracker that can be made anew for each target."""

    name: str
    make: Callable
    #: What `step` gives beside the box: "score", "flag" (in view or not) or None.
    kind: str | None = None


def nano_of_opencv(folder):
    parameters = cv2.TrackerNano_Params()
    parameters.backbone = str(folder / "nanotrack_v2_backbone.onnx")
    parameters.neckhead = str(folder / "nanotrack_v2_head.onnx")
    return cv2.TrackerNano_create(parameters)


def all_peers(folder, wanted=None):
    """The peers that can run, and notes about those that cannot. `folder` holds the networks; `wanted`: names."""
    ready, notes = [], []

    def add(name, prefix, load, kind=None):
        if wanted and name not in wanted:
            return
        why = prefix and networks.missing(folder, prefix)
        if why:
            notes.append(f"{name} is left out: {why}")
        else:
            ready.append(Peer(name, load(), kind))

    def siamese(nets):
        return lambda: Siamese(nets)

    for version in (1, 2, 3):
        add(f"nanotrack-v{version}", f"nanotrack_v{version}_", lambda: siamese(NanoNets(folder, version)), "score")
    add("nanotrack-v2-opencv", "nanotrack_v2_", lambda: lambda: OpenCv(lambda: nano_of_opencv(folder), "score"), "score")
    add("lighttrack", "lighttrack_", lambda: siamese(LightNets(folder)), "score")
    add("csrt", None, lambda: lambda: OpenCv(cv2.TrackerCSRT_create, "flag"), "flag")
    add("kcf", None, lambda: lambda: OpenCv(cv2.TrackerKCF_create, "flag"), "flag")
    add("mil", None, lambda: lambda: OpenCv(cv2.TrackerMIL_create))
    add("medianflow", None, lambda: lambda: OpenCv(cv2.legacy.TrackerMedianFlow_create, "flag"), "flag")
    add("mosse", None, lambda: lambda: OpenCv(cv2.legacy.TrackerMOSSE_create, "flag"), "flag")
    add("still", None, lambda: Still)
    unknown = set(wanted or ()) - {p.name for p in ready} - {n.split()[0] for n in notes}
    if unknown:
        raise SystemExit(f"no peer is called {', '.join(sorted(unknown))}")
    return ready, notes
