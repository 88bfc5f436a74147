"""Seals and unseals with the official Python SDK, 5.x or later; the protocol is in ../README.md."""

import json
import sys

try:
    from workos.session import seal_data, unseal_data
except ImportError:  # before 6.0 they were static methods
    from workos.session import Session

    seal_data, unseal_data = Session.seal_data, Session.unseal_data


def answer(request):
    try:
        if request["op"] == "seal":
            return {"ok": seal_data(request["payload"], request["password"])}
        return {"ok": unseal_data(request["sealed"], request["password"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps([answer(request) for request in json.load(sys.stdin)]))
