"""Tells the libraries to use one core and double precision, before they are imported."""

import os

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cpu",
}


def settle() -> None:
    """Set what the user has not set."""
    for name, setting in ONE_CORE.items():
        os.environ.setdefault(name, setting)
