"""Constants become numbers and texts where they are used, in their own module and in others.

A constant is a name in capitals that gets a whole number or a text once, at the top of a module.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from motekit.firmware.lean.edits import (
    Edit,
    Program,
    applied,
    instead,
    module_name,
    replaced,
)

Value = int | str
Constant = tuple[str, str]


def folded(program: Program) -> Program:
    """The program with its constants in place."""
    modules = [_Module(path, ast.parse(text)) for path, text in program.items()]
    known = {(m.name, name): value for m in modules for name, value in m.constants.items()}
    names = {m.name for m in modules}
    for module in modules:
        module.look_around(names, known)
    # Where a place cannot be changed, the name stays as it is.
    visible = {constant for module in modules for constant in module.seen}
    return {m.path: applied(program[m.path], m.edits(known, visible)) for m in modules}


class _Module:
    """One file: the constants that it has, and those of others that it uses."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path = path
        self.name = module_name(path)
        self._tree = tree
        self._bound = _bound(tree)
        self._in_texts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
        }  # fmt: skip
        self._statements = [
            (node, pairs) for node in tree.body if isinstance(node, ast.Assign)
            if (pairs := self._pairs(node))
        ]  # fmt: skip
        self.constants = {n: v for _, pairs in self._statements for n, v in pairs}
        # Constants of others that are used in a way that cannot be changed.
        self.seen: set[Constant] = set()
        self._places: list[tuple[ast.expr, Constant]] = []
        self._imports: dict[str, str] = {}

    def _pairs(self, node: ast.Assign) -> list[tuple[str, Value]]:
        """What an assignment gives to constants; nothing if it is not all of them."""
        target, value = node.targets[0], node.value
        if len(node.targets) > 1 or node.lineno != node.end_lineno:
            return []
        each: list[tuple[ast.expr, ast.expr]] = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            each = list(zip(target.elts, value.elts, strict=True))
        pairs = []
        for name, number in each:
            known = _value(number)
            if not isinstance(name, ast.Name) or known is None:
                return []
            if not name.id.isupper() or self._bound[name.id] != 1:
                return []
            pairs.append((name.id, known))
        return pairs

    def look_around(self, modules: set[str], known: dict[Constant, Value]) -> None:
        """Find the constants of other modules that are used here."""
        constants: dict[str, Constant] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    local = alias.asname or alias.name
                    if f"{node.module}.{alias.name}" in modules and not self._bound[local]:
                        self._imports[local] = f"{node.module}.{alias.name}"
                    elif (node.module, alias.name) in known:
                        constants[local] = node.module, alias.name
        for node in ast.walk(self._tree):
            constant = None
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                constant = self._imports.get(node.value.id, ""), node.attr
            elif isinstance(node, ast.Name):
                constant = constants.get(node.id)
            if constant not in known or not isinstance(node, ast.Attribute | ast.Name):
                continue
            rebound = isinstance(node, ast.Name) and self._bound[node.id] > 0
            if isinstance(node.ctx, ast.Load) and id(node) not in self._in_texts and not rebound:
                self._places.append((node, constant))
            else:
                self.seen.add(constant)

    def edits(self, known: dict[Constant, Value], visible: set[Constant]) -> Iterator[Edit]:
        """Every change in this file."""
        for node, constant in self._places:
            if constant not in visible:
                yield instead(node, repr(known[constant]))
        yield from self._own(visible)
        yield from self._unused_imports(known, visible)

    def _own(self, visible: set[Constant]) -> Iterator[Edit]:
        """`NAME = 5` as `_NAME = const(5)`: what begins so takes no memory."""
        hidden = {n for n in self.constants if (self.name, n) not in visible}
        hidden -= {part.id for part in ast.walk(self._tree)
                   if isinstance(part, ast.Name) and id(part) in self._in_texts}  # fmt: skip
        defining: set[int] = set()
        for statement, pairs in self._statements:
            parts = [f"{self._hidden(n) if n in hidden else n} = const({v!r})" for n, v in pairs]
            defining.update(id(part) for part in ast.walk(statement))
            yield from replaced(statement, "; ".join(parts))
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name) and node.id in hidden and id(node) not in defining:
                yield instead(node, self._hidden(node.id))

    def _hidden(self, name: str) -> str:
        """The name that it takes no memory under: not one that something else has."""
        if name.startswith("_"):
            return name
        while (name := "_" + name) in self._bound:
            pass
        return name

    def _unused_imports(
        self, known: dict[Constant, Value], visible: set[Constant]
    ) -> Iterator[Edit]:
        gone = {id(node.value) for node, constant in self._places
                if constant not in visible and isinstance(node, ast.Attribute)}  # fmt: skip
        left = Counter(
            node.id for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and id(node) not in gone
        )  # fmt: skip
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            kept = []
            for alias in node.names:
                local = alias.asname or alias.name
                constant = node.module or "", alias.name
                of_module = local in self._imports and not left[local]
                if not of_module and (constant not in known or constant in visible):
                    kept.append(ast.unparse(alias))
            if len(kept) < len(node.names):
                text = f"from {node.module} import {', '.join(kept)}" if kept else "pass"
                yield from replaced(node, text)


def _bound(tree: ast.AST) -> "Counter[str]":
    """How often each name gets a value, as a variable or as an argument."""
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found[name] += 1
            case ast.Global(names=names):
                found.update(names * 2)
    return found


def _value(node: ast.expr) -> Value | None:
    """A text as it stands, a whole number also as a calculation; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if all(isinstance(part, _ARITHMETIC) for part in ast.walk(node)) and all(
        type(part.value) is int for part in ast.walk(node) if isinstance(part, ast.Constant)
    ):
        result = eval(ast.unparse(node), {"__builtins__": {}})
        return result if isinstance(result, int) else None
    return None


_ARITHMETIC = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
