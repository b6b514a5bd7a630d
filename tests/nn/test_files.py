"""Models in files: whole or not at all."""

import json
import struct
import sys
from contextlib import contextmanager

import pytest

from autograd import Value
from nn import MLP, Module
from nn.files import grouped

numpy = pytest.importorskip("numpy")
safetensors = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def model():
    return MLP(2, [3, 1], seed=1)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def refuses(path):
    """A model of the same shape says no in one line that names the file, and does not change."""
    model = MLP(2, [3, 1], seed=7)
    before = model.state_dict()
    with pytest.raises(ValueError, match="was not loaded") as refusal:
        model.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert model.state_dict() == before
    return str(refusal.value)


def test_a_saved_model_loads_to_the_last_bit(model, path):
    model.parameters()[0].data = 0.1 + 0.2
    model.parameters()[1].data = -5e-324
    model.save(path)
    other = MLP(2, [3, 1], seed=2)
    other.load(path)
    assert other.state_dict() == model.state_dict()


def test_any_safetensors_reader_sees_one_vector_of_weights_per_neuron(model, path):
    tensors = safetensors.load_file(path)
    weights = [parameter.data for parameter in model.layers[0].neurons[2].w]
    assert tensors["layers.0.neurons.2.w"].tolist() == weights
    assert tensors["layers.1.neurons.0.b"].shape == ()
    assert {tensor.dtype.name for tensor in tensors.values()} == {"float64"}


def test_a_file_cut_at_any_byte_is_refused(path, tmp_path):
    whole = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        refuses(cut)


def test_a_file_with_bytes_added_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    refuses(path)


def test_a_file_with_any_header_byte_changed_never_half_loads(path, tmp_path):
    whole = path.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    bad = tmp_path / "bad.safetensors"
    for place in range(header):
        bad.write_bytes(whole[:place] + b"#" + whole[place + 1 :])
        model = MLP(2, [3, 1], seed=7)
        before = model.state_dict()
        try:
            model.load(bad)
        except ValueError:
            assert model.state_dict() == before
        else:  # the changed byte was in the metadata, or was "#" already
            assert model.state_dict() == MLP(2, [3, 1], seed=1).state_dict()


def test_a_file_with_any_bit_of_a_number_changed_is_refused(path, tmp_path):
    whole = path.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    bad = tmp_path / "bad.safetensors"
    for place in range(header, len(whole)):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert "it is damaged" in refuses(bad)


def test_a_file_without_a_checksum_by_another_program_loads(model, path):
    path.write_bytes(safetensors.save(safetensors.load_file(path)))
    other = MLP(2, [3, 1], seed=2)
    other.load(path)
    assert other.state_dict() == model.state_dict()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04K\x01.", b"{}", b"\xff" * 64])
def test_other_formats_are_refused(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    assert "damaged or not a safetensors file" in refuses(path)


@pytest.mark.parametrize("sizes", [(2, [4, 1]), (3, [3, 1]), (2, [3, 2]), (2, [3, 3, 1]), (2, [1])])
def test_a_model_of_another_shape_is_refused(tmp_path, sizes):
    path = tmp_path / "other.safetensors"
    MLP(*sizes, seed=1).save(path)
    assert "damaged" not in refuses(path)


def test_whole_numbers_in_a_file_are_refused(tmp_path, path):
    tensors = safetensors.load_file(path)
    tensors["layers.1.neurons.0.b"] = numpy.array(1)
    path.write_bytes(safetensors.save(tensors))
    assert "layers.1.neurons.0.b should be float64 of shape ()" in refuses(path)


def test_a_hostile_header_length_is_refused(tmp_path):
    path = tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + json.dumps({}).encode())
    refuses(path)


def test_a_missing_file_is_a_missing_file(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "nothing")


