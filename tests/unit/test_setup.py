"""Setting up: what the Makefile and its scripts do when something is missing or fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the Makefile needs of a checkout, with an environment that is complete by its stamps."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for stamp in (".runtime", ".dev"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def _command(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _run(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        words, cwd=checkout, env={**kept, **environment}, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_failed_check_leaves_the_documents_as_they_were(checkout: Path) -> None:
    _command(checkout / ".venv" / "bin" / "python", "echo half; exit 1")
    (checkout / ".env.example").write_text("whole")
    assert _run(checkout, "make", "docs").returncode != 0
    assert (checkout / ".env.example").read_text() == "whole"
    assert [path.name for path in checkout.glob(".env*")] == [".env.example"]
    _command(checkout / ".venv" / "bin" / "python", "echo new")
    assert _run(checkout, "make", "docs").returncode == 0
    assert (checkout / ".env.example").read_text() == "new\n"


def test_an_environment_without_its_interpreter_is_installed_anew(checkout: Path) -> None:
    python = _command(checkout / "given", 'if [ "$2" = venv ]; then cp "$0" "$3/bin/python"; fi; echo "$@" >> calls')
    done = _run(checkout, "make", ".venv/.runtime", f"PYTHON={python}")
    assert done.returncode == 0, done.stderr
    assert "-r requirements/runtime.txt" in (checkout / "calls").read_text()


def test_a_new_environment_has_no_stamps_of_the_old_one(checkout: Path) -> None:
    python = _command(checkout / "given", "exit 0")
    assert _run(checkout, "bash", "deploy/make-venv.sh", str(python), ".venv").returncode == 0
    assert list((checkout / ".venv").glob(".*")) == []


def test_node_comes_with_the_interpreter_that_was_given(checkout: Path) -> None:
    """Where the system has no Node, the environment is made for it, with `PYTHON`."""
    python = _command(checkout / "given", 'if [ "$2" = venv ]; then cp "$0" "$3/bin/python"; fi; echo "$0" >> calls')
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "dirname", "rm", "cp"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = _run(checkout, "bash", "deploy/node.sh", "true", PATH=str(tools), PYTHON=str(python))
    assert done.returncode in (0, 127), done.stderr  # 127: `true` is no file here
    assert str(python) in (checkout / "calls").read_text()


def test_recipes_run_one_after_the_other(checkout: Path) -> None:
    assert "\n.NOTPARALLEL:\n" in (checkout / "Makefile").read_text()
