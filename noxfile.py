"""The project's chores, one command each: ``nox -s test``, …; ``nox -l`` lists them."""

import sys
from pathlib import Path

import nox

nox.options.sessions = ["test", "lint"]
nox.options.default_venv_backend = "venv"

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Set up: an environment in .venv with everything, and the checks before each commit."""
    session.run(sys.executable, "-m", "venv", ".venv")
    python = str(Path(".venv", "Scripts" if sys.platform == "win32" else "bin", "python"))
    session.run(python, "-m", "pip", "install", "--quiet", "-e", ".[dev]")
    session.run(python, "-m", "pre_commit", "install")


@nox.session
def test(session: nox.Session) -> None:
    """The tests; arguments go to pytest: nox -s test -- -k jit."""
    session.install("-e", ".[test]", "pytest-xdist")
    session.run("python", "-m", "pytest", "-q", "-n", "auto", *session.posargs)


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """The tests on each version of Python that is at hand."""
    session.install("-e", ".[test]", "pytest-xdist")
    session.run("python", "-m", "pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """What the tests do not reach."""
    session.install("-e", ".[test]", "coverage")
    session.run("coverage", "run", "-m", "pytest", "-q", *session.posargs)
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and mypy."""
    session.install("-e", ".[lint,fast]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The site in site/, every page of it opened in a browser; needs Node.js and Chromium."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "docs/check.py", "site")


@nox.session
def package(session: nox.Session) -> None:
    """The sdist and the wheel in dist/, checked."""
    session.install("build", "twine")
    session.run("python", "-m", "build", "--outdir", "dist")
    session.run("twine", "check", "--strict", "dist/*")
