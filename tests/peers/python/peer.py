"""Seals, unseals and authenticates with the official Python SDK, 5.x or later; the protocol is in ../README.md."""

import json
import sys

from workos import WorkOSClient

try:
    from workos.session import seal_data, unseal_data

    COOKIE = "session_data"
except ImportError:  # before 6.0 they were static methods
    from workos.session import Session

    seal_data, unseal_data = Session.seal_data, Session.unseal_data
    COOKIE = "sealed_session"


def authenticate(request):
    names = ("api_key", "client_id", "base_url")
    client = WorkOSClient(**{name: request[name] for name in names})
    cookie = {COOKIE: request["sealed"], "cookie_password": request["password"]}
    result = client.user_management.load_sealed_session(**cookie).authenticate()
    if not result.authenticated:
        raise ValueError(result.reason)
    return {
        "email": member(result.user, "email"),
        "first_name": member(result.user, "first_name"),
        "organization_id": result.organization_id,
        "impersonator": member(result.impersonator, "email"),
    }


def member(model, name):
    """5.x has models where later versions have dictionaries."""
    return model.get(name) if isinstance(model, dict) else getattr(model, name, None)


def answer(request):
    try:
        if request["op"] == "seal":
            return {"ok": seal_data(request["payload"], request["password"])}
        if request["op"] == "authenticate":
            return {"ok": authenticate(request)}
        return {"ok": unseal_data(request["sealed"], request["password"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps([answer(request) for request in json.load(sys.stdin)]))
