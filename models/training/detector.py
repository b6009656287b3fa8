"""Stage `detector`: the anchor-free face detector."""

import numpy as np
import torch

import camera
import losses
import scene
from crop import DETECTOR_TAILS, PLANES, planes
from data import Shards
from detect import Score
from loop import Budget, Run, train
from machine import fetch, send
from nets import Detector
from points import box
from unfold import begin_from


def held_scenes(source, count):
    """Held-out scenes, each an input and its faces: as the runtime sees them, and composed through the cameras."""
    items = source.scenes.held_items(count)
    plain = [scene.plain(f.thermal[i], f.points[i], f.visibility[i]) for f, i in items]
    rng, hard = np.random.default_rng(7), []

    def draw(r):
        f, i = items[int(r.integers(len(items)))]
        return f.thermal[i], f.points[i], f.visibility[i]

    for _ in range(len(items)):
        image, faces = scene.compose(draw, rng)
        around = box(faces[0][0]) if faces else np.array([60.0, 40.0, 100.0, 80.0])
        image, floor = camera.observe(image, around, rng)
        hard.append((planes(image, floor, DETECTOR_TAILS), faces))
    return plain, hard


class Judge:
    """The detector on held-out scenes."""

    def __init__(self, source, count=300):
        self.plain, self.hard = held_scenes(source, count)

    def __call__(self, net):
        plain = self._score(net, self.plain)
        hard = self._score(net, self.hard)
        return plain | {f"hard_{k}": v for k, v in hard.items()}

    @staticmethod
    def _score(net, pictures):
        net.eval()
        score = Score()
        for at in range(0, len(pictures), 32):
            part = pictures[at:at + 32]
            with torch.inference_mode():
                heat, geom = (fetch(v) for v in net(send(np.stack([x for x, _ in part]))))
            for n, (_, faces) in enumerate(part):
                score.picture(heat[n, 0], geom[n], faces)
        return score.result()


def main(args):
    """Runs the stage."""
    torch.manual_seed(args.seed)
    source = scene.Source(Shards(args.data, args.limit), Shards(args.faces, args.limit) if args.faces else None)
    net = Detector()
    if args.init:
        begin_from(net, args.init, lambda: source.batch(64, np.random.default_rng(0)).image)
    run = Run(args.out, args.resume)
    print(f"{len(source.scenes.train)} scenes to train on, {len(source.scenes.held)} held out, "
          f"{sum(p.numel() for p in net.parameters())} parameters")

    def step(net, maps, _):
        image, heat, ignore, geom, weight = (send(v) for v in (
            maps.image, maps.heat, maps.ignore, maps.geom, maps.weight))
        out_heat, out_geom = net(image)
        centre = losses.focal(out_heat.float(), heat, ignore)
        shape = losses.geometry(out_geom.float(), geom, weight)
        return centre + shape, {"heat": float(centre.detach()), "geom": float(shape.detach())}

    def refresh():
        return source.scenes.refresh() + (source.faces.refresh() if source.faces else 0)

    describe = {"task": "face-detector", "seed": args.seed, "batch": args.batch, "rate": args.rate, "turn": args.turn,
                "channels": PLANES}
    train(net, run, Budget(args.steps, args.minutes), lambda rng: source.batch(args.batch, rng), step,
          Judge(source), args.seed, args.rate, describe, refresh if args.refresh else None, args.every,
          prefetch=not args.inline, arithmetic=args.arithmetic, turn=args.turn)
