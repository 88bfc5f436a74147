"""The quick-start guide's Flask app on the official SDK, without its pages; how it is run is in ../README.md."""

import logging
import os
import sys
from functools import wraps
from threading import Thread

from flask import Flask, redirect, request
from werkzeug.serving import make_server
from workos import WorkOSClient

logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = Flask(__name__)
server = make_server("127.0.0.1", 0, app, threaded=True)
origin = f"http://localhost:{server.server_port}"
user_management = WorkOSClient().user_management
cookie_password = os.environ["WORKOS_COOKIE_PASSWORD"]


def load():
    sealed_session = request.cookies.get("wos_session")
    return user_management.load_sealed_session(sealed_session=sealed_session, cookie_password=cookie_password)


def keep(response, sealed_session):
    response.set_cookie("wos_session", sealed_session, secure=True, httponly=True, samesite="lax")
    return response


def with_auth(view):
    @wraps(view)
    def guarded():
        session = load()
        if session.authenticate().authenticated:
            return view()
        try:
            result = session.refresh()
        except Exception:
            response = redirect("/login")
            response.delete_cookie("wos_session")
            return response
        if not result.authenticated:
            return redirect("/login")
        return keep(redirect(request.url), result.sealed_session)

    return guarded


@app.route("/")
def index():
    return "home"


@app.route("/login")
def login():
    return redirect(user_management.get_authorization_url(provider="authkit", redirect_uri=f"{origin}/callback"))


@app.route("/callback")
def callback():
    session = {"seal_session": True, "cookie_password": cookie_password}
    result = user_management.authenticate_with_code(code=request.args["code"], session=session)
    return keep(redirect("/"), result.sealed_session)


@app.route("/dashboard")
@with_auth
def dashboard():
    return load().authenticate().user.email


@app.route("/logout")
def logout():
    response = redirect(load().get_logout_url(return_to=f"{origin}/"))
    response.delete_cookie("wos_session")
    return response


Thread(target=server.serve_forever, daemon=True).start()
print(origin, flush=True)
sys.stdin.read()
