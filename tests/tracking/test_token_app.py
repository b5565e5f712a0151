"""MLflow's server behind a token: only who has it gets an answer."""

import asyncio
from typing import Any

import pytest

from dta_bench.tracking import token_app

HEADERS = {
    "none": [],
    "another": [(b"authorization", b"Bearer other")],
    "as a password": [(b"authorization", b"Basic c2VjcmV0")],
    "a part": [(b"authorization", b"Bearer secre")],
}


def answers(headers: list[tuple[bytes, bytes]], kind: str = "http") -> list[Any]:
    """What the client of a request with ``headers`` gets from an app behind the token ``secret``."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send("the app's answer")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "headers": headers, "path": "/health"}
    asyncio.run(token_app.behind_token(app, "secret")(scope, None, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_without_the_token_there_is_no_answer_but_401(headers: list[tuple[bytes, bytes]]) -> None:
    start, body = answers(headers)
    assert start["status"] == 401
    assert b"secret" not in body["body"]


def test_a_websocket_is_closed() -> None:
    assert [message["type"] for message in answers([], "websocket")] == ["websocket.close"]


def test_with_the_token_the_app_answers() -> None:
    assert answers([(b"authorization", b"Bearer secret")]) == ["the app's answer"]


def test_without_a_token_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(token_app.TOKEN, raising=False)
    with pytest.raises(RuntimeError, match="everybody would have access"):
        token_app.create_app()
