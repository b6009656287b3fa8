"""The tracker stages on a handful of made-up sequences, and the teacher."""

import numpy as np
import pytest
import torch

from heatmark_training import track_losses as losses
from heatmark_training import train
from heatmark_training.pretrained import load
from heatmark_training.stages import track_distillation
from heatmark_training.stages.track_distillation import Weights, distilling_step, look, one_modality, parse_weights
from heatmark_training.stages.track_distillation import DistilledStudent
from heatmark_training.track_networks import Crops, Tracker
from heatmark_training.track_samples import TrackSource
from heatmark_training.track_sequences import TrackSets
from heatmark_training.track_task import Inputs
from heatmark_training.track_teacher import Fovea, Gate, MutualTeacher, Prompter, init_stream
from random_networks import randomise_batch_norms
from tiny_sequences import write_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A paired set."""
    return write_set(tmp_path_factory.mktemp("sets") / "pairs", 6)


def run(monkeypatch, stage, sets, out, *more):
    """A few steps of a stage; the checkpoint."""
    command = [stage, "--sets", sets, "--out", out, "--size", "nano", "--batch", 8, "--inline", *more]
    monkeypatch.setattr("sys.argv", ["train.py", *map(str, command)])
    train.main()
    return torch.load(out / "best.pt", map_location="cpu", weights_only=False)


def test_every_stage_trains_and_feeds_the_next(monkeypatch, tmp_path, sets):
    singles = {}
    for modality in ("thermal", "visible"):
        out = tmp_path / modality
        state = run(monkeypatch, "track-single", sets, out, "--modality", modality, "--steps", 2)
        assert state["describe"]["modality"] == modality and np.isfinite(state["metrics"][f"{modality}_iou"])
        singles[modality] = out / "best.pt"
    given = [v for m, path in singles.items() for v in (f"--{m}-teacher", path)]
    state = run(monkeypatch, "track-teacher", sets, tmp_path / "teacher", "--steps", 1, "--lr", 1e-9, "--muon-lr", 1e-9,
                *given)
    weight = torch.load(singles["visible"], weights_only=False)["average"]["trunk.visible.0.conv.weight"]
    assert torch.allclose(state["average"]["visible.stem.0.conv.weight"], weight, atol=1e-5)
    state = run(monkeypatch, "track-student", sets, tmp_path / "student", "--steps", 3, "--teacher",
                tmp_path / "teacher" / "best.pt", *given)
    assert "content" in state["describe"]["terms"]
    net, _ = load(tmp_path / "student" / "best.pt")
    assert isinstance(net, Tracker)
    again = run(monkeypatch, "track-student", sets, tmp_path / "student", "--steps", 4, "--teacher",
                tmp_path / "teacher" / "best.pt", *given, "--resume")
    assert again["describe"]["steps"] == 4


def test_a_student_may_start_from_a_smaller_one(monkeypatch, tmp_path, sets):
    run(monkeypatch, "track-student", sets, tmp_path / "nano", "--steps", 1)
    state = run(monkeypatch, "track-student", sets, tmp_path / "small", "--steps", 1, "--lr", 1e-9, "--muon-lr", 1e-9,
                "--init", tmp_path / "nano" / "best.pt", "--size", "small")
    assert state["describe"]["size"] == "small"


@pytest.mark.parametrize("text", ["style", "style=x", "colour=1"])
def test_unknown_terms_are_named(text):
    with pytest.raises(SystemExit, match="--terms"):
        parse_weights(text)


def test_terms_left_out_are_off():
    assert parse_weights("") == Weights() and parse_weights("style=0.03") == Weights(0, 0, 0.03, 0, 0)


def test_no_data_is_an_error(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="no set"):
        run(monkeypatch, "track-student", tmp_path / "nothing", tmp_path / "out", "--steps", 1)


def batch(sets, n=12, seed=1):
    """A mixed batch."""
    return TrackSource(TrackSets(str(sets)), None, 0).batch(n, np.random.default_rng(seed))


def test_one_modality_of_the_paired_samples(sets):
    made = batch(sets)
    inputs = Inputs(made)
    rows = inputs.paired()
    assert rows.stop - rows.start > 1
    template, search, truth = one_modality(inputs, "visible")
    assert template.thermal is None and len(search.visible) == len(truth.boxes) == rows.stop - rows.start
    assert torch.equal(truth.boxes, inputs.visible_boxes[:rows.stop - rows.start])
    _, search, truth = one_modality(inputs, "thermal")
    assert torch.equal(search.thermal, inputs.search.thermal[rows.start:]) and search.visible is None
    assert torch.equal(truth.present, inputs.truth.present[rows])


@pytest.mark.parametrize("term", Weights._fields)
def test_every_term_reaches_the_student_alone(sets, term):
    torch.manual_seed(1)
    teacher = randomise_batch_norms(MutualTeacher("nano")).requires_grad_(False)
    singles = {m: randomise_batch_norms(Tracker("nano")).requires_grad_(False) for m in ("thermal", "visible")}
    nets = [DistilledStudent(Tracker("nano"), teacher, singles) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    weights = Weights(*[0.0] * 5)
    gradients = []
    for net, on in zip(nets, (weights, weights._replace(**{term: 1.0}))):
        distilling_step(teacher, singles, on, 3)(net.train(), batch(sets), 0.0)[0].backward()
        gradients.append(net.student.trunk.thermal[0].conv.weight.grad)
    assert not torch.allclose(*gradients, atol=1e-7)


def test_the_mask_hides_the_same_cells_of_both_stems(sets):
    inputs = Inputs(batch(sets))
    net = Tracker("nano").eval()
    hidden = torch.zeros(inputs.rows, 1, 32, 32)
    with torch.no_grad():
        view = look(net, inputs.template, inputs.search, hidden)
        blind = net.trunk.stages(torch.zeros_like(view.stages[0]))
    assert torch.allclose(view.stages[0], blind[0]), "nothing passes a full mask"
    assert view.stems[1].abs().max() > 0, "the style term sees the stems before it"


def test_a_teacher_without_prompts_is_two_streams(sets):
    torch.manual_seed(4)
    net = randomise_batch_norms(MutualTeacher("nano"))
    for prompter in (*net.to_visible, *net.to_thermal):
        torch.nn.init.zeros_(prompter.out.weight)
    visible, thermal = torch.rand(2, 3, 128, 128), torch.rand(2, 1, 128, 128)
    with torch.no_grad():
        both = net.trunk(visible, thermal)
        alone = [net.trunk(visible, None), net.trunk(None, thermal)]
        assert torch.allclose(both, (alone[0] + alone[1]) / 2, atol=1e-5)
        # With prompts, each modality changes what the other's stream says.
        for prompter in (*net.to_visible, *net.to_thermal):
            torch.nn.init.normal_(prompter.out.weight, 0, 0.3)
        assert not torch.allclose(net.trunk(visible, thermal), both, atol=1e-3)


def test_a_mixed_batch_of_the_teacher_equals_its_parts():
    torch.manual_seed(5)
    net = randomise_batch_norms(MutualTeacher("nano"))
    for prompter in (*net.to_visible, *net.to_thermal):
        torch.nn.init.normal_(prompter.out.weight, 0, 0.3)
    visible, thermal = torch.rand(4, 3, 64, 64), torch.rand(4, 1, 64, 64)
    with torch.no_grad():
        mixed = net.joint_stages(Crops(visible[1:], thermal[:3], 4))
        parts = [net.joint_stages(Crops(None, thermal[:1])), net.joint_stages(Crops(visible[1:3], thermal[1:3])),
                 net.joint_stages(Crops(visible[3:], None))]
    for k, whole in enumerate(mixed):
        assert torch.allclose(whole, torch.cat([p[k] for p in parts]), atol=1e-4)


def test_gates_and_fovea():
    gate, fovea = Gate(8), Fovea()
    x = torch.rand(2, 8, 4, 4)
    with torch.no_grad():
        assert (gate(x) <= x).all() and gate(x).shape == x.shape
        # A single place holds the whole softmax.
        one = torch.tensor([[[[3.0]]]])
        assert fovea(one) == 30.0
        flat = torch.full((1, 1, 2, 2), 3.0)
        assert torch.allclose(fovea(flat), torch.full((1, 1, 2, 2), 7.5))


def test_a_prompt_listens_to_own_previous_and_other():
    torch.manual_seed(6)
    prompter = Prompter(8, (4, 2))
    inputs = [torch.rand(1, 8, 4, 4), torch.rand(1, 4, 8, 8), torch.rand(1, 8, 4, 4)]
    with torch.no_grad():
        whole = prompter(*inputs)
        for k in range(3):
            changed = [v + (k == i) for i, v in enumerate(inputs)]
            assert not torch.allclose(prompter(*changed), whole, atol=1e-6)


def test_streams_start_from_smaller_trackers():
    torch.manual_seed(7)
    nano = Tracker("nano")
    state = {"average": nano.state_dict()}
    net = MutualTeacher("small")
    init_stream(net.thermal, state, "thermal")
    assert torch.equal(net.thermal.stem[0].conv.weight[:8], nano.trunk.thermal[0].conv.weight)
    assert torch.equal(net.thermal.wide[0].conv.weight[:40, :24], nano.trunk.wide[0].conv.weight)


@pytest.mark.parametrize("style", [0.0, 1.0])
def test_the_style_term_compares_the_single_modalities_of_the_same_samples(sets, style, monkeypatch):
    calls, compared, compare = [], [], losses.style

    def watched(net, template, search, hidden):
        calls.append((search, hidden))
        return look(net, template, search, hidden)

    def pairs(a, b):
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(track_distillation, "look", watched)
    monkeypatch.setattr(losses, "style", pairs)
    made = batch(sets)
    inputs = Inputs(made)
    rows = inputs.paired()
    count = rows.stop - rows.start
    step = distilling_step(None, {}, Weights(0, 0, style, 0, 1), 3)
    net = DistilledStudent(Tracker("nano"), None, {})
    for _ in range(2):
        step(net, made, 0.0)
    searches = [s for s, _ in calls]
    if not style:
        assert len(calls) == 4 and not compared
        assert len(searches[1].thermal) == len(searches[3].visible) == count
        return
    assert len(calls) == 6 and len(compared) == 8
    # Both modalities of one half, then of the other: no more than one pass over all.
    first = count // 2
    for at, size, where in ((1, first, rows.start), (4, count - first, rows.start + first)):
        assert torch.equal(searches[at].thermal, inputs.search.thermal[where:where + size])
        assert torch.equal(searches[at + 1].visible, inputs.search.visible[where - rows.start:][:size])
        assert calls[at][1] is calls[at + 1][1] and len(calls[at][1]) == size, "the same cells are hidden"
    assert [len(a) for a, _ in compared[:4]] == [count, first, first, first]
    assert all(a.shape == b.shape for a, b in compared)
