"""Tables of results: `report.py results.json` prints them."""

import importlib.metadata
import json
import os
import pathlib
import sys

ORDER = ("both", "thermal", "visible", "mean", "late")
#: So many sequences are shown one by one.
FEW = 12
READ = """# Other trackers on the same boxes: results

- Every tracker gets the same first box, that of the labels, and one pass without a second start. Ours learns from the first
  frame how the given box differs from its own idea of the target and keeps that; a peer with another idea of where a target
  ends loses SR by it, but no PR.
- The networks never saw these clips, but settings of our runtime were tried on some of them while it was written: our rows are
  not quite blind.
- PR@20 and PR@5: share of frames whose centre is within 20 and 5 px, in percent. NPR: within 0.2 of the target's size. SR: mean
  share above 21 overlaps from 0 to 1. Each is a mean over sequences; the given first frame counts as found.
- `still` keeps the first box for ever. What it scores is what a set gives for nothing: read the others by their distance from it.
- AUROC: the probability that a frame with the target has a higher score than one without; 0.5 is chance. "(flag)": the tracker
  only says found or not. Empty: no score, or the target never leaves.
- `thermal` and `visible` show that picture alone, `mean` their mean, `late` runs two trackers and takes the box of the higher
  score, `both` is one network on both pictures."""
HELD_OUT = ("Held out: clips whose number ends in 3, 6 or 9. Our trackers learned from other clips of the same cameras and the "
            "same kinds of target, the peers from neither.")


def machine():
    """The processor in words."""
    flags = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    known = [("amx_tile", "AMX"), ("avx512_vnni", "AVX-512 with VNNI"), ("avx512f", "AVX-512"), ("avx2", "AVX2"),
             ("asimddp", "Arm dot product")]
    best = next((name for flag, name in known if flag in flags), os.uname().machine)
    return f"{os.cpu_count()} cores, {best}"


def versions():
    names = ("onnxruntime", "openvino", "opencv-contrib-python-headless", "numpy")
    return {name: importlib.metadata.version(name) for name in names}


def table(heads, rows):
    """Rows of cells as Markdown; the first two columns are words."""
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * (len(heads) - 2)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def best_first(part):
    return sorted(part["rows"], key=lambda r: (ORDER.index(r["modality"]), -r["sr"]))


def tells_presence(part):
    """Whether enough targets leave. With fewer, AUROC only tells how a score differs from clip to clip."""
    return len(part["absent"]) >= 5


def scores(part):
    """One row a tracker and modality."""
    rows = []
    for row in best_first(part):
        flag = " (flag)" if part["kinds"].get(row["tracker"]) == "flag" else ""
        auroc = "" if row["auroc"] is None else f"{row['auroc']:.2f}{flag}"
        cells = [f"{100 * row[k]:.1f}" for k in ("pr_20", "pr_5", "npr", "sr")]
        rows.append([row["tracker"], row["modality"], *cells, *([auroc] if tells_presence(part) else [])])
    return table(["tracker", "shown", "PR@20", "PR@5", "NPR", "SR", *(["AUROC"] if tells_presence(part) else [])], rows)


def by_class(part):
    """SR of each class, or of each sequence where there are few."""
    groups = part["classes"]
    if part["sequences"] <= FEW:
        groups = {name: [name] for members in groups.values() for name in members}
    if len(groups) < 2:
        return ""
    rows = []
    for row in best_first(part):
        found = [[row["sr_by_sequence"][n] for n in members if n in row["sr_by_sequence"]] for members in groups.values()]
        rows.append([row["tracker"], row["modality"], *(f"{100 * sum(f) / len(f):.0f}" if f else "" for f in found)])
    return "SR of each:\n\n" + table(["tracker", "shown", *groups], rows)


def times(part):
    made = part["times"]
    rows = [[r["tracker"], r["modality"], f"{r['least']:.2f}", f"{r['median']:.2f}"]
            for r in sorted(made["rows"], key=lambda r: r["median"])]
    busy = ("other programs ran" if made["load"] > 0.5 else "nothing else ran") + f" (load {made['load']} before)"
    return (f"Times, {made['date']}, {made['machine']}, {busy}: milliseconds of a frame, {made['frames']} frames of "
            f"{len(made['sequences'])} sequences.\n\n" + table(["tracker", "shown", "least", "median"], rows))


def about(part):
    """What a set is, in words."""
    limit = f", the first {part['limit']} frames of each" if part["limit"] else ""
    said = [f"{part['sequences']} sequences, {part['frames']} frames{limit}. {part['date']}."]
    gone = ", ".join(f"{n} of {name}" for name, n in part["absent"].items()) or "none"
    said.append(f"Frames without a box: {gone}" + (
        "." if tells_presence(part) else "; too few clips to judge any score of presence, so AUROC is left out here."))
    if part["sequences"] < part["asked_for"]:
        said.append(f"The run was cut short: {part['asked_for']} sequences were asked for.")
    if part["sequences"] < 50:
        said.append(f"{part['sequences']} targets are few: differences of a few points mean nothing.")
    if part["held_out"]:
        said.append(HELD_OUT)
    if part["ours"]:
        said.append(f"Ours is {part['ours']}.")
    parts = [" ".join(said)]
    if part["sequences"] > FEW:
        parts.append("\n".join(f"- {kind}: {', '.join(members)}" for kind, members in part["classes"].items()))
    return parts + [f"{note}." for note in part["notes"]]


def text(made):
    """Everything as Markdown."""
    parts = [READ, "Measured with " + ", ".join(f"{k} {v}" for k, v in made["versions"].items()) + "."]
    for name, part in made["sets"].items():
        parts.append(f"## {name}")
        if "rows" in part:
            parts += [*about(part), scores(part), by_class(part), part["check"]]
        if "times" in part:
            parts.append(times(part))
    return "\n\n".join(p.rstrip("\n") for p in parts if p) + "\n"


if __name__ == "__main__":
    print(text(json.loads(pathlib.Path(sys.argv[1]).read_text())), end="")
