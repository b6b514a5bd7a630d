"""The formula language: right answers (Python's own for what both can say), clear refusals."""

# ruff: noqa: E501  (a sentence a line)

import itertools
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Value, functions, topological_order
from autograd.expression import (
    DEEPEST,
    FUNCTIONS,
    LONGEST,
    ExpressionError,
    parse,
    parse_number,
    parse_values,
)


def value_of(text, **values):
    return parse(text).evaluate(values).data


# --- what is understood --------------------------------------------------------------------------


def test_the_seed_expression():
    e = parse("(a+b)*(b+1)").evaluate({"a": 2.0, "b": 1.0})
    e.backward()
    told = {node.label: (node.data, node.grad) for node in topological_order(e) if node.label}
    assert told == {"a": (2, 2), "b": (1, 5), "c": (3, 2), "d": (2, 3), "e": (6, 1)}


def test_a_named_result_is_one_node_however_often_it_is_used():
    c = parse("b = a + a; c = b*b; b + c").evaluate({"a": 3.0})
    c.backward()
    told = {node.label: (node.data, node.grad) for node in topological_order(c)}
    assert told == {"a": (3, 26), "b": (6, 13), "c": (36, 1), "d": (42, 1)}
    assert len(topological_order(parse("(a+a)*(a+a)").evaluate({"a": 3.0}))) == 4
    assert len(topological_order(parse("b=a+a;b*b").evaluate({"a": 3.0}))) == 3


@pytest.mark.parametrize(
    ("text", "labels", "value"),
    [
        ("b = a + a; c = b + b", ["a", "b", "c"], 8),
        ("x = a; x * x", ["a", "y"], 4),  # another name for what has one
        ("k = 3; k * a", ["k", "a", "l"], 6),
        ("h = [a*2, a+1]; w = [a, 1]; dot(h, w) + h[1]", None, 14),
        ("  名=a+a ;名*名", ["a", "名", "v1"], 16),
    ],
)
def test_names_for_results(text, labels, value):
    root = parse(text).evaluate({"a": 2.0})
    assert root.data == value
    found = {node.label for node in topological_order(root) if node.label}
    assert labels is None or found == set(labels)


def test_a_name_given_to_a_leaf_of_ones_own_changes_nothing():
    x = Value(2.0)
    assert parse("b = a; b * b").evaluate({"a": x}).data == 4
    assert x.label == ""


@given(st.lists(st.sampled_from("+-*"), min_size=1, max_size=6), st.data())
def test_names_mean_what_they_stand_for(signs, data):
    """A chain of definitions gives, bit for bit, what the formulas put in for them give."""
    said, meant = "", {"a": "a", "b": "b"}
    for i, sign in enumerate(signs):
        left, right = (data.draw(st.sampled_from(sorted(meant))) for _ in range(2))
        said += f"n{i} = {left} {sign} {right} * 0.5;"
        meant[f"n{i}"] = f"({meant[left]} {sign} {meant[right]} * 0.5)"
    told = []
    for before, words in ((said, list(meant)), ("", list(meant.values()))):
        leaves = {"a": Value(1.25), "b": Value(-0.75)}
        root = parse(before + " + ".join(words)).evaluate(leaves)
        root.backward()
        told.append((root.data, leaves["a"].grad, leaves["b"].grad))
    assert told[0][0] == told[1][0]
    assert told[0] == pytest.approx(told[1], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("b = a + a;", "the expression ends where a number, a name or '(' is needed (column 11)"),
        ("b = ; b", "the expression ends where a number, a name or '(' is needed (column 5)"),
        ("a + a; a", "before a ; stands a definition: name = … (column 1)"),
        ("b = a;; b", "before a ; stands a definition: name = … (column 7)"),
        ("b == a; b", "before a ; stands a definition: name = … (column 1)"),
        ("1b = a; b", "before a ; stands a definition: name = … (column 1)"),
        ("b = a; b = 2*a; b", "b is defined twice (column 8)"),
        ("c = b + 1; b = 2; c + b", "b is used before it is defined (column 12)"),
        ("b = b + 1; b", "b is used before it is defined (column 1)"),
        ("b = a + a; a", "b is defined but not used (column 1)"),
        ("tanh = a; a", "tanh is a function; write tanh(…) (column 1)"),
        ("b = a a; b", "an operator is missing before 'a' (column 7)"),
        ("b = [a, a]; b", "this gives a list of 2; an expression gives one number, as in (…)[0] (column 13)"),
        ("b = [a, a]; b + 1", "one number is needed here, not a list of 2 (column 13)"),
        ("b = a; c = [b, b]", "this gives a list of 2; an expression gives one number, as in (…)[0] (column 12)"),
        ("b = (a; b)", "'(' is never closed (column 5)"),
        ("a；b", "'；' has no meaning here; write ; (column 2)"),
    ],
)  # fmt: skip
def test_every_word_about_a_definition(text, said):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value) == said


