"""Short names for what nobody outside can mean: arguments, private names, private attributes."""

import ast
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from string import ascii_lowercase

from motekit.firmware.lean.edits import Edit, Program, applied, module_name

_PRIVATE = re.compile(r"_[A-Za-z]\w*$")
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def shortened(program: Program) -> Program:
    """The program with short names."""
    trees = {path: ast.parse(text) for path, text in program.items()}
    names = _Names(trees)
    return {path: applied(text, names.edits(path)) for path, text in program.items()}


class _Names:
    """Which names of a program get which short ones.

    Private names of a module are its own; private attributes are those of a family of modules whose
    classes inherit from each other. Whatever is touched in any other way keeps its name.
    """

    def __init__(self, trees: dict[Path, ast.Module]) -> None:
        self._trees = trees
        self._keywords: set[str] = set()
        self._kept: set[str] = set()
        for tree in trees.values():
            for node in ast.walk(tree):
                self._see(node)
        self._used = {path: list(_attributes(tree)) for path, tree in trees.items()}
        self._attributes: dict[Path, dict[str, str]] = {}
        families = _families(trees)
        defined = [{n for path in family for n in _defined(trees[path])} for family in families]
        for family, own in zip(families, defined, strict=True):
            # Touched from outside, and nobody else's: it keeps its name.
            elsewhere = {n for path in trees if path not in family for n, _ in self._used[path]}
            others = {
                n
                for one, names in zip(families, defined, strict=True)
                if one != family
                for n in names
            }
            own = own - (elsewhere - others)
            used = Counter(n for path in family for n, _ in self._used[path] if n in own)
            short = self._shortened(used)
            self._attributes.update((path, short) for path in family)

    def _see(self, node: ast.AST) -> None:
        match node:
            case ast.keyword(arg=str(name)):
                self._keywords.add(name)
                self._kept.add(name)
            case ast.Constant(value=str(text)):
                self._kept.add(text)
            case ast.alias(name=name, asname=other):
                self._kept.update((name, other or name))
            case ast.ExceptHandler(name=str(name)):
                self._kept.add(name)
            case ast.JoinedStr():
                # Columns within them are those of another text before Python 3.12.
                for inner in ast.walk(node):
                    self._kept.add(getattr(inner, "id", "") or getattr(inner, "attr", ""))

    def _shortened(self, counted: "Counter[str]") -> dict[str, str]:
        # The same program always gets the same names, the most frequent the shortest.
        names = sorted(counted.keys() - self._kept, key=lambda name: (-counted[name], name))
        return dict(zip(names, ("_" + one for one in _short()), strict=False))

    def edits(self, path: Path) -> Iterator[Edit]:
        """Every place in a file where a name gets a short one."""
        tree = self._trees[path]
        attributes = self._attributes[path]
        for name, place in self._used[path]:
            if name in attributes:
                yield *place, attributes[name]
        # A test, or a module that knows too much, may mean it by `module._name`.
        outside = {n for one, used in self._used.items() if one != path for n, _ in used}
        variables = [(name, place) for name, place in _variables(tree) if name not in outside]
        short = self._shortened(Counter(name for name, _ in variables))
        for name, place in variables:
            if name in short:
                yield *place, short[name]
        scopes = [node for node in ast.walk(tree) if isinstance(node, Scopes)]
        # What is within another function sees its names, too: it keeps its own.
        within = {id(part) for one in scopes for part in ast.walk(one) if part is not one}
        for one in scopes:
            if id(one) not in within:
                yield from self._arguments(one)

    def _arguments(self, function: Function) -> Iterator[Edit]:
        """Arguments that nobody names when calling."""
        body = function.body if isinstance(function.body, list) else [function.body]
        inside = [node for part in body for node in ast.walk(part)]
        rebound = {
            arg.arg for node in inside if isinstance(node, Scopes) for arg in _args(node)
        } | {
            node.id
            for outer in inside if isinstance(outer, (ast.comprehension, *Scopes))
            for node in ast.walk(outer)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }  # fmt: skip
        taken = {node.id for node in inside if isinstance(node, ast.Name)}
        taken |= {arg.arg for arg in _args(function)} | rebound
        free = (one for one in _short() if one not in taken and not keyword.iskeyword(one))
        for arg in _args(function):
            name = arg.arg
            if name == "self" or len(name) == 1 or _PRIVATE.match(name):
                continue
            if name in self._keywords or name in self._kept or name in rebound:
                continue
            new = next(free)
            yield arg.lineno, arg.col_offset, arg.col_offset + len(name), new
            for node in inside:
                if isinstance(node, ast.Name) and node.id == name:
                    yield node.lineno, node.col_offset, node.col_offset + len(name), new


