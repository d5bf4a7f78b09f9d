"""Errors of the JSON interface: a status and a sentence, as `{"error": ...}`."""

import sqlite3
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from motekit.hub.device_info import without_surrogates

# Names that an answer lists.
NAMES_MAX = 20
# Of a value that is quoted back.
QUOTED_MAX = 60


class ApiError(Exception):
    """The request cannot be answered; `text` says why and what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def unknown(what: str, name: str, known: Sequence[str]) -> ApiError:
    """The error for a name that is not among `known`."""
    some = ", ".join(known[:NAMES_MAX])
    more = f" and {len(known) - NAMES_MAX} more" if len(known) > NAMES_MAX else ""
    return ApiError(404, f"There is no {what} {quoted(name)}. Known: {some or 'none yet'}{more}")


def quoted(value: str) -> str:
    """A value from outside in quotes, not longer than a line."""
    return f'"{without_surrogates(value)[:QUOTED_MAX]}"'


def install(application: FastAPI) -> None:
    """Let `application` answer its errors in one form."""

    @application.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        return JSONResponse({"error": error.text}, error.status)

    @application.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = str(first["loc"][-1])
        return JSONResponse({"error": f"{quoted(name)}: {first['msg']}"}, 422)

    @application.exception_handler(sqlite3.Error)
    async def unreadable(_: Request, error: sqlite3.Error) -> JSONResponse:
        text = f"The store cannot be read at the moment: {error}. Try again in some seconds"
        return JSONResponse({"error": text}, 503, {"Retry-After": "5"})