NUMBERS = st.integers(0, 9).map(str) | st.floats(0.1, 9.9).map(repr)
ATOMS = NUMBERS | st.sampled_from(["a", "b", "long_name"])


def larger(inner):
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", " - ", "**"]), inner).map("".join)
    return (
        binary
        | inner.map(lambda text: f"({text})")
        | inner.map(lambda text: f"-{text}")
        | inner.map(lambda text: f"+ {text}")
    )


def test_every_two_operators_and_signs_bind_as_in_python():
    operators, signs = ["+", "-", "*", "/", "**"], ["", "-"]
    for first, second in itertools.product(operators, repeat=2):
        for one, two, three in itertools.product(signs, repeat=3):
            text = f"{one}2{first}{two}3{second}{three}1.5"
            expected = eval(text)
            if not isinstance(expected, complex):
                assert value_of(text) == pytest.approx(expected, rel=1e-14), text


@given(st.recursive(ATOMS, larger, max_leaves=12))
def test_agrees_with_python_on_precedence_and_association(text):
    names = {"a": 0.5, "b": -1.25, "long_name": 2.0}
    try:
        expected = eval(text, {"__builtins__": {}}, {k: float(v) for k, v in names.items()})
    except (OverflowError, ZeroDivisionError):
        return
    if isinstance(expected, complex) or abs(expected) > 1e250:
        return
    expression = parse(text)
    got = expression.evaluate({name: names[name] for name in expression.names}).data
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("3 + [1, 2][1] * [4, 5][0]", 11),
        ("2 ** -1", 0.5),
        ("- - 3", 3),
        ("8 / 4 / 2", 1),
        (" 1\n+\t1 ", 2),
        ("1e3 + .5 + 1.", 1001.5),
        ("1 < 2", 1),
        ("(2 <= 1) + (2 > 1) * 10", 10),
        ("1 / 0", math.inf),
        ("maximum(2, 3) - minimum(2, 3)", 1),
        ("abs(-3) + absolute(-3)", 6),
        ("sum(1, 2, 3)", 6),
        ("sum([1, 2, 3])", 6),
        ("mean(1, 2, 3)", 2),
        ("dot([1, 2], [3, 4])", 11),
        ("dot([1, 2], [3, 4], 5)", 16),
        ("softmax(0, 0)[1]", 0.5),
        ("[4, 5, 6][2]", 6),
        ("dot(softmax([0, 0]), [2, 4])", 3),
        ("where(1 < 2, 10, 20)", 10),
        ("leaky_relu(-1)", -0.01),
        ("leaky_relu(-1, 0.5)", -0.5),
        ("logsumexp(1000, 1000)", 1000 + math.log(2)),
        ("take([4, 5, 6], 2)", 6),
        ("clip(5, 0, 1) + sign(-3)", 0),
        ("log2(8) + log10(1000) + exp2(3)", 14),
        ("elu(-1, 2)", 2 * math.expm1(-1)),
    ],
)
def test_values(text, expected):
    assert value_of(text) == pytest.approx(expected, rel=1e-15)


def test_every_function_of_the_contract_is_there():
    assert set(functions.__all__) - {"affine"} <= set(FUNCTIONS)  # lists of lists are not typed


