"""A program travels: by pickle and by file, without its Values, and damaged ones are refused."""

import io
import json
import math
import os
import pickle
import random
import subprocess
import sys
import zipfile
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
from autograd import Program, Value, compile  # noqa: A004
from autograd.compiler.arrays import ArrayProgram
from autograd.compiler.numpy_backend import NumpyExecutor
from autograd.compiler.storage import Stored, from_bytes
from tests.autograd.compiler.reference import follow

BATCH = [[1.0, 2.0], [2.0, -1.0], [0.5, 0.0]]


@pytest.fixture
def program() -> Program:
    x, y, w, b = (Value(0.3, label=name) for name in ("x", "y", "gewicht ü", "b"))
    loss = (
        autograd.where(autograd.less(x, 1.0), w * x, b.gelu()) + (w * x + b - y) ** 2 * math.inf**0
    )
    loss.label = "loss"
    return compile(loss, [x, y], parameters=[w, b], backend="numpy")


def numbers(program: Program) -> tuple[float, list[float], list[list[float]]]:
    value, grads = program.value_and_grad(program.pack(), BATCH)
    return value, grads.tolist(), program(program.pack(), BATCH).tolist()


def test_pickle_into_a_process_without_the_model(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "program.pickle"
    path.write_bytes(pickle.dumps(program))
    code = (
        "import pickle, sys; program = pickle.load(open(sys.argv[1], 'rb'))\n"
        f"print(program.value_and_grad(program.pack(), {BATCH})[0], program.backend)\n"
        "print('nn' in sys.modules, program.names.parameters)"
    )
    command = [sys.executable, "-X", "utf8", "-c", code, path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == f"{numbers(program)[0]} numpy\nFalse ('gewicht ü', 'b')\n"


def test_save_and_load(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "program.npz"
    program.save(path)
    loaded = Program.load(path, backend="numpy")
    assert numbers(loaded) == numbers(program)
    assert loaded.names == program.names
    assert alike(loaded.arrays, program.arrays)
    assert loaded.listing() == program.listing()
    assert Program.load(path).backend == compile(Value(1.0) * 2.0).backend
    program.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["program.npz"]


def test_the_same_program_gives_the_same_bytes(program: Program, tmp_path: Path) -> None:
    for name in ("a", "b"):
        program.save(tmp_path / name)
    Program.load(tmp_path / "a", backend="numpy").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_loaded_program_keeps_numbers_but_no_values(program: Program) -> None:
    loaded = pickle.loads(pickle.dumps(program))
    with pytest.raises(RuntimeError, match="loaded without its Values"):
        _ = loaded.parameters
    with pytest.raises(RuntimeError, match="loaded without its Values"):
        loaded.backward(BATCH)
    loaded.unpack([1.0, 2.0])
    assert loaded.pack().tolist() == [1.0, 2.0]
    assert program.pack().tolist() == [0.3, 0.3]
    assert pickle.loads(pickle.dumps(loaded)).pack().tolist() == [1.0, 2.0]


def test_special_numbers_travel(tmp_path: Path) -> None:
    x = Value(0.0)
    terms = [x * math.inf, x * math.nan, x * -0.0, x * 5e-324, x + 0.1]
    program = compile(terms, [x], backend="numpy")
    program.save(tmp_path / "p")
    loaded = Program.load(tmp_path / "p", backend="numpy")
    assert str(loaded([], [[-1.0]]).tolist()) == str(program([], [[-1.0]]).tolist())


def test_a_program_of_nothing_but_a_leaf(tmp_path: Path) -> None:
    compile(Value(2.0), backend="numpy").save(tmp_path / "p")
    assert Program.load(tmp_path / "p", backend="numpy").value_and_grad([2.0])[1].tolist() == [1.0]


def test_no_file_and_no_folder(program: Program, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Program.load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="no folder"):
        program.save(tmp_path / "missing" / "p")
    with pytest.raises(ValueError, match="unknown backend"):
        Program.load(tmp_path / "missing", backend="fortran")


def test_files_cut_short(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    cuts = {*range(64), *range(len(data) - 64, len(data)), *range(0, len(data), 37)}
    for cut in cuts:
        refused(tmp_path, data[:cut])
    refused(tmp_path, b"PK" + data)
    refused(tmp_path, data[: len(data) // 2] + data[len(data) // 2 + 1 :])


def test_files_with_changed_bytes(program: Program, tmp_path: Path) -> None:
    """A changed byte is refused, or it was one that says nothing: then the program is the same."""
    program.save(tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    rng = random.Random(0)
    refusals = 0
    for _ in range(400):
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= rng.choice([1, 2, 16, 128, 255])
        stored = sound(bytes(changed))
        refusals += stored is None
        if stored:
            assert alike(stored[0], program.arrays)
            assert stored[1] == program.names
    assert refusals > 200


def alike(a: ArrayProgram, b: ArrayProgram) -> bool:
    """Whether two programs are the same, to the last number."""
    names = [field.name for field in fields(ArrayProgram)]
    return all(str(getattr(a, name)) == str(getattr(b, name)) for name in names)


@given(st.data())
@settings(max_examples=300)
def test_whatever_is_not_refused_can_be_followed(data: st.DataObject) -> None:
    """A number anywhere in the program is changed, and the checksum made to fit."""
    arrays = unpacked(_network())
    names = ["codes", "operands", "shapes", "varying", "tables", "pieces", "ends"]
    name = data.draw(st.sampled_from(names))
    place = data.draw(st.integers(0, arrays[name].size - 1))
    number = data.draw(st.one_of(st.integers(-3, 40), st.integers(-(2**40), 2**40)))
    limits = {"codes": 256, "varying": 2}
    number = number % limits[name] if name in limits else number
    content = forged(_network(), lambda a: a[name].flat.__setitem__(place, number))
    stored = sound(content)
    if stored:
        program, _, numbers = stored
        blocks = follow(program, numbers, np.ones((2, 3)))
        for k, block in enumerate(blocks):
            assert block.shape == (*program.shapes[k], 2 if program.varying[k] else 1)
            word, (base, start, s, t) = program[k].word, program[k].operands
            if word == "view" and start >= 0:
                n, m = program[k].shape
                ends = [start + s * i + t * j for i in (0, n - 1) for j in (0, m - 1)]
                assert 0 <= min(ends) <= max(ends) < program.shapes[base].prod()
        executor = NumpyExecutor(program)
        executor.outputs(numbers, np.ones((2, 3)))
        executor.value_and_grad(numbers, np.ones((2, 3)))


@cache
def _network() -> Program:
    """Products, tables, joins and pieces."""
    x = [Value(0.5) for _ in range(3)]
    w = [Value(0.1 * k) for k in range(8)]
    hidden = [autograd.dot(w[k : k + 3], x).tanh() for k in (0, 3)]
    mixed = autograd.sum([hidden[0] * w[6], x[2], hidden[1], w[0], w[5], w[1], x[0], x[1], w[7]])
    picked = [w[k] * x[j] for k, j in ((0, 2), (1, 0), (5, 1), (7, 2))]
    root = mixed * autograd.logsumexp([*hidden, w[2]]) + autograd.logsumexp(picked)
    return compile(root, x, parameters=w, backend="numpy")


def sound(content: bytes) -> Stored | None:
    """What is stored; None where that is refused. Any other error would be one of ours."""
    try:
        return from_bytes(content)
    except ValueError:
        return None


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04.", b"PK\x05\x06" + bytes(18)])
def test_files_of_another_kind(content: bytes, tmp_path: Path) -> None:
    refused(tmp_path, content)


def test_an_npz_of_something_else(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, weights=np.zeros(3))
    refused(tmp_path, stream.getvalue(), "other arrays than expected")


def test_a_pickle_inside_is_not_opened(program: Program, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    refused(tmp_path, forged(program, constants=np.array([Trap(str(sprung))], dtype=object)))
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(str(sprung))))
    assert sprung.exists()


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (((",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        b"{'descr': {}, 'fortran_order': False, 'shape': (1,), }",
        b"'",
        b"\t(\n  x",
        b"(" * 5000,
        b"",
    ],
)
def test_crafted_array_headers_are_refused(program: Program, tmp_path: Path, header: bytes) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in unpacked(program).items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            crafted = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
            odd = name == "constants"
            archive.writestr(f"{name}.npy", crafted if odd else content.getvalue())
    refused(tmp_path, stream.getvalue())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["codes"].fill(200), "an unknown operation"),
        (lambda a: a["codes"].fill(5), "odd leaves"),
        (lambda a: a["codes"][3:].fill(0), "odd leaves"),
        (lambda a: a["operands"].fill(10**12), "an operand out of range"),
        (lambda a: a["operands"].fill(10**6), "out of range"),
        (lambda a: a["operands"].fill(-2), "an operand out of range"),
        (lambda a: a["operands"].fill(3), "out of range"),
        (lambda a: a["shapes"].fill(2**40), "leaves of odd shape"),
        (lambda a: a["shapes"][3:].fill(2**29), "a block out of range"),
        (lambda a: a["shapes"][3:].fill(0), "out of range|odd shape|without numbers"),
        (lambda a: a["shapes"][3:].fill(7), "odd shape"),
        (lambda a: a["varying"].fill(True), "odd leaves"),
        (lambda a: a["varying"][3:].fill(True), "odd kind|waits for all rows"),
        (lambda a: a["pieces"].fill(10**6), "a piece out of range"),
        (lambda a: a["pieces"].fill(-9), "a piece out of range"),
        (lambda a: a["ends"].fill(10**6), "ends out of range"),
        (lambda a: a["ends"].fill(-1), "ends are missing"),
        (lambda a: a["ends"].fill(1), "ends of odd (shape|kind)"),
        (lambda a: a.update(ends=a["ends"][:1]), "ends are missing"),
        (lambda a: a.update(numbers=np.zeros(7)), "parameters are missing"),
        (lambda a: a.update(constants=np.zeros(0)), "leaves of odd shape"),
        (lambda a: a.update(operands=a["operands"][:, :2]), "odd shape"),
        (lambda a: a.update(operands=a["operands"][1:]), "odd length"),
        (lambda a: a.update(operands=a["operands"].astype("int32")), "not an array of int64"),
        (lambda a: a.update(ends=np.zeros((1, 1), "int64")), "odd shape"),
        (lambda a: a.update(table_ends=np.array([5])), "tables are missing"),
        (lambda a: a.update(table_ends=np.array([5, 0])), "tables out of order"),
    ],
)
def test_hostile_files_cannot_point_outside(
    program: Program, tmp_path: Path, change: object, words: str
) -> None:
    """The checksum is made to fit: what is inside is checked all the same."""
    refused(tmp_path, forged(program, change), words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"format": "payback program 1"},
            "the format is 'payback program 1', not 'payback program 2'",
        ),
        ({"inputs": [1, 2]}, "a label that is no text"),
        ({"inputs": []}, "leaves of odd shape"),
        ({"parameters": ["w"]}, "leaves of odd shape"),
        ({"places": [[10**9, 0, "x"]]}, "a label out of range"),
        ({"places": [[0, 10**9, "x"]]}, "a label out of range"),
        ({"places": [["0", 0, "x"]]}, "a register that is no number"),
        ({"places": 5}, "object is not iterable"),
        ({"words": ["jump"] * 80}, "does not know: jump"),
        ({"words": []}, "an unknown operation"),
        ({"sha256": "0"}, "the checksum does not match"),
    ],
)
def test_hostile_headers(program: Program, tmp_path: Path, change: dict, words: str) -> None:
    refused(tmp_path, forged(program, header=change), words)


def test_compressed_files_are_refused(program: Program, tmp_path: Path) -> None:
    """A small file cannot unfold into a large one."""
    arrays = unpacked(program)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    refused(tmp_path, stream.getvalue(), "is compressed")


def test_members_that_claim_to_be_larger_are_refused(program: Program, tmp_path: Path) -> None:
    data = bytearray(program.__reduce__()[1][0])
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    refused(tmp_path, bytes(data), "is compressed")


def test_arrays_with_something_behind_them_are_refused(program: Program, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in unpacked(program).items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            more = b"." if name == "pieces" else b""
            archive.writestr(f"{name}.npy", content.getvalue() + more)
    refused(tmp_path, stream.getvalue(), "pieces is not an array of int64")


def test_numbers_that_the_checksum_does_not_know_are_refused(
    program: Program, tmp_path: Path
) -> None:
    numbers = unpacked(program)["numbers"] + 1.0
    refused(tmp_path, forged(program, numbers=numbers), "the checksum does not match")


def test_what_is_no_zip_file_is_called_so(tmp_path: Path) -> None:
    refused(tmp_path, b"hello", "it does not start like a zip file")


def test_tables_and_pieces_travel(tmp_path: Path) -> None:
    program = _network()
    assert program.arrays.tables
    program.save(tmp_path / "p")
    loaded = Program.load(tmp_path / "p")
    assert alike(loaded.arrays, program.arrays)
    assert loaded.backend in ("native", "numpy")


def test_files_have_no_date(program: Program, tmp_path: Path) -> None:
    program.save(tmp_path / "p")
    with zipfile.ZipFile(tmp_path / "p") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_labels_travel_and_point_at_their_numbers(tmp_path: Path) -> None:
    x, w = (Value(0.5, label=name) for name in "xw")
    middle = x * w
    middle.label = "middle"
    program = compile(middle.sin() + x, [x], backend="numpy")
    program.save(tmp_path / "p")
    loaded = Program.load(tmp_path / "p", backend="numpy")
    assert loaded.names == program.names
    ((block, place),) = loaded.names.places
    assert (loaded.arrays[block].word, place) == ("mul", 0)
    last = len(program.arrays) - 1
    for label in ([len(program.arrays), 0, "x"], [-1, 0, "x"], [last, 1, "x"], [last, -1, "x"]):
        refused(tmp_path, forged(program, header={"places": [label]}), "a label out of range")


def test_deep_headers_are_refused(program: Program, tmp_path: Path) -> None:
    arrays = unpacked(program)
    arrays["header"] = np.frombuffer(b"[" * 100_000, dtype=np.uint8)
    refused(tmp_path, packed(arrays))


def unpacked(program: Program) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(program.__reduce__()[1][0])) as archive:
        return {name: archive[name] for name in archive.files}


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            archive.writestr(f"{name}.npy", content.getvalue())
    return stream.getvalue()


def forged(
    program: Program,
    change: object = lambda arrays: None,
    header: dict | None = None,
    **more: np.ndarray,
) -> bytes:
    """The file of a program with something changed, and a checksum that fits."""
    from autograd.compiler.storage import _digest

    arrays = {name: array.copy() for name, array in unpacked(program).items()}
    known = json.loads(arrays.pop("header").tobytes())
    change(arrays)
    arrays.update(more)
    if not more:
        known["sha256"] = _digest(arrays)
    known.update(header or {})
    arrays["header"] = np.frombuffer(json.dumps(known).encode(), dtype=np.uint8)
    return packed(arrays)


def refused(folder: Path, content: bytes, words: str = ".+") -> None:
    path = folder / "damaged"
    path.write_bytes(content)
    beginning = "damaged: this is not a program saved by payback, or it is damaged"
    with pytest.raises(ValueError, match=rf"{beginning} \((.* )?({words})\)$"):
        Program.load(path)
