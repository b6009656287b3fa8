"""What every stage shares: budgets, learning rates, averaged weights, checkpoints, prefetching."""

import copy
import json
import math
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .device import DEVICE, autocast
from .muon import optimisers

#: Makes a batch. Batch n gets the generator of (seed, n).
MakeBatch = Callable[[np.random.Generator], Any]
#: Network, batch and progress 0..1 to the loss and values for the log.
Step = Callable[[Any, Any, float], tuple[Tensor, dict[str, float]]]
#: Metrics of a network on held-out data.
Evaluate = Callable[[nn.Module], dict[str, float]]


class Budget:
    """Progress 0..1 by steps or by wall minutes (summed over resumed runs)."""

    def __init__(self, steps: int | None = None, minutes: float | None = None) -> None:
        if (steps is None) == (minutes is None):
            raise SystemExit("give a budget: --steps N or --minutes M, not both")
        self.steps, self.minutes = steps, minutes
        self.done, self.spent_before, self.start = 0, 0.0, time.monotonic()

    def spent(self) -> float:
        """Seconds so far, earlier runs included."""
        return self.spent_before + time.monotonic() - self.start

    def progress(self) -> float:
        """Share of the budget used."""
        used = self.done / self.steps if self.steps else self.spent() / (60 * (self.minutes or 0))
        return min(used, 1.0)


def scheduled_lr(progress: float, step: int, peak: float, warmup: int = 200) -> float:
    """Linear warm-up over `warmup` steps, then cosine to 1 % of the peak."""
    return peak * min(1.0, (step + 1) / warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class WeightAverage:
    """Exponential moving average (EMA) of a network, buffers included."""

    def __init__(self, net: nn.Module, decay: float = 0.999) -> None:
        self.net, self.decay, self.updates = copy.deepcopy(net).eval(), decay, 0
        for p in self.net.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Takes in the current weights; young averages follow faster."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, other in zip(self.net.state_dict().values(), net.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(other, 1 - keep)
            else:
                mine.copy_(other)


class Prefetch:
    """Batches from a thread, two ahead. Batch n depends on (seed, n) alone, not on timing."""

    def __init__(self, make_batch: MakeBatch, seed: int, first: int = 0) -> None:
        self.make_batch, self.seed = make_batch, seed
        self.queue: queue.Queue = queue.Queue(2)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work, args=(first,), daemon=True)
        self.thread.start()

    def _work(self, n: int) -> None:
        while not self.stop.is_set():
            try:
                item = self.make_batch(np.random.default_rng([self.seed, n]))
            except BaseException as error:  # handed to the training thread, which raises it
                item = error
            self.queue.put(item)
            n += 1

    def next(self) -> Any:
        """The next batch; raises what `make_batch` raised."""
        item = self.queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Ends the thread."""
        self.stop.set()
        while self.thread.is_alive():
            try:
                self.queue.get(timeout=0.1)
            except queue.Empty:
                pass


class Run:
    """A folder with `first.pt` (the initial weights), `last.pt` (to resume), `best.pt` (averaged weights) and
    `log.jsonl`."""

    def __init__(self, folder: str | Path, resume: bool) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        last = self.folder / "last.pt"
        self.state: dict[str, Any] | None = (
            torch.load(last, map_location="cpu", weights_only=False) if resume and last.exists() else None)

    def log(self, **values: Any) -> None:
        """Prints a line and appends it to the log."""
        line = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        print(" ".join(f"{k} {v}" for k, v in line.items()), flush=True)
        with open(self.folder / "log.jsonl", "a") as f:
            f.write(json.dumps(line) + "\n")

    def save(self, name: str, **state: Any) -> None:
        """Writes a file atomically."""
        temporary = self.folder / f".{name}.tmp"
        torch.save(state, temporary)
        temporary.replace(self.folder / name)


def train(net: nn.Module, run: Run, budget: Budget, make_batch: MakeBatch, step: Step, evaluate: Evaluate, seed: int,
          lr: float, describe: dict[str, Any], refresh: Callable[[], int] | None = None, every: float = 120.0,
          weight_decay: float = 1e-4, prefetch: bool = True, precision: str = "auto",
          muon_lr: float = 0.0,
          layout: torch.memory_format = torch.channels_last) -> tuple[dict[str, float], nn.Module]:
    """The training loop; returns the last metrics and the averaged network.

    evaluate: runs on the averaged weights every `every` seconds; describe: what export needs to know, stored in
    every checkpoint; refresh: looks for new data and returns the number of new folders; precision: of the forward
    pass, see `device.autocast`; lr, muon_lr: see `muon.optimisers`; layout: of the weights.
    """
    net.to(DEVICE, memory_format=layout)
    optimiser_list = optimisers(net, lr, muon_lr, weight_decay)
    peaks = [group["lr"] for optimiser in optimiser_list for group in optimiser.param_groups]
    average = WeightAverage(net)
    if run.state:
        net.load_state_dict(run.state["net"])
        average.net.load_state_dict(run.state["average"])
        for optimiser, state in zip(optimiser_list, run.state["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        average.updates = budget.done = run.state["done"]
        budget.spent_before = run.state["spent"]
        run.log(resumed_at=budget.done, spent_s=budget.spent_before)
    else:
        run.save("first.pt", average=net.state_dict(), describe={**describe, "steps": 0}, metrics={})
    source = Prefetch(make_batch, seed, budget.done) if prefetch else None
    mean: dict[str, float] = {}
    last, done_at_last, first = time.monotonic(), budget.done, True

    def save() -> dict[str, float]:
        metrics = evaluate(average.net)
        speed = (budget.done - done_at_last) / max(time.monotonic() - last, 1e-6)
        run.log(step=budget.done, spent_s=round(budget.spent()), steps_per_s=speed, **mean, **metrics)
        common = {"describe": {**describe, "steps": budget.done}, "metrics": metrics}
        run.save("last.pt", net=net.state_dict(), average=average.net.state_dict(),
                 optimisers=[o.state_dict() for o in optimiser_list], done=budget.done, spent=budget.spent(), **common)
        run.save("best.pt", average=average.net.state_dict(), **common)
        return metrics

    try:
        net.train()
        while budget.progress() < 1:
            progress = budget.progress()
            groups = (group for optimiser in optimiser_list for group in optimiser.param_groups)
            for group, peak in zip(groups, peaks, strict=True):
                group["lr"] = scheduled_lr(progress, budget.done, peak)
            batch = source.next() if source else make_batch(np.random.default_rng([seed, budget.done]))
            with autocast(precision):
                loss, values = step(net, batch, progress)
            if not torch.isfinite(loss):
                raise SystemExit(f"loss is {float(loss.detach())} at step {budget.done}: lower --lr")
            net.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            for optimiser in optimiser_list:
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
                last, done_at_last = time.monotonic(), budget.done
        return save(), average.net
    finally:
        if source:
            source.close()
