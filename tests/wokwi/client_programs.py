"""The programs that are clients of the stand-in, from their start to their end."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 150


async def ended(
    *command: str | Path, environment: Mapping[str, str], together: bool = False
) -> tuple[int, str, str]:
    """Its exit code, and what it printed: on standard output, and as errors.

    `together` puts errors into standard output, in their order. Raises TimeoutError.
    """
    errors = asyncio.subprocess.STDOUT if together else asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=errors
    )
    try:
        out, said = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode(), (said or b"").decode()