def _args(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]


def _families(trees: dict[Path, ast.Module]) -> list[set[Path]]:
    """Modules, those together whose classes inherit from each other."""
    modules = {module_name(path): path for path in trees}
    families = [{path} for path in trees]
    for path, tree in trees.items():
        bases = {
            base.id for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
            for base in node.bases if isinstance(base, ast.Name)
        }  # fmt: skip
        for node in tree.body:
            if not isinstance(node, ast.ImportFrom) or node.module not in modules:
                continue
            if bases & {alias.name for alias in node.names}:
                one = next(f for f in families if path in f)
                other = next(f for f in families if modules[node.module] in f)
                if one is not other:
                    families.remove(other)
                    one |= other
    return families


Place = tuple[int, int, int]


def _attributes(tree: ast.Module) -> Iterator[tuple[str, Place]]:
    """Private attributes and methods, with each place where one is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _PRIVATE.match(node.attr):
            assert node.end_lineno and node.end_col_offset
            end = node.end_col_offset
            yield node.attr, (node.end_lineno, end - len(node.attr), end)
        elif isinstance(node, ast.ClassDef):
            yield from _members(node)


def _members(node: ast.ClassDef) -> Iterator[tuple[str, Place]]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            if _PRIVATE.match(part.name):
                yield part.name, _after_keyword(part)
        else:
            for inner in ast.walk(part):
                match inner:
                    case ast.Name(id=name, ctx=ast.Store()) if _PRIVATE.match(name):
                        yield name, _place(inner)


def _defined(tree: ast.Module) -> set[str]:
    """Private attributes that a module gives to its objects."""
    stored = {
        node.attr for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }  # fmt: skip
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    stored |= {name for one in classes for name, _ in _members(one)}
    return {name for name in stored if _PRIVATE.match(name)}


def _variables(tree: ast.Module) -> Iterator[tuple[str, Place]]:
    """Private names of a module, with each place where one is written."""
    members = {place for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
               for _, place in _members(node)}  # fmt: skip
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if _PRIVATE.match(name) and _place(node) not in members:
                yield name, _place(node)
            case ast.arg(arg=name) if _PRIVATE.match(name):
                yield name, (node.lineno, node.col_offset, node.col_offset + len(name))
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ) if _PRIVATE.match(name) and _after_keyword(node) not in members:
                yield name, _after_keyword(node)
            case ast.Global(names=names):
                column = node.col_offset + len("global ")
                for name in names:
                    if _PRIVATE.match(name):
                        yield name, (node.lineno, column, column + len(name))
                    column += len(name) + len(", ")


def _place(node: ast.Name) -> Place:
    return node.lineno, node.col_offset, node.col_offset + len(node.id)


def _after_keyword(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Place:
    word = {ast.AsyncFunctionDef: "async def ", ast.ClassDef: "class "}.get(type(node), "def ")
    start = node.col_offset + len(word)
    return node.lineno, start, start + len(node.name)


def _short() -> Iterator[str]:
    for size in (1, 2):
        for letters in product(ascii_lowercase, repeat=size):
            yield "".join(letters)
