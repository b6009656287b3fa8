"""The ablation of the trackers, its network variants and its report."""

import json

import pytest
import torch

from heatmark_training import train
from heatmark_training.pretrained import load
from heatmark_training.stages.track_ablation import ROWS, Row, branches_step, chosen, lacking
from heatmark_training.stages.track_distillation import DistilledStudent, Weights
from heatmark_training.track_branches import TwoBranches, kept
from heatmark_training.track_networks import MERGES, MODES, Bound, Crops, Tracker, track_mflop
from heatmark_training.track_report import Entry, gain, sentence, verdict, write_report
from heatmark_training.track_teacher import MutualTeacher
from random_networks import randomise_batch_norms
from test_track_stages import batch
from tiny_sequences import write_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A paired set and one of thermal clips."""
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "pairs", 6)
    write_set(folder / "held", 2)
    write_set(folder / "clips", 5, visible=False)
    return folder


def run(monkeypatch, sets, out, *more):
    """The stage, of two steps."""
    command = ["track-ablation", "--sets", sets / "pairs", "--real", sets / "clips", "--held", sets / "held", "--out", out,
               "--steps", 2, "--batch", 8, "--inline", "--frames", 8, *more]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    return json.loads((out / "ablation.json").read_text())["runs"]


def crops(n, side, seed=1):
    """Random inputs."""
    g = torch.Generator().manual_seed(seed)
    return Crops(*(torch.rand((n, c, side, side), generator=g) for c in (3, 1)))


def test_a_tiny_ablation_runs_reports_and_resumes(monkeypatch, capsys, tmp_path, sets):
    rows = ("--rows", "thermal,none,response,elimination", "--seeds", "1,2")
    runs = run(monkeypatch, sets, tmp_path, *rows)
    assert sorted(runs) == ["none/1", "none/2", "thermal/1", "thermal/2"]
    said = capsys.readouterr().out
    assert "skipped: + response: it needs --teacher" in said
    assert "elimination: it needs --thermal-teacher, --visible-teacher" in said
    assert {"both_sr", "thermal_sr", "visible_sr", "both_npr", "both_auroc", "real_sr", "mflop"} <= set(runs["none/1"])
    assert "both_sr" not in runs["thermal/1"] and runs["thermal/1"]["mflop"] < runs["none/1"]["mflop"]
    report = (tmp_path / "report.md").read_text()
    assert "| thermal only | 2 |" in report and "- **thermal only**" in report and (tmp_path / "ablation.png").exists()
    net, state = load(tmp_path / "none-1" / "best.pt")
    assert isinstance(net, Tracker) and state["describe"]["row"] == "none"

    stamp = (tmp_path / "none-1" / "best.pt").stat().st_mtime_ns
    again = run(monkeypatch, sets, tmp_path, "--rows", "none,early", "--seeds", "1")
    assert set(again) == {*runs, "early/1"} and (tmp_path / "none-1" / "best.pt").stat().st_mtime_ns == stamp
    assert isinstance(load(tmp_path / "early-1" / "best.pt")[0], Tracker)
    with pytest.raises(SystemExit, match="another setting.*steps"):
        run(monkeypatch, sets, tmp_path, "--rows", "none", "--steps", 3)


def test_every_row_that_distils_trains(monkeypatch, tmp_path, sets):
    def stage(name, *more):
        command = [name, "--sets", sets / "pairs", "--out", tmp_path / "t", "--size", "nano", "--batch", 8, "--inline",
                   "--steps", 1, *more]
        monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
        train.main()

    given = []
    for option, name, *more in (("--thermal-teacher", "track-single", "--modality", "thermal"),
                                ("--visible-teacher", "track-single", "--modality", "visible"),
                                ("--teacher", "track-teacher"), ("--plain-teacher", "track-teacher", "--no-prompts")):
        stage(name, *more)
        path = tmp_path / f"{option[2:]}.pt"
        (tmp_path / "t" / "best.pt").rename(path)
        given += [option, path]
    rows = "all,plain,eighth,elimination,no-real"
    runs = run(monkeypatch, sets, tmp_path / "out", "--rows", rows, "--seeds", "3", *given)
    assert set(runs) == {f"{k}/3" for k in rows.split(",")}
    with pytest.raises(SystemExit, match="has prompts"):
        run(monkeypatch, sets, tmp_path / "other", "--rows", "plain", "--plain-teacher", tmp_path / "teacher.pt")


@pytest.mark.parametrize("merge_at", MERGES)
def test_every_merge_keeps_shapes_and_doubles_what_is_alone(merge_at):
    net = randomise_batch_norms(Tracker("nano", merge_at))
    search = crops(2, 128)
    with torch.no_grad():
        for mode in MODES:
            maps, presence = net(crops(2, 64).mode(mode), search.mode(mode))
            assert maps.shape == (2, 5, 16, 16) and presence.shape == (2, 1)
        stems = net.trunk.stems(*search[:2])
        assert stems[0].shape[-1] == stems[1].shape[-1] == 128 // MERGES[merge_at]
        zero = net.trunk.thermal(search.thermal)
        from_thermal = net.trunk.stages(zero + zero)[-1]
        assert torch.equal(net.trunk(None, search.thermal), from_thermal)
        assert [s.shape[1] for s in net.trunk.stages(stems[0] + stems[1])[1:]] == list(net.trunk.widths)


def test_a_later_merge_costs_more_and_the_default_is_the_middle():
    names = list(Tracker("nano").state_dict())
    assert names == list(Tracker("nano", "quarter").state_dict()) and "trunk.quarter.0.conv.weight" in names
    early, middle, late = (track_mflop(Tracker("nano", m)) for m in MERGES)
    assert middle < late < track_mflop(TwoBranches("nano")) and early < late


@pytest.mark.parametrize("eliminate", [False, True])
def test_two_branches_in_mixed_batches_equal_their_parts(eliminate):
    torch.manual_seed(1)
    net = randomise_batch_norms(TwoBranches("nano", eliminate))
    template, search = crops(4, 64, 3), crops(4, 128, 4)
    mixed = [Crops(c.visible[1:], c.thermal[:3], 4) for c in (template, search)]
    with torch.no_grad():
        visible, thermal, maps, presence = net.look(*mixed, None)
        assert len(visible) == len(thermal) == 4 and maps.shape == (4, 5, 16, 16)
        together = net(*mixed)
        parts = [net(*(Crops(c.visible[rows], c.thermal[rows]).mode(mode) for c in (template, search)))
                 for mode, rows in (("thermal", slice(0, 1)), ("both", slice(1, 3)), ("visible", slice(3, 4)))]
        blind = net.look(*mixed, torch.zeros(4, 1, 32, 32))
    assert torch.allclose(together[0], maps, atol=1e-5) and torch.allclose(together[1], presence, atol=1e-5)
    for k, whole in enumerate(together):
        assert torch.allclose(whole, torch.cat([p[k] for p in parts]), atol=1e-4)
    assert torch.equal(blind[0][0], visible[0]), "the style term sees the stems before the mask"
    assert torch.allclose(blind[0][1], net.trunk.visible.quarter(torch.zeros_like(visible[0])), atol=1e-6)


def test_the_cells_that_stay_are_like_the_template_in_either_modality():
    match = torch.zeros(1, 64, 4)
    match[..., 0] = match[..., 3] = 1.0
    features = torch.zeros(1, 4, 2, 5)
    features[0, 1] = 1.0
    features[0, 0, 0], features[0, 3, 1, 0], features[0, 2, 1, 1:] = 1.0, 2.0, 1.0
    # The first row by its visible half, one cell below it by its thermal half: 6 of 10; a seventh by chance.
    stay = kept(features, Bound(match, torch.zeros(1, 4)))[0, 0]
    assert stay.sum() == 7 and stay[0].all() and stay[1, 0] == 1


def test_a_teacher_made_without_prompts_sums_its_streams():
    torch.manual_seed(4)
    net = randomise_batch_norms(MutualTeacher("nano", prompts=False))
    assert not any(k.startswith("to_") for k in net.state_dict())
    visible, thermal, _ = crops(3, 128)
    with torch.no_grad():
        both, v, t = (net.joint_stages(c) for c in (Crops(visible, thermal), Crops(visible, None), Crops(None, thermal)))
        mixed = net.trunk(visible[1:], thermal[:2], 3)
    for whole, a, b in zip(both, v, t):
        assert torch.allclose(whole, (a + b) / 2, atol=1e-5)
    assert torch.allclose(mixed, torch.cat([t[-1][:1], both[-1][1:2], v[-1][2:]]), atol=1e-5)


@pytest.mark.parametrize("term", ["style", "content", "mask"])
def test_the_terms_of_two_branches_reach_both(sets, term):
    torch.manual_seed(2)
    singles = {m: randomise_batch_norms(Tracker("nano")).requires_grad_(False) for m in ("thermal", "visible")}
    nets = [DistilledStudent(TwoBranches("nano"), None, singles) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    off = Weights(*[0.0] * 5)
    gradients = []
    for net, weights in zip(nets, (off, off._replace(**{term: 1.0}))):
        branches_step(singles, weights, 3)(net.train(), batch(sets / "pairs"), 0.0)[0].backward()
        gradients.append([getattr(net.student.trunk, m).stem[0].conv.weight.grad for m in ("thermal", "visible")])
    assert all(not torch.allclose(a, b, atol=1e-7) for a, b in zip(*gradients))


def test_rows_are_chosen_by_name_and_say_what_they_lack():
    class Nothing:
        real = teacher = plain_teacher = thermal_teacher = visible_teacher = None

    assert list(chosen("mask,none")) == ["none", "mask"] and chosen(None) == ROWS
    with pytest.raises(SystemExit, match="colour"):
        chosen("none,colour")
    assert lacking(ROWS["none"], Nothing, Weights()) is None
    assert "--real" in lacking(Row("x", real=False), Nothing, Weights())
    assert "--plain-teacher" in lacking(ROWS["plain"], Nothing, Weights())
    assert "no weight" in lacking(ROWS["style"], Nothing, Weights(style=0.0))


def test_gains_are_held_against_the_spread(tmp_path):
    results = {f"{row}/{seed}": {metric: value} for row, metric, values in (
        ("none", "both_sr", (50, 52)), ("a", "both_sr", (51, 53)), ("b", "both_sr", (60, 61)),
        ("c", "thermal_sr", (40,))) for seed, value in enumerate(values)}
    results["none/0"]["thermal_sr"] = 42.0
    assert gain("none", "none", results) is None and gain("x", "none", results) is None
    small, large, other = (gain(k, "none", results) for k in "abc")
    # Means 52 and 51; both deviate by the root of 2.
    assert small.points == 1 and small.spread == pytest.approx(2**0.5) and not small.shown()
    assert verdict(small) == "+1.0, within the spread" and verdict(large) == "+9.5"
    assert verdict(other) == "-2.0, thermal, one seed" and verdict(None) == "-"
    entries = [Entry(k, f"row {k}", "none") for k in ("none", "a", "b", "c", "d")]
    titles = {e.key: e.title for e in entries}
    assert "within the seeds' spread of 1.4" in sentence(entries[1], titles, results)
    assert "gains 9.5 points of SR against *row none*; the seeds spread by 1.4." in sentence(entries[2], titles, results)
    write_report(tmp_path, entries, "none", results, ["About."])
    text = (tmp_path / "report.md").read_text()
    assert "| row c | 1 | - | 40.0 |" in text and "row d" not in text
