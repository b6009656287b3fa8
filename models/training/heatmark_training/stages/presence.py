"""Stage `presence`: teaches a trained landmark network to reject the detector's false positives.

Hard negative mining: backs of heads, ovals, animals and warm objects that the detector finds on rendered scenes are
cropped as the runtime would, and the presence head alone is trained on them, on other crops without faces and on faces.
The backbone and the points stay as they are.
"""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import losses, sensor_model
from ..datasets import Folder, Shards
from ..detection import decode, iou
from ..detector_samples import NO_FACE, present_faces
from ..device import DEVICE, to_device, to_numpy
from ..landmark_samples import (Batch, LandmarkSource, empty_batch, held_out_crops, held_out_scene_faces,
                                place_crop)
from ..landmark_set import bounding_box
from ..networks import Detector, Landmarker
from ..preprocess import (CROP_SIZE, DETECTOR_HEIGHT as H, DETECTOR_WIDTH as W, FLOOR, INPUT_CHANNELS, detector_input,
                          network_input, resample)
from ..pretrained import load
from ..train_loop import Budget, Run, train

#: Least score of a false positive to train on: below any threshold in use.
MIN_SCORE = 0.1

#: Share of the faces that come from scenes, as whole frames show them.
SCENE_SHARE = 0.6

#: A detection with a larger IoU with any face, hidden ones included, or whose centre lies on one, is no false positive.
MAX_IOU = 0.1

#: A false positive: its folder, the index of the scene, the box in px.
FalsePositive = tuple[Folder, int, np.ndarray]


def detector_view(thermal: np.ndarray,
                  rng: np.random.Generator | None) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Detector input and its `letterbox` of a scene: as rendered or, half the time with an `rng`, through the sensor
    model."""
    frame, floor = thermal, FLOOR["centikelvin"]
    if rng is not None and rng.random() >= 0.5:
        frame, floor = sensor_model.simulate(thermal.astype(np.float32), NO_FACE, rng)
    return detector_input(frame, floor, W, H)


def false_positives(detector: Detector, thermal: np.ndarray | list[np.ndarray], points: np.ndarray,
                    visibility: np.ndarray, rng: np.random.Generator | None = None,
                    chunk: int = 32) -> list[tuple[int, np.ndarray]]:
    """A detector's false positives in scenes `[n, H, W]`: a list of (scene, box in its px)."""
    found = []
    for at in range(0, len(thermal), chunk):
        part = range(at, min(at + chunk, len(thermal)))
        views = [detector_view(thermal[k], rng) for k in part]
        x = np.stack([view for view, _ in views])[:, :detector.channels]
        with torch.inference_mode():
            heat, geom = (to_numpy(v) for v in detector(to_device(x)))
        for k, n in enumerate(part):
            boxes, _, _ = decode(heat[k, 0], geom[k], MIN_SCORE)
            s, x0, y0 = views[k][1]
            faces = [bounding_box(p) for p in present_faces(points[n], visibility[n])[0]]
            for b in boxes * s + np.array([x0, y0, x0, y0]):
                centre = (b[:2] + b[2:]) / 2
                on_face = any(iou(b, f) > MAX_IOU or ((f[:2] < centre) & (centre < f[2:])).all() for f in faces)
                if not on_face and max(b[2] - b[0], b[3] - b[1]) >= 8:
                    found.append((n, b))
    return found


def mine(detector: Detector, scenes: Shards, count: int, seed: int = 1) -> list[FalsePositive]:
    """False positives in `count` training scenes."""
    rng = np.random.default_rng(seed)
    out: list[FalsePositive] = []
    picks = rng.permutation(len(scenes.train))[:count]
    for f in range(len(scenes.folders)):
        index = np.sort(scenes.train[picks][scenes.train[picks][:, 0] == f][:, 1])
        folder = scenes.folders[f]
        found = false_positives(detector, [folder.thermal[i] for i in index], folder.points[index],
                                folder.visibility[index], rng)
        out += [(folder, int(index[n]), b) for n, b in found]
    return out