INSIDE = {"arcsin", "arccos", "arctanh"}


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"abs", "dot", "where", "take"}))
def test_functions_give_what_the_module_gives(name):
    function = FUNCTIONS[name]
    xs = [1.25, 0.5, 0.75][: max(function.fewest, 1)] if name not in INSIDE else [0.25]
    text = f"{name}({', '.join(map(str, xs))})" + "[0]" * function.gives_list
    expected = function.run(*xs)
    assert value_of(text) == (expected[0] if function.gives_list else expected).data


def test_names_in_any_script_are_told_in_order_of_appearance():
    expression = parse("权重 * x + 偏置 * x")
    assert expression.names == ("权重", "x", "偏置")
    root = expression.evaluate({"权重": 2, "x": 3, "偏置": 1})
    assert root.data == 9


def test_values_may_be_nodes_of_a_graph():
    x = Value(3.0, label="x")
    y = parse("u * u").evaluate({"u": x})
    y.backward()
    assert x.grad == 6


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("(a+b)*(b+1)", ["c", "d", "e"]),
        ("x * y", ["z"]),
        ("x * y + x", ["v1", "v2"]),
        ("v1 * v1 + w", ["v2", "v3"]),
        ("alpha + a", ["v1"]),
        ("a", []),
    ],
)
def test_results_get_the_next_free_letters(text, names):
    expression = parse(text)
    root = expression.evaluate(dict.fromkeys(expression.names, 1.0))
    assert [node.label for node in topological_order(root) if not node.is_leaf] == names


def test_a_formula_may_be_as_long_as_the_limit():
    terms = LONGEST // 2
    assert value_of("+".join("a" * terms), a=1.0) == terms


def test_nesting_just_below_the_limit():
    assert value_of("-sin([" * 33 + "a" + "][0])" * 33, a=0.0) == 0
    assert value_of("(" * (DEEPEST - 1) + "a" + ")" * (DEEPEST - 1), a=2.0) == 2


# --- what is refused -----------------------------------------------------------------------------

HOSTILE = [
    "",
    "   ",
    "import os",
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "a.data",
    "a.__class__",
    "eval(a)",
    "exec(a)",
    "open(a)",
    "print(a)",
    "getattr(a, a)",
    "[x for x in a]",
    "{a}",
    "{a: a}",
    "(a, a)",
    "lambda: a",
    "lambda a: a",
    "(a := 2)",
    "a = 2",
    "a; a",
    "f'{a}'",
    "'text'",
    '"text"',
    "b'x'",
    "`a`",
    "a if a else a",
    "not a",
    "a and a",
    "a or a",
    "a in a",
    "a is a",
    "a @ a",
    "a % a",
    "a // a",
    "a & a",
    "a ^ 2",
    "~a",
    "a == a",
    "a != a",
    "a < a < a",
    "*a",
    "**a",
    "a(a)",
    "(a)(a)",
    "a[0]",
    "[a]",
    "[a][1]",
    "[a][-1]",
    "[a][a]",
    "[a][0000000000009]",
    "[][0]",
    "[[a]][0]",
    "[a] + [a]",
    "2a",
    "0x10",
    "1_000",
    "1e",
    "1.2.3",
    "..",
    "1j",
    "1e999",
    "²",
    "a²",
    "sin",
    "sin a",
    "sin()",
    "sin(a, a)",
    "sin(a,)(a)",
    "sin([a])",
    "sin(x=a)",
    "sin(*a)",
    "dot(a, a)",
    "dot([a], [a, a])",
    "dot([a], [a], [a])",
    "softmax(a)",
    "softmax(a)[1]",
    "sum([])",
    "mean()",
    "mean([a, [a]])",
    "where(a, a)",
    "maximum(a)",
    "a +",
    "+",
    "(a",
    "a)",
    "()",
    "[a",
    "a,",
    ",",
    "a a",
    "a\\",
    "a # comment",
    "a\0",
    "\0",
    "a\x1b[31m",
    "a\u202e",
    "\ud800",
    "（a）",
    "a × a",
    "🙂",
    "(" * 5000 + "a" + ")" * 5000,
    "(" * 4000 + "a" + ")" * 4000,
    "(" * 5000,
    ")" * 5000,
    "[" * 5000,
    "-" * 5000 + "a",
    "-" * (LONGEST - 1) + "a",
    "sin(" * 2000 + "a" + ")" * 2000,
    "a" + "**a" * 3000,
    "a+" * 50_000 + "a",
    "a" * 100_000,
    "9" * 9_000,
    "1" + "0" * 400,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:25]))
