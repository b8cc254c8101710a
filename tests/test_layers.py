"""Imports point down only, never sideways between rooms, so that any room can be read with those below it in mind."""

import ast
from collections.abc import Iterator
from pathlib import Path

import plugdata

ROOT = Path(plugdata.__file__).parent

RANKS = {
    0: {"errors", "hashing"},
    1: {"languages", "licenses", "rows", "prompts"},
    2: {"pair", "wire"},
    3: {"asking", "assets", "checks", "corpus", "recipe"},
    4: {"calls", "curate", "evaluate", "sources", "translate", "xinstruct"},
    5: {"publish", "review"},
    6: {"stages", "schema"},
    7: {"planning"},
    8: {"pipeline"},
    9: {"cli"},
    10: {"__main__"},
}
RANK = {room: rank for rank, rooms in RANKS.items() for room in rooms}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Every module of plugdata that a file imports, as a dotted name below the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("plugdata.") for alias in node.names if alias.name.startswith("plugdata.")
            )
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "plugdata":
            below = node.module.removeprefix("plugdata").lstrip(".")
            yield from ([below] if below else [alias.name for alias in node.names if alias.name != "__version__"])


def test_every_import_points_to_a_lower_rank_or_stays_in_its_room() -> None:
    wrong, seen = [], set()
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        seen.add(room)
        for name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            other = name.split(".")[0]
            if other != room and RANK[other] >= RANK[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong
    assert seen == set(RANK)
