"""What every stage shares: budgets, learning rate, averaged weights, checkpoints, prefetching."""

import copy
import json
import math
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch

from machine import DEVICE, arithmetic as arithmetic_of
from muon import optimisers


class Budget:
    """Progress 0..1 by steps or by wall minutes (summed over resumed runs)."""

    def __init__(self, steps=None, minutes=None):
        if (steps is None) == (minutes is None):
            raise SystemExit("give a budget: --steps N or --minutes M, not both")
        self.steps, self.minutes = steps, minutes
        self.done, self.before, self.start = 0, 0.0, time.monotonic()

    def spent(self):
        """Seconds so far, earlier runs included."""
        return self.before + time.monotonic() - self.start

    def progress(self):
        """Share of the budget used."""
        used = self.done / self.steps if self.steps else self.spent() / (60 * self.minutes)
        return min(used, 1.0)


def rate(progress, step, peak, warm=200):
    """Linear warm-up, then cosine to 1 % of the peak."""
    return peak * min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Average:
    """Exponential moving average of a network, buffers included."""

    def __init__(self, net, decay=0.999):
        self.net, self.decay, self.seen = copy.deepcopy(net).eval(), decay, 0
        for p in self.net.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, net):
        """Takes in the current weights; young averages follow faster."""
        self.seen += 1
        keep = min(self.decay, (1 + self.seen) / (10 + self.seen))
        for mine, other in zip(self.net.state_dict().values(), net.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(other, 1 - keep)
            else:
                mine.copy_(other)


class Prefetch:
    """Batches from a thread, two ahead. Batch n depends on (seed, n) alone, not on timing."""

    def __init__(self, make, seed, first=0):
        self.make, self.seed = make, seed
        self.queue, self.stop = queue.Queue(2), threading.Event()
        self.thread = threading.Thread(target=self._work, args=(first,), daemon=True)
        self.thread.start()

    def _work(self, n):
        while not self.stop.is_set():
            try:
                item = self.make(np.random.default_rng([self.seed, n]))
            except BaseException as error:  # handed to the training thread, which raises it
                item = error
            self.queue.put(item)
            n += 1

    def next(self):
        """The next batch; raises what its making raised."""
        item = self.queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self):
        """Ends the thread."""
        self.stop.set()
        while self.thread.is_alive():
            try:
                self.queue.get(timeout=0.1)
            except queue.Empty:
                pass


class Run:
    """A folder with `first.pt` (what training began with), `last.pt` (to resume), `best.pt` (averaged weights) and
    `log.jsonl`."""

    def __init__(self, folder, resume):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        last = self.folder / "last.pt"
        self.state = torch.load(last, map_location="cpu", weights_only=False) if resume and last.exists() else None

    def log(self, **values):
        """Prints a line and appends it to the log."""
        line = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        print(" ".join(f"{k} {v}" for k, v in line.items()), flush=True)
        with open(self.folder / "log.jsonl", "a") as f:
            f.write(json.dumps(line) + "\n")

    def save(self, name, **state):
        """Writes a file whole or not at all."""
        temporary = self.folder / f".{name}.tmp"
        torch.save(state, temporary)
        temporary.replace(self.folder / name)


def train(net, run, budget, make, step, evaluate, seed, peak, describe,
          refresh=None, every=120.0, decay=1e-4, prefetch=True, arithmetic="auto", turn=0.0):
    """The training loop.

    make(rng) -> batch; step(net, batch, progress) -> (loss, dict of floats);
    evaluate(net) -> dict of floats, run on the averaged weights every `every` seconds;
    describe: what export needs to know, stored in every checkpoint; refresh(): looks for new data;
    arithmetic: of the forward pass, see `machine.arithmetic`; peak, turn: see `muon.optimisers`.
    """
    net.to(DEVICE, memory_format=torch.channels_last)
    descent = optimisers(net, peak, turn, decay)
    peaks = [group["lr"] for optimiser in descent for group in optimiser.param_groups]
    average = Average(net)
    if run.state:
        net.load_state_dict(run.state["net"])
        average.net.load_state_dict(run.state["average"])
        for optimiser, state in zip(descent, run.state["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        average.seen = budget.done = run.state["done"]
        budget.before = run.state["spent"]
        run.log(resumed_at=budget.done, spent_s=budget.before)
    else:
        run.save("first.pt", average=net.state_dict(), describe={**describe, "steps": 0}, metrics={})
    source = Prefetch(make, seed, budget.done) if prefetch else None
    mean, last, since, first = {}, time.monotonic(), budget.done, True

    def save():
        metrics = evaluate(average.net)
        mark = time.monotonic()
        speed = (budget.done - since) / max(mark - last, 1e-6)
        run.log(step=budget.done, spent_s=round(budget.spent()), rate_per_s=speed, **mean, **metrics)
        common = {"describe": {**describe, "steps": budget.done}, "metrics": metrics}
        run.save("last.pt", net=net.state_dict(), average=average.net.state_dict(),
                 optimisers=[o.state_dict() for o in descent], done=budget.done, spent=budget.spent(), **common)
        run.save("best.pt", average=average.net.state_dict(), **common)
        return metrics

    try:
        net.train()
        while budget.progress() < 1:
            progress = budget.progress()
            groups = (group for optimiser in descent for group in optimiser.param_groups)
            for group, top in zip(groups, peaks, strict=True):
                group["lr"] = rate(progress, budget.done, top)
            batch = source.next() if source else make(np.random.default_rng([seed, budget.done]))
            with arithmetic_of(arithmetic):
                loss, values = step(net, batch, progress)
            if not torch.isfinite(loss):
                raise SystemExit(f"loss is {float(loss.detach())} at step {budget.done}: lower --rate")
            net.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            for optimiser in descent:
                optimiser.step()
            average.update(net)
            budget.done += 1
            for k, v in {"loss": float(loss.detach()), **values}.items():
                mean[k] = v if first else 0.98 * mean.get(k, v) + 0.02 * v
            first = False
            if budget.done % 100 == 0:
                print(budget.done, " ".join(f"{k} {v:.4f}" for k, v in mean.items()), flush=True)
            if time.monotonic() - last > every:
                save()
                if refresh and (new := refresh()):
                    run.log(new_folders=new)
                last, since = time.monotonic(), budget.done
        return save(), average.net
    finally:
        if source:
            source.close()
