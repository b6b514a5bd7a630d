"""Many devices and several processes get one device's numbers, whatever the number of rows."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")

ROOT = Path(__file__).parents[3]

SCRIPT = """
import json, sys
import jax
address, hosts, host = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if hosts > 1:
    jax.distributed.initialize(address, num_processes=hosts, process_id=host)

import numpy as np
import nn
from autograd import Value, compile

x, y, w, b = (Value(0.3) for _ in range(4))
program = compile([(w * x).tanh() * y + b, w * w], [x, y], parameters=[w, b], backend="jax")
said = []
for rows in (1, 5, 64):
    batch = np.random.default_rng(rows).normal(size=(rows, 2))
    value, grads = program.value_and_grad([0.7, 0.1], batch)
    said.append([value, *grads.tolist(), *program([0.7, 0.1], batch).ravel().tolist()])

rng = np.random.default_rng(0)
X = rng.normal(size=(101, 3))
model = nn.MLP(3, [6, 1], seed=0)
history = nn.fit(
    model, X, X[:, 0] * X[:, 1], loss=nn.mse_loss, optimizer=nn.Adam(model.parameters(), lr=1e-2),
    epochs=3, batch_size=10, seed=0, backend="jax", progress=False,
)
said += [history.loss, [p.data for p in model.parameters()]]
assert history.backend == "jax"
assert not jax.config.jax_enable_x64, "what the user configured has changed"
print(json.dumps([len(jax.devices()), said]))
"""


def run(hosts: int = 1, devices: int = 1) -> list[tuple[int, list[list[float]]]]:
    """What each of the processes printed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "PYTHONPATH": str(ROOT),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, address, str(hosts), str(host)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in range(hosts)
    ]
    try:
        finished = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), finished
    return [json.loads(said.splitlines()[-1]) for said, _ in finished]


@pytest.fixture(scope="module")
def one_device() -> list[list[float]]:
    [(devices, said)] = run()
    assert devices == 1
    return said


@pytest.mark.parametrize(("hosts", "devices"), [(1, 4), (2, 1)])
def test_the_numbers_of_one_device(one_device: list[list[float]], hosts: int, devices: int) -> None:
    for found, said in run(hosts, devices):
        assert found == hosts * devices
        for numbers, expected in zip(said, one_device, strict=True):
            assert numbers == pytest.approx(expected, rel=1e-11, abs=1e-13)
