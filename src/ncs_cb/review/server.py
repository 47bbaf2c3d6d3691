"""The page of a review, served on the loopback address to whoever holds the token."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ncs_cb.errors import NcsError
from ncs_cb.review.reasons import NeedsReasonError
from ncs_cb.review.session import Session

_HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 2**10
_LONGEST_PATH = 2048
_REQUEST_TIMEOUT_S = 30
# A browser slows the clock of a hidden page down to one beat a minute.
_CLOSED_FOR_GOOD_S = 90.0
_PAGES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "review.js": ("review.js", "text/javascript; charset=utf-8"),
    "drawing.js": ("drawing.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server(ThreadingHTTPServer):
    """Serves one review until it is closed.

    Parameters
    ----------
    session : Session
    port : int
        0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__((_HOST, port), _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(24)
        self.left_at: float | None = None

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://{_HOST}:{self.server_port}/{self.token}/"

    def is_asked_for(self, host: str | None) -> bool:
        """Tell whether a Host header names this server: no other site's page may ask."""
        return host in (f"{_HOST}:{self.server_port}", f"localhost:{self.server_port}")

    def service_actions(self) -> None:
        """End when the last page was closed and none came back."""
        if self.left_at is not None and time.monotonic() - self.left_at > _CLOSED_FOR_GOOD_S:
            self.left_at = None
            self.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that was closed before its answer came."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End the server from one of its own threads."""
        threading.Thread(target=self.shutdown, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a log would hold the token."""

    def version_string(self) -> str:
        return "ncs-cb"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request of ours as everything else: the usual page has no policy."""
        status = HTTPStatus(code)
        is_method = status is HTTPStatus.NOT_IMPLEMENTED
        self._refuse(
            status,
            "only GET and POST are answered." if is_method else status.description or status.phrase,
        )

    def do_GET(self) -> None:
        name = self._asked()
        if name is None:
            return
        session = self.server.session
        query = parse_qs(urlsplit(self.path).query)
        if name in _PAGES:
            file, kind = _PAGES[name]
            data = files("ncs_cb.review").joinpath("page", file).read_bytes()
            self._answer(HTTPStatus.OK, data, kind)
        elif name == "state":
            lang, since = (query.get(key, [""])[0] for key in ("lang", "since"))
            self._try(lambda: session.state(lang or "en", since))
        elif name == "samples":
            self._try(session.samples)
        elif name in ("report.html", "report.zh.html", "result.json"):
            self._report(name)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page.")

    def do_POST(self) -> None:
        name = self._asked()
        if name is None:
            return
        if name == "leave":
            self.server.left_at = time.monotonic()
            self._answer(HTTPStatus.NO_CONTENT, b"", "text/plain")
            return
        origin = self.headers.get("Origin")
        if origin is not None and not self.server.is_asked_for(origin.removeprefix("http://")):
            self._refuse(HTTPStatus.FORBIDDEN, "another page may not correct anything.")
            return
        if (self.headers.get("Content-Type") or "").split(";")[0] != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only JSON is taken.")
            return
        asked = self._body()
        if asked is None:
            return
        if name == "event":
            self._try(lambda: self._correct(asked))
        elif name == "close":
            self._json(HTTPStatus.OK, {})
            self.server.stop()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page.")

    def _correct(self, asked: dict[str, Any]) -> dict[str, Any]:
        lang = str(asked.pop("lang", "en"))
        self.server.session.correct(asked, lang)
        return self.server.session.state(lang)

    def _asked(self) -> str | None:
        """Give what is asked for behind the token; None when nothing is to be had."""
        if not self.server.is_asked_for(self.headers.get("Host")):
            self._refuse(HTTPStatus.FORBIDDEN, "not by this name.")
            return None
        path = urlsplit(self.path).path if len(self.path) <= _LONGEST_PATH else ""
        token, slash, name = path.lstrip("/").partition("/")
        same = secrets.compare_digest(token.encode(), self.server.token.encode())
        if not (slash and same):
            self._refuse(HTTPStatus.FORBIDDEN, "open the address that ncs-cb review printed.")
            return None
        # The last correction of a page that is left may come behind its farewell.
        if name != "event":
            self.server.left_at = None
        return name

    def _body(self) -> dict[str, Any] | None:
        try:
            length = int(self.headers.get("Content-Length") or "0")
        except ValueError:
            length = -1
        if not 0 <= length <= _LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_LARGEST_BODY} bytes.")
            return None
        try:
            asked = json.loads(self.rfile.read(length) or b"{}")
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "not an object in JSON.")
            return None
        return asked

    def _try(self, step: Any) -> None:
        status, found = HTTPStatus.OK, None
        try:
            found = step()
        except NeedsReasonError as problem:
            status, found = HTTPStatus.CONFLICT, {"error": str(problem), "changed": problem.changed}
        except NcsError as problem:
            status, found = HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(problem)}
        except Exception as error:  # the page says so and stays open; the log is untouched
            text = f"unexpected {type(error).__name__}, a fault of ncs-cb; please report it."
            status, found = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": text}
        self._json(status, found)

    def _report(self, name: str) -> None:
        """Give the same file as ``analyze`` writes, for the browser to save."""
        from ncs_cb.reports import html, record

        lang = "zh" if name.endswith(".zh.html") else "en"
        writer = record.WRITER if name.endswith(".json") else html.WRITER
        text = next(iter(writer.write(self.server.session.result, lang=lang).values()))
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        self._answer(HTTPStatus.OK, data, "application/octet-stream", name)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._answer(status, f"{why}\n".encode(), "text/plain; charset=utf-8")

    def _json(self, status: HTTPStatus, answer: Any) -> None:
        data = json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8")
        self._answer(status, data, "application/json; charset=utf-8")

    def _answer(self, status: HTTPStatus, data: bytes, kind: str, save_as: str = "") -> None:
        self.send_response(status)
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if save_as:
            self.send_header("Content-Disposition", f'attachment; filename="{save_as}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
