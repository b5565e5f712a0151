"""MLflow's server for whoever has the token: for machines that other people use, too. MLflow itself has no password.

``mlflow server --app-name dta-bench-token`` serves it. MLflow's own client sends the token of MLFLOW_TRACKING_TOKEN.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

TOKEN = "MLFLOW_TRACKING_TOKEN"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def create_app() -> App:
    """MLflow's server behind the token.

    Raises:
        RuntimeError: no token is set; nothing is served then.
    """
    token = os.environ.get(TOKEN, "")
    if not token:
        raise RuntimeError(f"{TOKEN} is not set, and without it everybody would have access")
    from mlflow.server.fastapi_app import app

    return behind_token(app, token)


def behind_token(app: App, token: str) -> App:
    """Let requests through to ``app`` that carry the token; the others get 401, whatever they ask for."""
    expected = f"Bearer {token}".encode()

    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, expected):
                await _refuse(scope, send)
                return
        await app(scope, receive, send)

    return guarded


async def _refuse(scope: Message, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Bearer")]})
    await send({"type": "http.response.body", "body": b"this server asks for a token"})
