"""Stage `presence`: teaches a trained landmark network to refuse what the detector takes for faces.

Backs of heads, ovals, animals and warm things that the detector finds on rendered scenes are cropped as the
runtime would, and the presence head alone is trained on them, on other crops without faces and on faces. The
backbone and the points stay as they are.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import camera
import losses
import sample
from crop import DETECTOR_HEIGHT as H, DETECTOR_WIDTH as W, FLOOR, PLANES, SIZE, detector_input, planes, resample
from data import Shards
from detect import decode, iou
from loop import Budget, Run, train
from machine import DEVICE, fetch, send
from points import box
from scene import faces_of
from unfold import load

#: Least score of a detection that is worth refusing: below what any user will ask for.
SCORE = 0.1

#: Share of the faces that are taken from scenes, as whole frames show them.
AMONG = 0.6

#: A detection that shares more with any face, hidden ones included, or whose centre lies on one, is no mistake.
SHARED = 0.1


def seen(thermal, rng):
    """Detector input and its `letterbox` of a scene: as it is or, half the time where `rng` is given, as some
    camera shows it."""
    frame, floor = thermal, FLOOR["centikelvin"]
    if rng is not None and rng.random() >= 0.5:
        frame, floor = camera.observe(thermal.astype(np.float32), np.array([60.0, 40.0, 100.0, 80.0]), rng)
    return detector_input(frame, floor, W, H)


def mistakes(detector, thermal, points, visibility, rng=None, chunk=32):
    """What a detector takes for faces in scenes `[n, H, W]` and is none: a list of (scene, box in its px)."""
    found = []
    for at in range(0, len(thermal), chunk):
        part = range(at, min(at + chunk, len(thermal)))
        views = [seen(thermal[k], rng) for k in part]
        x = np.stack([view for view, _ in views])[:, :detector.channels]
        with torch.inference_mode():
            heat, geom = (fetch(v) for v in detector(send(x)))
        for k, n in enumerate(part):
            boxes, _, _ = decode(heat[k, 0], geom[k], SCORE)
            s, x0, y0 = views[k][1]
            faces = [box(p) for p in faces_of(points[n], visibility[n])[0]]
            for b in boxes * s + np.array([x0, y0, x0, y0]):
                centre = (b[:2] + b[2:]) / 2
                on = any(iou(b, f) > SHARED or ((f[:2] < centre) & (centre < f[2:])).all() for f in faces)
                if not on and max(b[2] - b[0], b[3] - b[1]) >= 8:
                    found.append((n, b))
    return found


def mine(detector, scenes, count, seed=1):
    """Mistakes in `count` training scenes: (thermal picture, box)."""
    rng = np.random.default_rng(seed)
    out, picks = [], rng.permutation(len(scenes.train))[:count]
    for f in range(len(scenes.folders)):
        mine_of = np.sort(scenes.train[picks][scenes.train[picks][:, 0] == f][:, 1])
        folder = scenes.folders[f]
        found = mistakes(detector, [folder.thermal[i] for i in mine_of], folder.points[mine_of],
                         folder.visibility[mine_of], rng)
        out += [(folder, int(mine_of[n]), b) for n, b in found]
    return out


def crop(folder, i, b, rng):
    """A mistake as the runtime would crop it, seen by some camera: network input `[2, R, R]`."""
    frame, floor = camera.observe(folder.thermal[i].astype(np.float32), b, rng)
    centre, half, turn, _ = sample.place(b, rng.normal(0, 0.3), rng)
    x = planes(resample(frame, centre, half, turn, SIZE), floor)
    return x[..., ::-1] if rng.random() < 0.5 else x


class Veto(nn.Module):
    """The presence head of a landmark network, over its frozen backbone: `[n, 2, R, R]` to logits `[n, 1]`."""

    def __init__(self, net):
        super().__init__()
        self.look, self.presence = net.head.look, net.head.presence
        self.frozen = [net.backbone.eval().to(DEVICE)]  # in a list: neither trained nor saved

    def forward(self, x):
        with torch.no_grad():
            features = self.frozen[0](x)
        return self.presence(F.relu(self.look(features)).flatten(1))


def asked(batch):
    """Pictures of the faces of which enough shows that a user would ask for them."""
    return batch.image[(batch.visibility == 2).mean(1) <= 0.7]


class Judge:
    """Held-out faces, those of scenes, and mistakes: the share of each that passes at the presence that a new face
    needs (0.7)."""

    ENTRY = float(np.log(0.7 / 0.3))

    def __init__(self, source, held, count=768):
        items, rng = source.faces.held_items(count), np.random.default_rng(11)
        self.shown = {
            "presence_hit": np.concatenate([asked(sample.held_batch(items, hard)) for hard in (False, True)]),
            "presence_among": asked(sample.held_among(source.scenes, count)),
            "presence_mistakes": np.stack([crop(*m, rng) for m in held]).astype(np.float32),
        }

    def __call__(self, net):
        net.eval()
        with torch.inference_mode():
            logits = {name: [fetch(net(send(x[k:k + 128])))[:, 0] for k in range(0, len(x), 128)]
                      for name, x in self.shown.items()}
        return {name: float(100 * (np.concatenate(parts) > self.ENTRY).mean()) for name, parts in logits.items()}


def main(args):
    """Runs the stage; OUT/best.pt is the whole landmark network."""
    torch.manual_seed(args.seed)
    net, state = load(args.init)
    if state["describe"].get("channels", 1) != PLANES:
        raise SystemExit(f"{args.init}: a landmark network of {PLANES} planes is wanted")
    detector, _ = load(args.detector)
    source = sample.Source(Shards(args.data, args.limit), Shards(args.scenes), among=AMONG)
    found = mine(detector.to(DEVICE), source.scenes, args.mine, args.seed)
    if len(found) < 20:
        raise SystemExit(f"{args.detector}: {len(found)} mistakes in {args.mine} scenes, wanted at least 20")
    np.random.default_rng(args.seed).shuffle(found)
    held, found = found[:len(found) // 10], found[len(found) // 10:]
    print(f"{len(found)} mistakes of the detector to train on, {len(held)} held out")

    def make(rng):
        batch = sample.empty(args.batch)
        for n, (folder, i) in enumerate(source.faces.draw(rng, args.batch)):
            kind = rng.random()
            if kind < 0.5:
                source.face(batch, n, folder, i, rng)
            elif kind < 0.8:
                batch.image[n], batch.present[n] = crop(*found[int(rng.integers(len(found)))], rng), 0
            else:
                source._negative(batch, n, folder, i, rng)
        return batch

    def step(veto, batch, _):
        logit = veto(send(batch.image))
        loss = losses.presence(logit, send(batch.present), send(batch.sure))
        return loss, {}

    veto = Veto(net)
    run = Run(args.out, args.resume)
    metrics, average = train(veto, run, Budget(args.steps, args.minutes), make, step, Judge(source, held), args.seed,
                             args.rate, {"task": "presence"}, every=args.every, prefetch=not args.inline,
                             arithmetic="float32")
    net.head.look, net.head.presence = average.look, average.presence
    describe = {**state["describe"], "presence_steps": run_steps(run)}
    kept = {k: v for k, v in state["metrics"].items() if not k.startswith("presence")}
    run.save("best.pt", average=net.state_dict(), describe=describe, metrics={**kept, **metrics})


def run_steps(run):
    """Steps of the finished run, from its last checkpoint."""
    return torch.load(run.folder / "last.pt", map_location="cpu", weights_only=False)["done"]