def test_hostile_expressions_get_one_clear_error(text):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    said = str(caught.value)
    assert 10 < len(said) < 200
    assert "\n" not in said
    column = caught.value.column
    assert column is None or 0 <= column <= len(text)


@given(st.text(st.sampled_from("ab19.+-*/()[]<>=,^ _\0'\"sin") | st.characters(), max_size=40))
def test_any_text_is_understood_or_refused(text):
    try:
        expression = parse(text)
    except ExpressionError:
        return
    assert isinstance(expression.evaluate(dict.fromkeys(expression.names, 0.5)), Value)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a + tanhh(b)", 4, "did you mean tanh"),
        ("max(a, b)", 0, "write maximum"),
        ("a ^ 2", 2, r"write \*\*"),
        ("a × b", 2, r"write \*"),
        ("(a + b", 0, "never closed"),
        ("2 b", 2, "operator is missing before 'b'"),
        ("2b", 0, r"a product is written with \*"),
        ("a +", 3, "the expression ends"),
        ("1 + sin(a, b)", 4, "takes 1 argument, not 2"),
        ("a = 2", 2, "name=number"),
    ],
)
def test_errors_point_at_the_place_and_say_what_was_meant(text, column, said):
    with pytest.raises(ExpressionError, match=said) as caught:
        parse(text)
    assert caught.value.column == column
    assert f"(column {column + 1})" in str(caught.value)


def test_missing_and_unused_names():
    with pytest.raises(ExpressionError, match="no value for b; add b=…"):
        parse("a+b").evaluate({"a": 1})
    with pytest.raises(ExpressionError, match="c is given but not used; the expression has a, b"):
        parse("a+b").evaluate({"a": 1, "b": 1, "c": 1})
    with pytest.raises(ExpressionError, match="given was weigth"):
        parse("weight").evaluate({"weigth": 1})


@pytest.mark.parametrize("text", ["2", "-0.5", "1e-3", "inf", "-inf", "+Infinity", " 3 "])
def test_numbers_as_typed(text):
    assert parse_number(text) == float(text)


@pytest.mark.parametrize("text", ["", "x", "1e999", "-1e999", "0x10", "1,5", "1 2", "2\0", "--1"])
def test_bad_numbers(text):
    with pytest.raises(ValueError, match=r"is not a number|beyond the largest float"):
        parse_number(text)


# --- every word of it ----------------------------------------------------------------------------

NEEDED = "where a number, a name or '(' is needed"
ONE = "one number is needed here, not a list of"
ALONE = "an expression gives one number, as in (…)[0]"


