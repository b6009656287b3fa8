"""Peers that follow a target through a sequence, by turns."""

import time

import cv2
import numpy as np

#: Frames that a tracker follows before the next one has its turn, so that a busy machine slows all alike.
TURN = 20


class Run:
    """One peer on one modality of one sequence. `times`: milliseconds of processor time of the whole process, which a
    neighbour cannot lengthen much."""

    def __init__(self, peer, modality, box):
        self.peer, self.modality, self.given = peer, modality, box
        self.tracker = peer.make()
        self.boxes, self.scores, self.times = [tuple(box)], [1.0], []

    def start(self, picture):
        self.tracker.start(picture, self.given)

    def step(self, picture):
        began = time.process_time_ns()
        box, score = self.tracker.step(picture)
        self.times.append((time.process_time_ns() - began) / 1e6)
        self.boxes.append(tuple(map(float, box)))
        self.scores.append(score)

    def result(self):
        """Boxes [n, 4] and presence [n] or None."""
        return np.array(self.boxes), None if self.peer.kind is None else np.array(self.scores)


def follow(sequence, wanted):
    """`wanted`: pairs of a peer and a modality. Gives their runs."""
    cv2.setRNGSeed(0)
    runs = [Run(peer, m, sequence.truth(m)[0]) for peer, m in wanted]
    if not runs:
        return []
    rows = list(sequence.rows)
    first = sequence.shown(rows[0])
    for run in runs:
        run.start(first[run.modality])
    for begin in range(1, len(rows), TURN):
        pictures = [sequence.shown(i) for i in rows[begin:begin + TURN]]
        for run in runs:
            for p in pictures:
                run.step(p[run.modality])
    return runs
