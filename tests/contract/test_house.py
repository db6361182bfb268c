"""The invariants of the house, held by reading the code: rooms, doors, imports, sizes, words that are data."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "layercensus"
MODULES = sorted(PACKAGE.rglob("*.py"))
SHARED = {"model", "errors", "data", "text"}
ROOMS = {"host", "classify", "metrics", "agent", "cluster", "fleet", "lake", "report", "migrate", "simulate"}

# What touches the world when imported from: files, processes, sockets, clocks, randomness, databases, engines.
WORLDLY_MODULES = {
    "asyncio", "concurrent", "duckdb", "fcntl", "glob", "http", "multiprocessing", "os", "random", "secrets",
    "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tarfile", "tempfile",
    "threading", "time", "urllib", "zipfile", "pyspark", "importlib",
}  # fmt: skip
WORLDLY_CALLS = {
    "open", "print", "input", "exec", "eval", "read_bytes", "write_bytes", "write_text", "mkdir", "unlink", "rmdir",
    "iterdir", "rglob", "exists", "is_dir", "is_file", "stat", "lstat", "touch", "rename", "now", "today", "utcnow",
}  # fmt: skip


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "layercensus":
                yield from (f"layercensus.{alias.name}" for alias in node.names)


@cache
def doors() -> frozenset[str]:
    """The doors, from the one place that lists them: the table in ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^\| `([\w/]+\.py)` \| ⇄", text, re.MULTILINE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_what_is_shared_and_itself_only(path: Path) -> None:
    room = room_of(path)
    allowed = {
        "model": set(),
        "errors": set(),
        "data": set(),
        "text": set(),
        "cli": {"commands", "errors", "options", "text", "__init__"},
        "options": {"errors", "option_values", "command_parser", "__init__"},
        "option_values": set(),
        "command_parser": {"errors"},
        "commands": ROOMS | SHARED | {"commands"},
        "__main__": {"cli"},
        "__init__": set(),
    }.get(room, SHARED | {room})
    ours = {
        name.split(".")[1] if "." in name else "__init__" for name in imports_of(path) if name.startswith("layercensus")
    }
    if room in {"cli", "options"}:
        ours -= {"__version__", "__init__"}
    assert ours <= allowed


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) not in doors()], ids=name_of)
def test_only_a_door_touches_the_world(path: Path) -> None:
    touched = {name.split(".")[0] for name in imports_of(path)} & WORLDLY_MODULES
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }
    assert touched == set()
    assert calls & WORLDLY_CALLS == set()


def test_every_door_exists_and_says_so() -> None:
    assert doors()
    for door in doors():
        text = (PACKAGE / door).read_text(encoding="utf-8")
        assert "⇄" in text.partition("\n")[0] or door in {"cli.py", "data/__init__.py"}, door


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(tree_of(path))
    assert text.count("\n") <= 300
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, node.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_broad_except_outside_cli(path: Path) -> None:
    broad = [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert not broad or name_of(path) == "cli.py"


def known_names() -> set[str]:
    """RPM names of every catalog, and the known packages that are no glob."""
    names: set[str] = set()
    for path in (PACKAGE / "data" / "catalogs").glob("*.json"):
        catalog = json.loads(path.read_text(encoding="utf-8"))
        for packages in catalog["mco_extensions"].values():
            names |= set(packages)
        for entry in catalog["kernel_types"].values():
            names |= {*entry["install"], *entry["base_removals"]}
    known = json.loads((PACKAGE / "data" / "known_packages.json").read_text(encoding="utf-8"))["packages"]
    return names | {entry["package_glob"].rstrip("*") for entry in known}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_string_in_code_is_an_extension_or_a_known_package(path: Path) -> None:
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    strings = {
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }
    # "kernel" is also the word for the kernel.
    assert strings & (known_names() - {"kernel"}) == set()


def test_inspect_needs_the_standard_library_and_ours_only() -> None:
    """What runs on a node carries no dependency: hosts are read and judged with site-packages switched off."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from layercensus.cli import main; main(['inspect', '--format', 'json', sys.argv[2]]);"
        "foreign = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'layercensus', '__main__'};"
        "sys.exit(f'imported: {sorted(foreign)}' if foreign else 0)"
    )
    document = next((PACKAGE / "data" / "demo").rglob("*.json"))
    arguments = [sys.executable, "-S", "-I", "-c", program, str(PACKAGE.parent), str(document)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
