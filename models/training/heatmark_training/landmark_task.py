"""What the stages that train landmark networks share: prediction, task loss, held-out metrics, initial weights."""

import argparse

import numpy as np
import torch
from torch import Tensor, nn

from . import losses
from .device import to_device, to_numpy
from .landmark_samples import Batch, LandmarkSource, held_out_crops, held_out_scene_faces
from .metrics import landmark_errors
from .pretrained import init_from

#: Weight of a teacher's outputs in the loss.
DISTILLATION_WEIGHT = 0.5

#: Radius within which 90 % of errors lie where p(d) ~ exp(-d / b) / b^2, in units of b.
REACH90 = 3.8897

#: A batch as tensors: image, points, visibility, present, presence_weight.
BatchTensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def predict(net: nn.Module, images: np.ndarray, chunk: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Points `[n, 70, 3]` and presence logits `[n]` of network inputs `[n, c, R, R]`."""
    net.eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(images), chunk):
            points, presence = net(to_device(images[at:at + chunk]))
            parts.append((to_numpy(points), to_numpy(presence[:, 0])))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def error_spread(error: np.ndarray, log_scale: np.ndarray) -> float:
    """Factor on the predicted scales b = exp(s) / 2 that puts 90 % of the errors within their radius."""
    return float(np.quantile(error / (0.5 * np.exp(log_scale)), 0.9) / REACH90)


class LandmarkEvaluator:
    """Metrics on held-out faces, clean and hard, those of scenes, and negatives for the presence score."""

    def __init__(self, source: LandmarkSource, count: int = 384) -> None:
        items = source.faces.held_out_items(count)
        self.clean, self.hard = held_out_crops(items, False), held_out_crops(items, True)
        self.negatives = source.negatives_for(items)
        self.scene = held_out_scene_faces(source.scenes, count) if source.scenes else None

    def __call__(self, net: nn.Module) -> dict[str, float]:
        """Metrics of a network."""
        points, logits = predict(net, self.clean.image)
        clean = landmark_errors(points[..., :2], self.clean.points, self.clean.visibility)
        points, hard_logits = predict(net, self.hard.image)
        hard = landmark_errors(points[..., :2], self.hard.points, self.hard.visibility)
        scene = {}
        if self.scene is not None:
            scene_points, _ = predict(net, self.scene.image)
            scene = landmark_errors(scene_points[..., :2], self.scene.points, self.scene.visibility)
        _, negative_logits = predict(net, self.negatives.image)
        distances = np.linalg.norm(points[..., :2] - self.hard.points, axis=-1)
        out = {k: clean[k] for k in ("nme", "five")}
        out |= {f"scene_{k}": scene[k] for k in ("nme", "fail8") if scene}
        out |= {f"hard_{k}": hard[k] for k in ("nme", "median", "fail8", "five", "five10", "jaw", "eyes", "mouth")}
        out["presence_hit"] = float(100 * (np.concatenate([logits, hard_logits]) > 0).mean())
        out["presence_false"] = float(100 * (negative_logits > 0).mean()) if len(negative_logits) else 0.0
        # Calibration: 1 where the mean expected error equals the mean error.
        out["calibration"] = float(np.exp(points[..., 2]).mean() / distances.mean())
        out["spread"] = error_spread(distances, points[..., 2])
        return out


def batch_tensors(batch: Batch) -> BatchTensors:
    """A batch as tensors."""
    return (to_device(batch.image), to_device(batch.points), to_device(batch.visibility), to_device(batch.present),
            to_device(batch.presence_weight))


def warmup(progress: float) -> float:
    """Weight of the likelihood over training: 0 at the start, 1 from an eighth of the budget on."""
    return min(1.0, progress * 8)


def task_loss(out: tuple[Tensor, Tensor], batch: BatchTensors, progress: float) -> tuple[Tensor, dict[str, float]]:
    """Loss of landmarks and presence, of a network's points and presence logits."""
    points, logit = out
    _, truth, visibility, present, presence_weight = batch
    loss, values = losses.landmarks(points, truth, visibility, present, warmup(progress))
    presence = losses.presence(logit, present, presence_weight)
    return loss + presence, {**values, "presence": float(presence.detach())}


def init_from_args(net: nn.Module, args: argparse.Namespace, source: LandmarkSource, rgb: bool = False) -> None:
    """Initialises `net` from `--init`, if given; the network reads the thermal images of the batches, or the RGB."""
    def images() -> np.ndarray:
        batch = source.batch(256, np.random.default_rng(0))
        return batch.rgb if rgb and batch.rgb is not None else batch.image

    if args.init:
        init_from(net, args.init, images)