@pytest.mark.parametrize(
    ("text", "said", "column"),
    [
        ("", "the expression is empty", None),
        ("a" * 10_001, "the expression has 10,001 characters; at most 10,000 are read", None),
        ("(" * 101 + "1" + ")" * 101, "nested more than 100 deep", 101),
        ("1 +", f"the expression ends {NEEDED}", 4),
        (",", f"',' stands {NEEDED}", 1),
        ("tanh(,1)", f"',' stands {NEEDED}", 6),
        ("a $ b", "'$' has no meaning here", 3),
        ("x\u061c", r"'\u061c' has no meaning here", 2),
        ("abc²d", "'²' has no meaning here", 4),
        ("a = 2", "'=' has no meaning here; one = is for the values: name=number", 3),
        ("2 3", "an operator is missing before '3'", 3),
        ("1)", "an operator is missing before ')'", 2),
        ("2a", "'2a' is no number; a product is written with *", 1),
        (
            "1e999",
            "'1e999' is beyond the largest float, 1.8e308; "
            "if infinity is meant, write a name and give it the value inf",
            1,
        ),
        ("(1", "'(' is never closed", 1),
        ("2 + [1", "'[' is never closed", 5),
        ("(1]", "')' or an operator is missing before ']'", 3),
        ("a<b<c", "comparisons do not chain; compare two numbers", 4),
        ("f(2)", "there is no function 'f'; a product is written with *", 1),
        ("sigmod(1)", "there is no function 'sigmod'; did you mean sigmoid?", 1),
        ("ReLU(1)", "there is no function 'ReLU'; did you mean relu?", 1),
        ("Sin(1)", "there is no function 'Sin'; did you mean sin?", 1),
        ("nothing(1)", "there is no function 'nothing'", 1),
        ("2*tanh", "tanh is a function; write tanh(…)", 3),
        ("tanh(1,2)", "tanh takes 1 argument, not 2", 1),
        ("clip(1)", "clip takes 3 arguments, not 1", 1),
        ("leaky_relu()", "leaky_relu takes 1 or 2 arguments, not 0", 1),
        ("dot([1])", "dot takes 2 or 3 arguments, not 1", 1),
        ("sum()", "sum takes 1 or more arguments, not 0", 1),
        ("sum([])", "sum of an empty list", 1),
        ("dot(1,[2])", "dot takes two lists, as in dot([w1, w2], [x1, x2], b)", 1),
        ("dot([1],2)", "dot takes two lists, as in dot([w1, w2], [x1, x2], b)", 1),
        ("dot([1],[1,2])", "dot of lists of 1 and 2", 1),
        ("dot([1],[1],[1])", f"{ONE} 1", 13),
        ("take(1,2)", "take needs a list and an index, as in take([a, b, c], 1)", 1),
        ("take([1],[1])", f"{ONE} 1", 10),
        ("take([1,2],5)", "take: a list of 2 has no element 5; they are counted from 0", None),
        ("[1,2]", f"this gives a list of 2; {ALONE}", 1),
        ("softmax([1,2])", f"this gives a list of 2; {ALONE}", 1),
        ("softmax(1,2,3)", f"this gives a list of 3; {ALONE}", 1),
        ("1+[1,2][2]", "a list of 2 has the indices 0 to 1", 9),
        ("[][0]", "a list of 0 has no elements", 4),
        ("sin([1])", f"{ONE} 1", 5),
        ("[[1,2]]", f"{ONE} 2", 2),
        ("-[1]", f"{ONE} 1", 2),
        ("[1]+2", f"{ONE} 1", 1),
        ("2+[1]", f"{ONE} 1", 3),
        ("maximum([1,2],3)", f"{ONE} 2", 9),
        ("sum(1,[1,2])", f"{ONE} 2", 7),
        ("long" * 8 + "(1)", "there is no function 'longlonglonglonglonglonglongl…'", 1),
    ],
)
def test_every_word_about_a_formula(text, said, column):
    with pytest.raises(ExpressionError) as caught:
        parse(text).evaluate({})
    assert str(caught.value) == (said if column is None else f"{said} (column {column})")
    assert caught.value.column == (None if column is None else column - 1)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *zip(
            "^×·✕÷−（），＋－＊／【】≤≥",
            "** * * * / - ( ) , + - * / [ ] <= >=".split(),
            strict=True,
        )
    ],
)
def test_signs_from_other_keyboards_are_translated(typed, meant):
    with pytest.raises(ExpressionError) as caught:
        parse(f"1 {typed} 2")
    assert str(caught.value) == f"{typed!r} has no meaning here; write {meant} (column 3)"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("max", "maximum"), ("min", "minimum"), ("ln", "log"), ("asin", "arcsin"),
        ("acos", "arccos"), ("atan", "arctan"), ("atan2", "arctan2"), ("asinh", "arcsinh"),
        ("acosh", "arccosh"), ("atanh", "arctanh"), ("clamp", "clip"), ("sgn", "sign"),
        ("logsigmoid", "log_sigmoid"), ("logistic", "sigmoid"), ("swish", "silu"), ("pow", "**"),
        ("avg", "mean"),
    ],
)  # fmt: skip
def test_names_from_other_libraries_are_translated(typed, meant):
    with pytest.raises(ExpressionError) as caught:
        parse(f"{typed}(1)")
    assert str(caught.value) == f"there is no function {typed!r}; write {meant} (column 1)"