def test_saving_where_it_cannot_be_keeps_the_old_file(model, path, monkeypatch):
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full_disk)
    model.parameters()[0].data = 99.0
    with pytest.raises(OSError, match="no space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("keys", [[1, 0], [0, 5]])
def test_a_model_that_numbers_its_parts_otherwise_is_no_damage(tmp_path, keys):
    one, other = Module(), Module()
    one.parts, other.parts = ({k: Value(2.0 + k) for k in each} for each in ([0, 1], keys))
    path = other.save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="damaged, or another model's"):
        one.load(path)
    assert one.state_dict() == {"parts.0": 2.0, "parts.1": 3.0}


def test_numbers_that_changed_places_are_damage(path):
    """All of them are still there."""
    tensors = safetensors.load_file(path)
    with safetensors_metadata(path) as metadata:
        a, b = "layers.0.neurons.0.w", "layers.0.neurons.1.w"
        tensors[a], tensors[b] = tensors[b], tensors[a]
        path.write_bytes(safetensors.save(tensors, metadata=metadata))
    assert "it is damaged" in refuses(path)


@contextmanager
def safetensors_metadata(path):
    content = path.read_bytes()
    yield json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]


def test_the_order_of_assignment_does_not_matter(tmp_path):
    ours, theirs = Module(), Module()
    ours.slope, ours.shift = Value(2.0), Value(1.0)
    theirs.shift, theirs.slope = Value(0.0), Value(0.0)
    ours.save(tmp_path / "line")
    theirs.load(tmp_path / "line")
    assert (theirs.slope.data, theirs.shift.data) == (2.0, 1.0)


def test_names_that_are_numbers_are_names():
    assert grouped(["0", "1", "w.0", "w.1"]) == {"0": ["0"], "1": ["1"], "w": ["w.0", "w.1"]}


def test_a_lone_number_of_a_list_is_a_vector_of_one(tmp_path):
    model = MLP(1, [1], seed=1)
    model.save(tmp_path / "one")
    assert safetensors.load_file(tmp_path / "one")["layers.0.neurons.0.w"].shape == (1,)
    other = MLP(1, [1], seed=2)
    other.load(tmp_path / "one")
    assert other.state_dict() == model.state_dict()


def test_a_file_says_what_wrote_it(path):
    with safetensors_metadata(path) as metadata:
        assert metadata["format"] == "payback"


def test_a_tensor_nobody_expects_is_a_name_without_a_number(path):
    from nn import files

    expected = ["layers.1.neurons.0.b"]
    numbers = files.load(path, names=expected)
    assert numbers.keys() - expected == {
        *grouped(MLP(2, [3, 1], seed=1).state_dict()).keys() - expected
    }
    assert {numbers[name] for name in numbers.keys() - expected} == {0.0}


@pytest.mark.parametrize("package", ["numpy", "safetensors.numpy"])
def test_what_is_not_installed_is_named_with_how_to_get_it(model, tmp_path, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"\[train\]"):
        model.save(tmp_path / "model")


def test_a_state_that_another_program_wrote_number_by_number_loads(model, path):
    named = {name: numpy.array(number) for name, number in model.state_dict().items()}
    path.write_bytes(safetensors.save(named))
    other = MLP(2, [3, 1], seed=2)
    other.load(path)
    assert other.state_dict() == model.state_dict()


def test_half_a_state_number_by_number_is_refused(model, path):
    named = {name: numpy.array(number) for name, number in model.state_dict().items()}
    del named["layers.0.neurons.1.w.1"]
    path.write_bytes(safetensors.save(named))
    assert "layers.0.neurons.1.w.1 missing" in refuses(path)


def test_two_tensors_for_one_number_are_refused(path):
    tensors = safetensors.load_file(path)
    path.write_bytes(safetensors.save({**tensors, "layers.0.neurons.0.w.1": numpy.array(7.0)}))
    assert "it has two tensors for layers.0.neurons.0.w.1" in refuses(path)


def test_numbers_of_a_type_that_numpy_has_not_are_no_damage(path):
    header = {"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0\0")
    assert "a type that NumPy has not: 'BF16'" in refuses(path)
