"""Stage `student`: direct supervised training of a landmark network on rendered thermal faces."""

import numpy as np
import torch

import losses
import sample
from bank import Bank
from crop import PLANES
from loop import Budget, Run, train
from machine import fetch, send
from metrics import landmark_errors
from nets import Landmarker
from unfold import begin_from


def predict(net, images, chunk=128):
    """Points `[n, 70, 3]` and presence logits of `[n, c, R, R]` arrays."""
    net.eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(images), chunk):
            points, presence = net(send(images[at:at + chunk]))
            parts.append((fetch(points), fetch(presence[:, 0])))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


#: Weight of a teacher's answers.
LOGIT = 0.5

#: Radius within which 90 % of errors lie where p(d) ~ exp(-d / b) / b^2, in units of b.
REACH90 = 3.8897


def spread(error, log_scale):
    """Factor on the predicted scales b = exp(s) / 2 that puts 90 % of the errors within their radius."""
    return float(np.quantile(error / (0.5 * np.exp(log_scale)), 0.9) / REACH90)


class Judge:
    """Held-out faces, clean and hard, plus negatives for the presence score."""

    def __init__(self, source, count=384):
        items = source.faces.held_items(count)
        self.clean, self.hard = sample.held_batch(items, False), sample.held_batch(items, True)
        self.without = source.without(items)
        self.scene = sample.held_among(source.scenes, count) if source.scenes else None

    def __call__(self, net):
        points, yes = predict(net, self.clean.image)
        clean = landmark_errors(points[..., :2], self.clean.points, self.clean.visibility)
        points, yes_hard = predict(net, self.hard.image)
        hard = landmark_errors(points[..., :2], self.hard.points, self.hard.visibility)
        scene = {}
        if self.scene is not None:
            there, _ = predict(net, self.scene.image)
            scene = landmark_errors(there[..., :2], self.scene.points, self.scene.visibility)
        _, no = predict(net, self.without.image)
        off = np.linalg.norm(points[..., :2] - self.hard.points, axis=-1)
        out = {k: clean[k] for k in ("nme", "five")}
        out |= {f"scene_{k}": scene[k] for k in ("nme", "fail8") if scene}
        out |= {f"hard_{k}": hard[k] for k in ("nme", "median", "fail8", "five", "five10", "jaw", "eyes", "mouth")}
        out["presence_hit"] = float(100 * (np.concatenate([yes, yes_hard]) > 0).mean())
        out["presence_false"] = float(100 * (no > 0).mean()) if len(no) else 0.0
        # Calibration: 1 where the mean expected error equals the mean error.
        out["calibration"] = float(np.exp(points[..., 2]).mean() / off.mean())
        out["spread"] = spread(off, points[..., 2])
        return out


def tensors(batch):
    """A batch as tensors."""
    return tuple(send(v) for v in (batch.image, batch.points, batch.visibility, batch.present, batch.sure))


def task(out, batch, progress):
    """Task loss of landmarks and presence."""
    points, logit = out
    _, truth, visibility, present, sure = batch
    loss, values = losses.landmarks(points, truth, visibility, present, min(1.0, progress * 8))
    found = losses.presence(logit, present, sure)
    return loss + found, {**values, "presence": float(found.detach())}


def begun(net, args, source, plane="image"):
    """Begins `net` where `--init` says, if it does; it sees this plane of the batches."""
    if args.init:
        begin_from(net, args.init, lambda: getattr(source.batch(256, np.random.default_rng(0)), plane))


def main(args):
    """Runs the stage."""
    torch.manual_seed(args.seed)
    source = sample.source(args, among=args.among)
    net = Landmarker(args.size)
    begun(net, args, source)
    bank = Bank(args.bank) if args.bank else None
    run = Run(args.out, args.resume)
    print(f"{len(bank) if bank else len(source.faces.train)} {'samples' if bank else 'faces'} to train on, "
          f"{len(source.faces.held)} faces held out, {sum(p.numel() for p in net.parameters())} parameters")

    def step(net, batch, progress):
        data = tensors(batch)
        out = net(data[0])
        loss, values = task(out, data, progress)
        if batch.told is None:
            return loss, values
        logit = losses.outputs(out[0], send(batch.told), data[3])
        return loss + LOGIT * logit, {**values, "logit": float(logit.detach())}

    def refresh():
        return source.faces.refresh() + (source.scenes.refresh() if source.scenes else 0)

    describe = {"task": "face-landmarks", "size": args.size, "seed": args.seed, "batch": args.batch,
                "rate": args.rate, "turn": args.turn, "bank": len(bank) if bank else 0, "channels": PLANES}
    train(net, run, Budget(args.steps, args.minutes), lambda rng: (bank or source).batch(args.batch, rng), step,
          Judge(source), args.seed, args.rate, describe, refresh if args.refresh else None, args.every,
          prefetch=not args.inline, arithmetic=args.arithmetic, turn=args.turn)