def names(count):
    return "+".join(f"a{i}" for i in range(count))


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: parse("a+b").evaluate({"a": 1.0}), "no value for b; add b=…"),
        (lambda: parse("alpha").evaluate({"alpah": 1.0}), "no value for alpha; add alpha=… (given was alpah)"),
        (lambda: parse("a").evaluate({"a": 1.0, "c": 2.0}), "c is given but not used; the expression has a"),
        (lambda: parse("1").evaluate({"c": 2.0}), "c is given but not used; the expression has no names"),
        (lambda: parse(names(12)).evaluate({}), "no value for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11; add " + " ".join(f"a{i}=…" for i in range(12))),
        (lambda: parse(names(13)).evaluate({}), "no value for a0, a1, a2, a3, a4, a5, a6, a7, …, a11, a12; add " + " ".join(f"a{i}=…" for i in range(13))),
        (lambda: parse("n" * 31).evaluate({}), f"no value for {'n' * 29}…; add {'n' * 29}…=…"),
        (lambda: parse_number("x"), "'x' is not a number"),
        (lambda: parse_number("y" * 31), f"'{'y' * 29}…' is not a number"),
        (lambda: parse_number("-1,5"), "'-1,5' is not a number; a decimal point is written ."),
        (lambda: parse_number("1,5,5"), "'1,5,5' is not a number"),
        (lambda: parse_number("1,500.0"), "'1,500.0' is not a number; a decimal point is written ."),
        (lambda: parse_number("1e999"), "'1e999' is beyond the largest float; write inf if it is meant"),
        (lambda: parse_number("-1e-400"), "'-1e-400' is closer to 0 than any float; write 0 if you mean zero"),
        (lambda: parse_values(["a=1", "a=2"]), "a is given twice"),
        (lambda: parse_values(["a"]), "'a' is not name=value, as in a=2; quote an expression that has spaces"),
        (lambda: parse_values(["z" * 61]), f"'{'z' * 59}…' is not name=value, as in a=2; quote an expression that has spaces"),
        (lambda: parse_values(["2=3"]), "'2=3' is not name=value, as in a=2"),
        (lambda: parse_values(["a=1,5"]), "a: '1,5' is not a number; a decimal point is written ."),
        (lambda: parse_values([f"{'n' * 31}=1", f"{'n' * 31}=1"]), f"{'n' * 29}… is given twice"),
        (lambda: parse_values([f"{'n' * 31}=x"]), f"{'n' * 29}…: 'x' is not a number"),
    ],
)  # fmt: skip
def test_every_word_about_a_value(act, said):
    with pytest.raises(ExpressionError) as caught:
        act()
    assert str(caught.value) == said
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (str(travelled), travelled.told("zh")) == (said, caught.value.told("zh"))


def test_values_as_typed():
    assert parse_values([" a = 1 ", "", "b=-Infinity", "c_2=.5e1"]) == {
        "a": 1.0, "b": -math.inf, "c_2": 5.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a+b+c", ["a", "b", "d", "c", "e"]),
        ("+".join("abcdefghijklm"), [*"ab", *"nopqrstuvwxy"]),
        ("+".join("abcdefghijklmn"), [*"ab", *(f"v{k}" for k in range(1, 14))]),
        ("x1+v1+x1", ["x1", "v1", "v2", "v3"]),
        ("a+É", ["a", "É", "v1"]),
        ("-a", ["a", "b"]),
    ],
)
def test_results_are_called_by_what_is_free(text, labels):
    expression = parse(text)
    root = expression.evaluate(dict.fromkeys(expression.names, 1.0))
    told = [node.label for node in topological_order(root)]
    assert [one for one in told if one in labels] == labels
    assert len({*told}) == len(told)
