# %% [markdown]
# # 09 Train on many devices, and on several hosts
#
# **Question.** A batch is a pile of rows, and every row pays back alone. Can many devices share the
# pile, even devices of different machines, and arrive at the numbers that one device gets?

# %%
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from autograd.optional import require

require("jax", extra="jax")

# %% [markdown]
# This is a whole training script. The only line that knows about other hosts is the first call,
# `jax.distributed.initialize`: on real hosts you say where the first one listens, how many there
# are and which one this is (on clusters JAX finds that out by itself). Every process then runs the
# same script with the same data and seeds. `backend="jax"` spreads the rows of each batch over all
# devices of all processes; XLA adds up the gradients between them.

# %%
SCRIPT = """
import json, sys
import jax
address, hosts, host = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if hosts > 1:
    jax.distributed.initialize(address, num_processes=hosts, process_id=host)

import numpy as np
import nn

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 4))
y = np.sin(X[:, 0] * X[:, 1]) + 0.5 * X[:, 2]
model = nn.MLP(4, [16, 16, 1], activation="tanh", seed=0)
history = nn.fit(
    model, X, y, loss=nn.mse_loss, optimizer=nn.Adam(model.parameters(), lr=1e-2),
    epochs=10, batch_size=64, seed=0, backend="jax", progress=False,
)
weights = [p.data for p in model.parameters()]
print(json.dumps([len(jax.devices()), len(jax.local_devices()), history.loss, weights]))
"""

# %% [markdown]
# **The naive form**: one process, one device. Then four devices in one process (a CPU is split into
# four with `JAX_NUM_CPU_DEVICES`; four GPUs need no setting), and two processes that talk over
# 127.0.0.1 as they would between hosts.


# %%
def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def train(hosts=1, devices=1):
    """Run the script in as many processes as hosts, and return what each of them printed."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    address = f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, address, str(hosts), str(host)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for host in range(hosts)
    ]  # fmt: skip
    finished = [process.communicate(timeout=300) for process in processes]
    for process, (_, complaint) in zip(processes, finished):
        if process.returncode:
            raise SystemExit(complaint)
    return [json.loads(said.splitlines()[-1]) for said, _ in finished]


def show(title, results):
    for devices, local, loss, _ in results:
        print(f"{title:<24} {local} of {devices} devices   loss {loss[0]:.6f} → {loss[-1]:.12f}")


began = time.perf_counter()
alone = train()
show("one device", alone)
together = train(devices=4)
show("four devices", together)
hosts = train(hosts=2, devices=2)
show("two hosts of two devices", hosts)
print(f"{time.perf_counter() - began:.0f} s, most of it starting Python")

# %% [markdown]
# **The failure** one would expect, a training that depends on how many machines took part, does not
# come: a batch of 64 is the same 64 rows wherever they are, its mean gradient the same sum in
# another order. (A last batch that does not divide is filled up; what fills it is not counted.)

# %%
Figure = require("matplotlib.figure", extra="plot").Figure
OUTPUT = Path(__file__).parent / "output" if "__file__" in globals() else Path("output")
OUTPUT.mkdir(exist_ok=True)
axis = (figure := Figure(figsize=(6.4, 4), layout="constrained")).subplots()
courses = {"one device": (alone, "o"), "four devices": (together, "s"), "two hosts": (hosts, "x")}
for (name, (results, mark)), size in zip(courses.items(), (14, 9, 6)):
    axis.plot(range(1, 11), results[0][2], mark + "-", ms=size, mfc="none", lw=1, label=name)
axis.set(xlabel="epoch", ylabel="training loss", title="The same losses, whoever takes part")
axis.legend()
figure.savefig(OUTPUT / "09_devices.png", dpi=120)

# %%
reference = alone[0]
for result in [*together, *hosts]:
    for losses, expected in ((result[2], reference[2]), (result[3], reference[3])):
        apart = max(abs(a - b) for a, b in zip(losses, expected, strict=True))
        assert apart < 1e-9, apart
assert [result[:2] for result in (*alone, *together, *hosts)] == [[1, 1], [4, 4], [4, 2], [4, 2]]
assert reference[2][-1] < 0.3 * reference[2][0]
print("One, four and two times two devices learned the same weights to nine digits.")
