"""The contenders compute the same: what the tables say of their speed is about equal work."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

import numpy as np

from autograd import Value
from tests.benchmarks import gpt, ours, peers, report
from tests.benchmarks.measure import Contender, Result, run
from tests.benchmarks.workloads import Workload, digits, moons


def small_digits() -> Workload:
    pytest.importorskip("sklearn")
    full = digits()
    return Workload(
        "digits", "epoch", (64, 9, 10), full.X[:100], full.y[:100], 32, False, full.rate
    )


@pytest.mark.parametrize("make", [moons, small_digits])
@pytest.mark.parametrize("contender", [ours.inside, ours.from_python])
def test_our_losses_are_those_of_matrices_by_hand(make: object, contender: object) -> None:
    workload = make()  # type: ignore[operator]
    train, by_hand = contender(workload), peers.numpy_by_hand(workload)  # type: ignore[operator]
    for _ in range(3):
        assert train(1) == pytest.approx(by_hand(1), rel=1e-9)


def test_eager_losses_too() -> None:
    by_hand = peers.numpy_by_hand(moons())(2)
    assert ours.eager(moons())(2) == pytest.approx(by_hand, rel=1e-9)
    assert peers.payback_scalars(moons())(2) == pytest.approx(by_hand, rel=1e-9)


def test_a_table_tells_who_computed_something_else() -> None:
    fine = run(Contender("payback, eager", "autograd", ours.eager), moons())
    odd = Result("somebody", fine.seconds * 2, 0.0, tuple(2 * loss for loss in fine.losses))
    text = report.table(moons(), [fine, odd], ["CasADi"])
    assert "| somebody |" in text
    assert "OTHER" in text
    assert "left out: CasADi" in text


def test_the_tiny_gpts_compute_the_same(tmp_path: Path) -> None:
    _, plain = gpt.eagerly(gpt.Plain, gpt.PLAIN, 2)
    _, eager = gpt.eagerly(Value, gpt.OURS, 2)
    assert plain == pytest.approx(eager, rel=1e-12)
    if shutil.which("cc"):
        value, gradient = gpt.InC(str(tmp_path)).value_and_grad(2)
        model = gpt.GPT(Value, gpt.OURS)
        losses = [model.loss(model(x), y) for x, y in gpt.ROWS[:2]]
        (sum(losses) / 2).backward()
        assert value == pytest.approx(sum(loss.data for loss in losses) / 2, rel=1e-12)
        expected = [parameter.grad for parameter in model.parameters()]
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)
