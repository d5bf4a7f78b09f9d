"""No model has a name or a parameter that the official firmware's type stubs lack."""

import ast
from pathlib import Path

import pytest
from motekit import packages

MODELS = Path(__file__).parents[2] / "sim" / "runtime" / "models"
# Rooms of the simulator itself, not models of a module of the image.
OWN = {"world", "flash", "console", "partition", "idf_heap"}
# Names that the ESP32 port has and the stubs do not list: where they are in the port's source.
MISSING_IN_STUBS = {
    # ports/esp32/modesp32.c: chips other than the first ESP32, which the stubs describe.
    "esp32": {"mcu_temperature"},
}


def stub(module: str) -> ast.Module:
    """The stub of a module: of the port, else of the standard library."""
    for key in ("esp32-stubs", "stdlib-stubs"):
        folder = packages.folder(key)
        for path in (folder / f"{module}.pyi", folder / "stdlib" / f"{module}.pyi",
                     folder / module / "__init__.pyi",
                     folder / "stdlib" / module / "__init__.pyi"):  # fmt: skip
            if path.is_file():
                return ast.parse(path.read_text(encoding="utf-8"))
    raise AssertionError(f"there is no stub of {module}")


def names(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Every public name that statements define, with its definitions (overloads are several)."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(one, ast.Name):
                        found.setdefault(one.id, []).append(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.setdefault(node.target.id, []).append(node)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                found.setdefault(alias.asname or alias.name, []).append(node)
        elif isinstance(node, ast.If | ast.For):
            for name, nodes in names([*node.body, *node.orelse]).items():
                found.setdefault(name, []).extend(nodes)
    return {name: nodes for name, nodes in found.items() if not name.startswith("_")}


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {a.arg for a in every} - {"self", "cls"}


def width(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many positional arguments it takes at most."""
    if function.args.vararg:
        return 99
    every = [*function.args.posonlyargs, *function.args.args]
    return len([a for a in every if a.arg not in ("self", "cls")])


def compare(where: str, mine: list[ast.stmt], theirs: list[ast.stmt]) -> list[str]:
    """What of my definition the official ones lack."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    official = [node for node in theirs if isinstance(node, functions)]
    faults: list[str] = []
    for node in mine:
        if not isinstance(node, functions) or not official:
            continue
        known = set().union(*(parameters(one) for one in official))
        loose = any(one.args.kwarg for one in official)
        keywords = {a.arg for a in node.args.kwonlyargs if not a.arg.startswith("_")}
        faults += [f"{where}({name}=)" for name in keywords - known if not loose]
        if not node.args.vararg and width(node) > max(width(one) for one in official) and not loose:
            faults.append(f"{where}: takes {width(node)} arguments")
    return faults


def members(module: ast.Module, class_name: str) -> dict[str, list[ast.stmt]]:
    """Members of a class of a stub, those of its bases in the same stub included."""
    found: dict[str, list[ast.stmt]] = {}
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for base in node.bases:
                if isinstance(base, ast.Name):
                    found |= members(module, base.id)
            found |= names(node.body)
            constructors = [
                one for one in node.body
                if isinstance(one, ast.FunctionDef) and one.name in ("__init__", "__new__")
            ]  # fmt: skip
            found["__init__"] = [*constructors]
    return found


@pytest.mark.parametrize(
    "model", [p.stem for p in sorted(MODELS.glob("*.py")) if p.stem not in OWN]
)
def test_every_name_and_parameter_of_the_model_is_in_the_official_stub(model: str) -> None:
    mine = ast.parse((MODELS / f"{model}.py").read_text(encoding="utf-8"))
    official = stub(model)
    theirs = names(official.body)
    excused = MISSING_IN_STUBS.get(model, set())
    faults = []
    for name, nodes in names(mine.body).items():
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes):
            # What a model takes over from the runtime is what the runtime has.
            continue
        if name not in theirs:
            faults.append(name)
            continue
        faults += compare(name, nodes, theirs[name])
        for node in nodes:
            if not isinstance(node, ast.ClassDef):
                continue
            known = members(official, name)
            own = names(node.body)
            own["__init__"] = [n for n in node.body if getattr(n, "name", "") == "__init__"]
            for member, definitions in own.items():
                where = f"{name}.{member}"
                if member not in known and member != "ioctl":
                    faults.append(where)
                elif member in known:
                    faults += compare(where, definitions, known[member])
    assert not [fault for fault in faults if fault not in excused]
