"""No background task of the host or the simulator ends without anybody noticing."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("host/motekit", "sim/motesim")
STARTS = {"create_task", "ensure_future"}
# What an exception in the task reaches: the code that awaits it, or a TaskGroup around it.
AWAITED = {
    "host/motekit/broker/server.py": "logged and run again by its own loop; it imports nothing",
    "host/motekit/commands/hub.py": "the result is taken by the command",
    "host/motekit/commands/sim_test.py": "gathered at the end of the command",
    "host/motekit/fleet/fleet.py": "in a TaskGroup",
    "host/motekit/fleet/life.py": "in a TaskGroup",
    "host/motekit/hub/dashboard/__main__.py": "the process ends with the first of them",
    "host/motekit/hub/dashboard/door.py": "the result is taken by the request",
    "host/motekit/supervision.py": "this is where tasks are supervised",
    "sim/motesim/questions.py": "awaited in the next line",
}


def unsupervised(path: Path) -> list[str]:
    """The calls that start a task whose work is not given to `supervision`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name not in STARTS:
            continue
        work = node.args[0]
        called = work.func if isinstance(work, ast.Call) else work
        wrapped = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if wrapped != "logged":
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_every_background_task_is_supervised_or_awaited() -> None:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            calls = unsupervised(path)
            if name in AWAITED:
                assert calls, f"{name} starts no task any more"
            else:
                assert not calls, f"{name}: use motekit.supervision\n" + "\n".join(calls)
