"""The command as a user meets it: what it prints, what it writes, how it refuses."""

import errno
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd
from autograd import cli
from autograd.arguments import COMMANDS, EXAMPLES, help_of
from autograd.views.text import columns

SEED = ["(a+b)*(b+1)", "a=2", "b=1"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def payback(*words, **options):
    """Run the real command."""
    return subprocess.run(
        [sys.executable, "-m", "autograd", *words],
        capture_output=True,
        encoding="utf-8",
        env={**ENVIRONMENT, **options},
        timeout=120,
    )


def run(capsys, *words):
    """Run the command in this process: exit code, stdout, stderr."""
    code = cli.main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def rows(text):
    """Lines as lists of cells."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


def test_show_prints_values_repayments_and_gradients(capsys):
    code, out, err = run(capsys, "show", *SEED)
    assert (code, err) == (0, "")
    told = rows(out)
    for row in (["a", "2"], ["b", "1"], ["c", "a + b", "3"], ["d", "b + 1", "2"]):
        assert row in told
    assert ["∂e/∂a", "2", "2"] in told
    assert ["∂e/∂b", "1", "5"] in told
    story = autograd.trace(cli.parse(SEED[0]).evaluate({"a": 2, "b": 1}))
    steps = [step.text.en for step in story.steps if step.kind != "eval"]
    places = [out.index(text) for text in steps]
    assert places == sorted(places)


def test_show_in_chinese(capsys):
    code, out, _ = run(capsys, "show", *SEED, "--lang", "zh")
    assert code == 0
    assert "还款" in out
    assert "梯度" in out
    story = autograd.trace(cli.parse(SEED[0]).evaluate({"a": 2, "b": 1}))
    assert all(step.text.zh in out for step in story.steps if step.kind == "pay")
    assert run(capsys, "--lang", "zh", "show", *SEED)[1] == out


def test_show_of_a_constant(capsys):
    code, out, _ = run(capsys, "show", "1 + 2")
    assert code == 0
    assert out.startswith("3\n3 is a constant")


def test_piped_output_is_plain_and_unwrapped():
    done = payback(
        "show", "+".join(f"name_{i}" for i in range(30)), *(f"name_{i}=1" for i in range(30))
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert max(map(len, done.stdout.splitlines())) > 80


def test_paths_lists_and_counts(capsys):
    code, out, _ = run(capsys, "paths", *SEED)
    assert code == 0
    told = rows(out)
    for row in (
        ["e → c → a", "2 · 1 = 2"],
        ["e → c → b", "2 · 1 = 2"],
        ["e → d → b", "3 · 1 = 3"],
        ["sum", "2 + 3 = 5"],
    ):
        assert row in told
    assert "6 times" in out
    assert "5 edges once" in out
    assert "6 次" in run(capsys, "paths", *SEED, "--lang", "zh")[1]


def test_one_edge_is_one_edge(capsys):
    assert run(capsys, "paths", "-a", "a=1")[1].endswith(
        "Walking every path uses an edge once.\nPaying back uses the only edge once.\n"
    )


@pytest.mark.parametrize("word", ["help", "version"])
def test_an_option_that_is_meant_is_named(capsys, word):
    assert f"did you mean --{word}?" in run(capsys, word)[2]


@pytest.mark.parametrize("formula", ["a", "[a, b][0]", "take([a, b], 0)"])
def test_the_path_from_a_name_to_itself_uses_no_edge(capsys, formula):
    code, out, _ = run(capsys, "paths", formula, "a=-3", *["b=2"] * ("b" in formula))
    assert code == 0
    assert ["a", "1"] in rows(out)
    assert "gradient 1\n" in out
    assert "a → b: 0 paths, gradient 0\n\n" in out or formula == "a"


def test_paths_of_a_ladder_stop_at_the_limit(capsys):
    ladder = "a"
    for _ in range(40):
        ladder = f"({ladder})*2+a"
    square = "a*a*" * 20 + "a"
    code, out, _ = run(capsys, "paths", square, "a=1", "--limit", "3")
    assert code == 0
    assert "38 more not shown" in out
    assert run(capsys, "paths", ladder, "a=1")[0] == 0


def test_check_agrees_and_says_what_it_cost(capsys):
    code, out, _ = run(capsys, "check", "exp(-x**2)/y", "x=0.5", "y=3")
    assert code == 0
    assert [row[0] for row in rows(out) if row[-1] == "ok"] == ["x", "y"]
    assert "4 times" in out
    assert "一致" in run(capsys, "check", "x*x", "x=3", "--lang", "zh")[1]


@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        ("relu(x)", "0"),
        ("abs(x) + relu(x)", "0"),
        ("2*maximum(x, 0) + relu(x)", "1"),
        ("sqrt(x)", "inf"),
    ],
)
def test_check_tells_a_kink_from_a_mistake(capsys, formula, slope):
    code, out, _ = run(capsys, "check", formula, "x=0")
    assert code == 0
    [row] = [row for row in rows(out) if row[0] == "x"]
    assert (row[2], row[-1]) == (slope, "kink")
    assert f"By convention x gets {slope}" in out
    assert "折点" in run(capsys, "check", formula, "x=0", "--lang", "zh")[1]


def test_check_takes_no_difference_for_a_slope(capsys):
    # the slope of √x at 0 is infinite to the right, that of √|x| on both sides
    for formula in ("sqrt(x)", "sqrt(abs(x))"):
        out = run(capsys, "check", formula, "x=0")[1]
        assert "406.3747 to the right" in out
        assert "slope" not in out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [20, 24, 30, 40, 60, 80])
def test_a_number_is_never_broken_in_two(capsys, monkeypatch, width, lang):
    monkeypatch.setenv("COLUMNS", str(width))
    formula = ["a*b + sigmoid(a)", "a=-1.234567e-300", "b=0.3333333", "--lang", lang]
    for command, numbers in [
        ("show", {"-1.234567e-300": 3, "0.3333333": 2, "-4.115223e-301": 1, "0.5833333": 1}),
        ("check", {"-1.234567e-300": 1, "0.3333333": 1, "0.5833333": 2}),
    ]:
        code, out, _ = run(capsys, command, *formula)
        assert code == 0
        told = out.split("Repayment")[0] + out.split("Gradients")[-1] if lang == "en" else out
        for number, times in numbers.items():
            assert told.split().count(number) >= times


def test_a_table_is_a_list_only_where_its_numbers_do_not_fit(capsys, monkeypatch):
    table = "输入   值    还款所得   差分所得   误差      结论\nabcd   nan   nan"
    for width, start in [(51, table), (50, "输入   abcd\n值   nan\n还款所得   nan\n")]:
        monkeypatch.setenv("COLUMNS", str(width))
        _, out, _ = run(capsys, "check", "exp(abcd)", "abcd=nan", "--lang", "zh")
        assert out.startswith(start)


@pytest.mark.parametrize("words", [["exp(x)", "x=1000"], ["sign(x)", "x=0"], ["x", "x=nan"]])
def test_check_says_where_differences_decide_nothing(capsys, words):
    code, out, _ = run(capsys, "check", *words)
    told = [row[-1] for row in rows(out) if row[0] == "x"]
    assert (code, told) == (0, ["open"])
    name, value = words[1].split("=")
    assert f"At {name} = {value} differences decide nothing" in out
    assert "未定" in run(capsys, "check", *words, "--lang", "zh")[1]


def test_check_exits_1_where_differences_disagree(capsys):
    code, out, _ = run(capsys, "check", "sqrt(x - x)", "x=1")
    assert code == 1
    assert "wrong" in out


def test_check_of_very_many_names_is_quick_enough_to_wait_for(capsys):
    names = [f"a{i}" for i in range(600)]
    code, out, _ = run(capsys, "check", "+".join(names), *(f"{name}=0.5" for name in names))
    assert code == 0
    assert out.count("  ok") == 600
    assert "1200 times" in out


@pytest.mark.parametrize(
    ("name", "start", "needed"),
    [
        ("e.svg", b"<svg", "graphviz"),
        ("e.png", b"\x89PNG", "typst"),
        ("e.pdf", b"%PDF", "typst"),
        ("e.dot", b"di", "graphviz"),
    ],
)
def test_draw(capsys, tmp_path, name, start, needed):
    pytest.importorskip(needed)
    path = tmp_path / name
    code, out, _ = run(capsys, "draw", *SEED, "-o", str(path))
    assert code == 0
    assert path.read_bytes().startswith(start)
    assert f"{path.stat().st_size:,} bytes" in out


def test_a_formula_without_names_can_be_drawn(capsys, tmp_path):
    assert run(capsys, "draw", "1+2", "-o", str(tmp_path / "e.svg"))[0] == 0


def test_special_values_are_shown(capsys):
    code, out, _ = run(capsys, "show", "log(x)/x", "x=0")
    assert code == 0
    assert ["∂z/∂x", "0", "inf"] in rows(out)


def test_draw_options(capsys, tmp_path):
    path = tmp_path / "e.svg"
    options = ["--rankdir", "TB", "--theme", "dark", "--no-gradients", "--lang", "zh"]
    assert run(capsys, "draw", *options, *SEED, "-o", str(path))[0] == 0
    text = path.read_text("utf-8")
    assert "@media" not in text
    assert "梯度" not in text
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_options_may_stand_anywhere(capsys, tmp_path):
    path = str(tmp_path / "e.svg")
    for words in (
        ["-o", path, *SEED],
        [SEED[0], "-o", path, *SEED[1:]],
        [*SEED, f"--output={path}"],
    ):
        assert run(capsys, "draw", *words)[0] == 0


def test_expressions_and_values_may_begin_with_a_minus(capsys):
    assert "-4" in run(capsys, "show", "-a**2", "a=-2")[1]
    assert run(capsys, "show", "-(a)", "a=-1e-3")[0] == 0
    assert run(capsys, "show", "--a", "a=1")[0] == 0
    assert run(capsys, "show", "--exp(a)", "a=1")[0] == 0
    assert run(capsys, "show", "---a", "a=1")[0] == 0


def test_file_names_may_begin_with_a_minus(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-x.svg", " y.svg"):
        assert run(capsys, "draw", *SEED, "-o", name)[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"-x.svg", " y.svg"}


def test_why_nobody_is_owed_anything(capsys):
    assert "the expression has no names" in run(capsys, "check", "1 + 2")[2]
    assert "depends on no name" in run(capsys, "check", "where(1 < 2, 3, a)", "a=1")[2]


def test_a_name_that_changes_nothing_has_gradient_0(capsys):
    told = rows(run(capsys, "show", "where(1 < 2, a, b) * 3", "a=1", "b=2")[1])
    assert told[-2:] == [["∂c/∂a", "1", "3"], ["∂c/∂b", "2", "0"]]


def test_page(capsys, tmp_path):
    path = tmp_path / "e.html"
    assert run(capsys, "page", *SEED, "-o", str(path))[0] == 0
    assert path.read_text("utf-8").lower().startswith("<!doctype html>")


def test_step_without_a_terminal_prints_and_ends():
    done = payback("step", *SEED)
    assert done.returncode == 0
    assert "5" in done.stdout


def test_version_and_help(capsys):
    for words, said in ((["--version"], autograd.__version__), (["--help"], "payback draw")):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 0
        assert said in capsys.readouterr().out
    assert run(capsys)[0] == 0
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
        assert f"payback {command} " in capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            cli.main([command, *SEED, "--help"])
        assert ended.value.code == 0
        assert f"payback {command} " in capsys.readouterr().out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_fits_a_terminal_of_eighty_columns(command, lang):
    assert [line for line in help_of(command, lang).splitlines() if columns(line) > 80] == []


@pytest.mark.parametrize("line", [line for line, name in EXAMPLES if name != "serve"])
def test_every_example_in_the_help_works(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(line)
    assert payback(*words).returncode == 0


# --- refusals ------------------------------------------------------------------------------------

REFUSED = [
    ["show", "a+b", "a=1"],
    ["show", "a+b", "a=1", "b=2", "c=3"],
    ["show", "a", "a=1", "a=2"],
    ["show", "a", "a=x"],
    ["show", "a", "a="],
    ["show", "a", "a=1e999"],
    ["show", "a", "=1"],
    ["show", "a", "a"],
    ["show", "a", "a-b=1"],
    ["show", "a", "a=1", "--unknown"],
    ["show", "a", "a=1", "--lang", "de"],
    ["show", "a", "a=1", "--lang"],
    ["show", "a", "a=1", "-o", "x.svg"],
    ["show"],
    ["show", ""],
    ["shwo", "a", "a=1"],
    ["paths", "a", "a=1", "--limit", "-1"],
    ["paths", "a", "a=1", "--limit", "many"],
    ["draw", "a", "a=1"],
    ["draw", "a", "a=1", "-o", "e.jpg"],
    ["draw", "a", "a=1", "-o", "e"],
    ["draw", "a", "a=1", "-o", "nowhere/e.svg"],
    ["draw", "a", "a=1", "-o", "."],
    ["draw", "+".join("a" * 400), "a=1", "-o", "e.svg"],
    ["page", "1+2", "-o", "e.html"],
    ["page", "a", "a=1", "-o", "nowhere/e.html"],
    ["page", "a", "a=1", "-o", "."],
    ["page", "a", "a=1", "-o", "e.svg"],
    ["page", "a", "a=1", "-o", ""],
    ["step", "a", "a=1", "--mode", "quick"],
    ["step", "a", "a=1", "--mode"],
    ["draw", "a", "a=1", "-o", "e.svg", "--no-gradients=no"],
    ["--completion", "tcsh"],
    ["--limit", "3", "show", "a", "a=1"],
    ["serve", "--port", "65536"],
    ["serve", "a+b", "a=1"],
    ["serve", "1+"],
    ["step", "1+2"],
    ["check", "1+2"],
    ["paths", "1+2"],
    ["show", "__import__('os')", "a=1"],
    ["show", "affine(a)[0]", "a=1"],
    ["show", "(" * 5000 + "a" + ")" * 5000, "a=1"],
    ["show", "-" * 5000 + "a", "a=1"],
    ["show", "a" * 100_000, "a=1"],
    ["show", "a\x1b[31m\x07\r\n" * 3, "a=1"],
    ["show", "a", "a\x1b]0;x\x07=1"],
    ["show", "a", "a=1\n2"],
    ["\x1b[31m"],
]


@pytest.mark.parametrize(
    "words", REFUSED, ids=lambda words: " ".join(words)[:40].encode("unicode_escape").decode()
)
def test_user_errors_are_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"payback: [^\x00-\x1f\x7f]{10,400}\n", err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", REFUSED, ids=lambda words: " ".join(words)[:40].encode("unicode_escape").decode()
)
def test_user_errors_are_told_in_chinese(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    if "--lang" not in words:
        code, out, err = run(capsys, "--lang", "zh", *words)
        assert (code, out) == (2, "")
        assert re.search("[\u4e00-\u9fff]", err)
        assert not re.search("[\u4e00-\u9fff][,;:(]", err)


def test_both_languages_have_the_same_sentences_and_gaps():
    told = json.loads(Path(cli.__file__).with_name("messages.json").read_text("utf-8"))
    for room, languages in told.items():
        assert languages["en"].keys() == languages["zh"].keys(), room
        for key, sentence in languages["en"].items():
            gaps = [
                sorted(re.findall(r"{(\w*)", text)) for text in (sentence, languages["zh"][key])
            ]
            assert gaps[0] == gaps[1], (room, key)


def test_no_english_is_left_in_the_chinese_help(capsys):
    for command in ("", *COMMANDS):
        with pytest.raises(SystemExit):
            cli.main([*([command] if command else []), "--help", "--lang", "zh"])
        told = capsys.readouterr().out
        lines = [line for line in told.splitlines() if "payback " not in line and line.strip()]
        assert all(re.search("[\u4e00-\u9fff]", line) for line in lines), told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys, shell):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    program = shutil.which(shell)
    if program:
        done = subprocess.run([program, "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["payback", "sh"], {"show"}),
        (["payback", "draw", "--th"], {"--theme"}),
        (["payback", "draw", "--theme", ""], {"auto", "light", "dark"}),
        (["payback", "step", "--mode", "i"], {"impatient"}),
        (["payback", "show", "--theme"], set()),
    ],
)
def test_bash_completes(capsys, line, expected):
    with pytest.raises(SystemExit):
        cli.main(["--completion", "bash"])
    script = capsys.readouterr().out
    words = " ".join(map(shlex.quote, line))
    script += (
        f'COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _payback; echo "${{COMPREPLY[*]}}"'
    )
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True)
    assert set(done.stdout.split()) == expected


UNSEEN = "\x00-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*COMMANDS, "a", "a=1", "a*b", "b=2", "--lang", "zh", "-o", "--", "-h"]),
    st.sampled_from(["--limit", "3", "--mode", "naive", "--port", "--theme", "=", "a=", "--x=1"]),
    st.text("ab+-*/()[],.=<> 12e", max_size=12),
)


@given(st.lists(WORDS, max_size=6))
def test_whatever_is_typed_is_answered_or_refused_in_one_line(words):
    assume("serve" not in words and "-o" not in words and "--output" not in words)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main([word.replace("\x00", "") for word in words])
        except SystemExit as ended:
            code = ended.code
    assert code in (0, 1, 2)
    if code == 2:
        told = err.getvalue()
        assert out.getvalue() == ""
        assert re.fullmatch(
            r"payback: [^\x00-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+\n", told
        )
    else:
        assert err.getvalue() == ""


def test_limit_is_told_in_words_of_the_command_line(capsys, tmp_path):
    words = ["draw", "+".join("a" * 400), "a=1", "-o", str(tmp_path / "e.svg")]
    assert "--max-nodes 400 draws it" in run(capsys, *words)[2]
    words = ["page", "a+a+a", "a=1", "-o", str(tmp_path / "e.html")]
    code, _, err = run(capsys, *words, "--max-nodes", "2")
    assert code == 2
    assert "raise --max-nodes" in err
    assert run(capsys, *words, "--max-nodes", "3")[0] == 0
    words = ["draw", "a+a+a", "a=1", "-o", str(tmp_path / "e.dot")]
    assert run(capsys, *words, "--max-nodes", "2")[0] == 2
    assert run(capsys, *words, "--max-nodes", "3")[0] == 0


@pytest.mark.parametrize("words", [["show"], ["draw", "-o", "e.svg"]])
def test_a_missing_expression_is_asked_for(capsys, words):
    assert f"{words[0]} needs an expression, as in" in run(capsys, *words)[2]
    assert f"{words[0]} 需要一个表达式，例如" in run(capsys, *words, "--lang", "zh")[2]


@pytest.mark.parametrize("words", [["shwo", "a"], ["show", "tanhh(a)", "a=1"]])
def test_near_misses_are_guessed(capsys, words):
    assert "did you mean" in run(capsys, *words)[2]


def test_behind_two_minus_signs_nothing_is_an_option(capsys):
    code, out, _ = run(capsys, "show", "--", "--ab", "ab=2")
    assert (code, rows(out)[-1][-1]) == (0, "1")
    assert run(capsys, "show", "--ab", "ab=2")[0] == 2


def test_a_second_equals_sign_is_no_number(capsys):
    code, _, err = run(capsys, "show", "a", "a=1=2")
    assert (code, err.count("\n")) == (2, 1)


def test_a_count_has_up_to_nine_digits(capsys):
    assert run(capsys, "paths", "a*b", "a=1", "b=2", "--limit", "9" * 9)[0] == 0
    assert run(capsys, "paths", "a*b", "a=1", "b=2", "--limit", "1" * 10)[0] == 2


def test_the_real_process_refuses_with_2_and_no_traceback():
    done = payback("show", "a.b", "a=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_on_a_terminal_a_caret_points_at_the_place(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, err = run(capsys, "show", "权+tanhh(b)", "b=1")
    assert err.splitlines()[1:] == ["  权+tanhh(b)", "     ^"]


@pytest.mark.parametrize("command", ["draw", "page"])
def test_an_existing_file_survives_every_failure(capsys, tmp_path, monkeypatch, command):
    path = tmp_path / ("e.svg" if command == "draw" else "e.html")
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run(capsys, command, *SEED, "-o", str(path))
    assert (code, err) == (2, f"payback: cannot write {path}: No space left on device\n")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOENT, "没有这个文件夹"),
        (errno.EISDIR, "这是一个文件夹"),
        (errno.EACCES, "没有权限"),
        (errno.EPERM, "没有权限"),
        (errno.ENOSPC, "磁盘已满"),
        (errno.EROFS, "磁盘只读"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_why_the_system_refused_is_told_in_chinese(capsys, tmp_path, monkeypatch, number, said):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refused)
    words = ["draw", *SEED, "-o", str(tmp_path / "e.dot"), "--lang", "zh"]
    assert run(capsys, *words)[::2] == (2, f"payback: 无法写入 {tmp_path / 'e.dot'}：{said}\n")


def test_without_graphviz_there_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    code, _, err = run(capsys, "draw", *SEED, "-o", str(tmp_path / "e.svg"))
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("payback: drawing needs Graphviz: `pip install 'pygraphviz>=2'`")


def test_a_folder_that_cannot_be_written(capsys, tmp_path, monkeypatch):
    opened = os.open

    def refused(path, *rest, **named):
        if str(path).endswith(".part"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **named)

    monkeypatch.setattr(os, "open", refused)
    words = ["draw", *SEED, "-o", str(tmp_path / "e.svg")]
    code, _, err = run(capsys, *words)
    assert code == 2
    assert err.endswith("e.svg: Permission denied\n")
    assert run(capsys, *words, "--lang", "zh")[2].endswith("e.svg：没有权限\n")


def test_a_closed_pipe_is_quiet():
    words = ["show", "+".join("a" * 3000), "a=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "autograd", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the streams")
@pytest.mark.parametrize(
    ("streams", "words", "code"),
    [
        (">&-", ["show", *SEED], 0),
        (">&- 2>&-", ["check", *SEED], 0),
        ("<&- >&- 2>&-", ["draw", *SEED, "-o", "e.svg"], 0),
        ("2>&-", ["show", "("], 2),
    ],
)
def test_closed_streams_are_no_failure(tmp_path, streams, words, code):
    command = shlex.join([sys.executable, "-m", "autograd", *words])
    done = subprocess.run(
        ["sh", "-c", f"{command} {streams}"],
        capture_output=True,
        env=ENVIRONMENT,
        cwd=tmp_path,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
    if "draw" in words:
        assert ElementTree.parse(tmp_path / "e.svg").getroot().tag.endswith("svg")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("words", [["show", *SEED], ["draw", *SEED, "-o", "e.svg"]])
def test_output_that_cannot_be_written_is_one_line(tmp_path, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "autograd", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=ENVIRONMENT,
            cwd=tmp_path,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (2, "payback: cannot print: No space left on device\n")


class Broken(io.StringIO):
    """A stream on which nothing can be written."""

    def __init__(self, error, descriptor):
        super().__init__()
        self.error, self.descriptor = error, descriptor

    def write(self, text):
        raise self.error

    def fileno(self):
        return self.descriptor


@pytest.mark.skipif(os.name == "nt", reason="/dev/null is another file there")
@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (OSError(28, "No space left"), 2, "payback: cannot print: No space left\n"),
    ],
)
def test_what_cannot_be_printed_is_given_up(tmp_path, monkeypatch, error, code, told):
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with open(tmp_path / "out", "w") as out:
        for words in (["show", *SEED], ["--help"]):
            monkeypatch.setattr(sys, "stdout", Broken(error, out.fileno()))
            err.truncate(0)
            assert (cli.main(words), err.getvalue().lstrip("\0")) == (code, told)
        assert os.path.samestat(os.fstat(out.fileno()), os.stat(os.devnull))


@pytest.mark.skipif(os.name == "nt", reason="/dev/null is another file there")
@pytest.mark.parametrize(("lang", "told"), [("en", "wrote to {}\n"), ("zh", "已写到 {}\n")])
def test_what_is_written_through_has_no_size(capsys, tmp_path, lang, told):
    path = tmp_path / "e.svg"
    path.symlink_to(os.devnull)
    assert cli.main(["draw", *SEED, "-o", str(path), "--lang", lang]) == 0
    assert capsys.readouterr().out == told.format(path)


def test_the_name_of_a_file_is_printed_as_it_is(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "draw", *SEED, "-o", "[b]:smile:.dot")
    size = (tmp_path / "[b]:smile:.dot").stat().st_size
    assert (code, out) == (0, f"wrote [b]:smile:.dot ({size} bytes)\n")


def test_the_playground_is_served_until_ctrl_c(capsys, monkeypatch):
    from autograd.views.serve import Playground

    asked = []

    def interrupted(server):
        asked.append((server.first.formula, server.first.values, server.first.lang, server.lang))
        raise KeyboardInterrupt

    monkeypatch.setattr(Playground, "serve_forever", interrupted)
    for words in ([], [" x*y ", "x=3", "y=4"], ["x", "x=1", "--lang", "zh"]):
        code, out, err = run(capsys, "serve", "--port", "65535", *words)
        assert (code, err) == (0, "")
        assert re.search(r"http://127\.0\.0\.1:\d+/\n.*Ctrl-C.*\n\n.+\n$", out)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        out = run(capsys, "serve", "--port", str(port))[1]
    del asked[-1]
    busy, at = out.splitlines()[:2]
    assert str(port) in busy
    assert busy.count(at.rpartition(":")[2].rstrip("/")) == 1
    first = ("(a+b)*(b+1)", "a=2 b=1")
    assert asked == [(*first, None, "en"), ("x*y", "x=3 y=4", None, "en"), ("x", "x=1", "zh", "zh")]


def test_ctrl_c_is_quiet_and_130(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.RUN, "show", interrupted)
    assert run(capsys, "show", *SEED) == (130, "", "")


def test_no_color_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run_output = run(capsys, "show", *SEED)[1]
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", run_output)


@pytest.mark.parametrize("width", [30, 60])
def test_narrow_terminals_wrap(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = re.sub(r"\x1b\[[0-9;]*m", "", run(capsys, "show", *SEED)[1])
    assert max(map(len, out.splitlines())) <= width


@pytest.mark.parametrize("width", [0, 1, 20])
@pytest.mark.parametrize("terminal", [True, False])
def test_the_narrowest_terminals_lose_no_number(monkeypatch, capsys, width, terminal):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    out = re.sub(r"\x1b\[[0-9;]*m", "", run(capsys, "check", "a*b", "a=2.5", "b=7")[1])
    first, second = out.replace("\n\n", "\0").replace("\n", " ").split("\0")
    assert first.startswith("input   a value   2.5 by repayment   7 by differences   7 ")
    assert second.startswith("input   b value   7 by repayment   2.5 by differences   2.5 ")
    assert "∂e/∂b" in run(capsys, "show", *SEED)[1]


def test_output_that_cannot_show_every_sign():
    done = subprocess.run(
        [sys.executable, "-m", "autograd", "show", *SEED],
        capture_output=True,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize(("lang", "said"), [("en", "this needs "), ("zh", "这需要 ")])
def test_a_missing_extra_is_named_in_either_language(capsys, tmp_path, monkeypatch, lang, said):
    for suffix, package in ((".png", "typst"), (".pdf", "typst")):
        monkeypatch.setitem(sys.modules, package, None)
        path = tmp_path / f"e{suffix}"
        code, out, err = run(capsys, "draw", "a*2", "a=1", "-o", str(path), "--lang", lang)
        assert (code, out) == (2, "")
        assert f"{said}{package}" in err
        assert 'pip install "payback[pictures]"' in err
        assert not path.exists()


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "cp437", "ascii", "utf-8"])
def test_a_minus_is_a_minus_in_every_encoding(encoding):
    told = {}
    for name in (encoding, "utf-8"):
        words = [sys.executable, "-m", "autograd", "step", "a*b-a", "a=-2", "b=-3.5"]
        env = {**ENVIRONMENT, "PYTHONIOENCODING": name, "PYTHONUTF8": "0"}
        done = subprocess.run(words, capture_output=True, env=env, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
        told[name] = done.stdout.decode(name)
    assert "?" not in told[encoding]
    numbers = [re.findall(r"-?\d[\d.]*", text.replace("−", "-")) for text in told.values()]
    assert numbers[0] == numbers[-1]


def test_products_of_negative_numbers_have_parentheses(capsys):
    out = run(capsys, "paths", "-(a*b) + a*a", "a=-2", "b=3")[1]
    assert "1 · (-1) · 3 = -3" in out
    assert "1 · (-2) = -2" in out
    assert "-3 + (-2) + (-2) = -7" in out