def crop_false_positive(folder: Folder, i: int, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A false positive as the runtime would crop it, through the sensor model: network input
    `[INPUT_CHANNELS, R, R]`."""
    frame, floor = sensor_model.simulate(folder.thermal[i].astype(np.float32), b, rng)
    centre, half, angle, _ = place_crop(b, rng.normal(0, 0.3), rng)
    x = network_input(resample(frame, centre, half, angle, CROP_SIZE), floor)
    return x[..., ::-1] if rng.random() < 0.5 else x


class PresenceHead(nn.Module):
    """The presence head of a landmark network, over its frozen backbone: `[n, c, R, R]` to logits `[n, 1]`."""

    def __init__(self, net: Landmarker) -> None:
        super().__init__()
        self.look, self.presence = net.head.look, net.head.presence
        self.frozen = [net.backbone.eval().to(DEVICE)]  # in a list: neither trained nor saved

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Presence logits."""
        with torch.no_grad():
            features = self.frozen[0](x)
        return self.presence(F.relu(self.look(features)).flatten(1))


def visible_faces(batch: Batch) -> np.ndarray:
    """Pictures of the faces that are visible enough to be found."""
    return batch.image[(batch.visibility == 2).mean(1) <= 0.7]


class PresenceEvaluator:
    """The share of held-out faces, of those of scenes, and of false positives above the presence that a new face
    needs (0.7), percent."""

    ENTRY = float(np.log(0.7 / 0.3))

    def __init__(self, source: LandmarkSource, held_out: list[FalsePositive], count: int = 768) -> None:
        items, rng = source.faces.held_out_items(count), np.random.default_rng(11)
        scene_faces = held_out_scene_faces(source.scenes, count) if source.scenes else None
        if scene_faces is None:
            raise SystemExit("no held-out scene has a visible face")
        self.images = {
            "presence_hit": np.concatenate([visible_faces(held_out_crops(items, hard)) for hard in (False, True)]),
            "presence_scene_faces": visible_faces(scene_faces),
            "presence_false_positives": np.stack([crop_false_positive(*m, rng) for m in held_out]).astype(np.float32),
        }

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Metrics of a `PresenceHead`."""
        net.eval()
        with torch.inference_mode():
            logits = {name: [to_numpy(net(to_device(x[k:k + 128])))[:, 0] for k in range(0, len(x), 128)]
                      for name, x in self.images.items()}
        return {name: float(100 * (np.concatenate(parts) > self.ENTRY).mean()) for name, parts in logits.items()}


def step(head: PresenceHead, batch: Batch, _: float) -> tuple[torch.Tensor, dict[str, float]]:
    """The presence loss."""
    logit = head(to_device(batch.image))
    return losses.presence(logit, to_device(batch.present), to_device(batch.presence_weight)), {}


def main(args: argparse.Namespace) -> None:
    """Runs the stage; OUT/best.pt is the whole landmark network."""
    torch.manual_seed(args.seed)
    net, state = load(args.init)
    if state["describe"].get("channels", 1) != INPUT_CHANNELS or not isinstance(net, Landmarker):
        raise SystemExit(f"{args.init}: expected a landmark network with {INPUT_CHANNELS} input channels")
    detector, _ = load(args.detector)
    if not isinstance(detector, Detector):
        raise SystemExit(f"{args.detector}: expected a detector")
    scenes = Shards(args.scenes)
    source = LandmarkSource(Shards(args.data, args.limit), scenes, scene_share=SCENE_SHARE)
    found = mine(detector.to(DEVICE), scenes, args.mine, args.seed)
    if len(found) < 20:
        raise SystemExit(f"{args.detector}: {len(found)} false positives in {args.mine} scenes, at least 20 are needed")
    np.random.default_rng(args.seed).shuffle(found)
    held_out, found = found[:len(found) // 10], found[len(found) // 10:]
    print(f"{len(found)} false positives of the detector to train on, {len(held_out)} held out")

    def make_batch(rng: np.random.Generator) -> Batch:
        batch = empty_batch(args.batch)
        for n, (folder, i) in enumerate(source.faces.draw(rng, args.batch)):
            kind = rng.random()
            if kind < 0.5:
                source.add_face(batch, n, folder, i, rng)
            elif kind < 0.8:
                batch.image[n] = crop_false_positive(*found[int(rng.integers(len(found)))], rng)
                batch.present[n] = 0
            else:
                source.add_negative(batch, n, folder, i, rng)
        return batch

    head = PresenceHead(net)
    run = Run(args.out, args.resume)
    metrics, average = train(head, run, Budget(args.steps, args.minutes), make_batch, step,
                             PresenceEvaluator(source, held_out), args.seed, args.lr, {"task": "presence"},
                             every=args.every, prefetch=not args.inline, precision="float32")
    assert isinstance(average, PresenceHead)
    net.head.look, net.head.presence = average.look, average.presence
    describe = {**state["describe"], "presence_steps": finished_steps(run)}
    kept = {k: v for k, v in state["metrics"].items() if not k.startswith("presence")}
    run.save("best.pt", average=net.state_dict(), describe=describe, metrics={**kept, **metrics})


def finished_steps(run: Run) -> int:
    """Steps of the finished run, from its last checkpoint."""
    return torch.load(run.folder / "last.pt", map_location="cpu", weights_only=False)["done"]
