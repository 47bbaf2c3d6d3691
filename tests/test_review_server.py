"""The server of a review answers only to its own page, and gives only its own files."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from ncs_cb.review import append, events, serve
from review_visits import ulnar_visit


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    return ulnar_visit(tmp_path_factory.mktemp("served") / "visit", heights=(10.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def served(visit):
    opened = serve(visit, who="mt")
    yield opened
    opened.close()


def ask(served, path, *, method="GET", body=None, **headers):
    address = urlsplit(served.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    path = path.replace("TOKEN", address.path.strip("/"))
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def post(served, body, **headers):
    headers = {"Content_Type": "application/json", **headers}
    return ask(served, "/TOKEN/event", method="POST", body=body, **headers)


def test_with_the_token_the_page_comes_with_strict_headers(served):
    status, headers, body = ask(served, "/TOKEN/")
    assert status == 200
    assert b"<script" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not any(name.lower().startswith("access-control") for name in headers)


@pytest.mark.parametrize("path", ["/", "/state", "/wrong/state", "/TOKENx/state", "/TOKEN"])
def test_without_the_token_nothing_is_to_be_had(served, path):
    status, _, body = ask(served, path)
    assert status == 403
    assert b"ulnar" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:80"]
)
def test_another_host_name_is_refused(served, host):
    status, _, body = ask(served, "/TOKEN/state", Host=host)
    assert status == 403
    assert b"ulnar" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/TOKEN/../../../../etc/passwd",
        "/TOKEN/..%2f..%2fetc/passwd",
        "/TOKEN//etc/passwd",
        "/TOKEN/review.jsonl",
        "/TOKEN/ulnar_right.csv",
        "/TOKEN/../server.py",
        "/TOKEN/page.html/..",
    ],
)
def test_no_other_file_is_given(served, path):
    assert ask(served, path)[0] == 404


@pytest.mark.parametrize("name", ["review.js", "drawing.js", "review.css", "icon.svg"])
def test_the_page_s_own_files_are_given_and_name_no_other_place(served, name):
    status, _, body = ask(served, f"/TOKEN/{name}")
    assert status == 200
    text = body.decode().replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text


def test_another_site_s_page_cannot_correct(served, visit):
    event = {"action": "accept", "trace": {"site": "wrist"}}
    assert post(served, event, Origin="http://evil.example")[0] == 403
    assert post(served, event, Content_Type="text/plain")[0] == 415
    assert ask(served, "/TOKEN/event")[0] == 404
    assert events(visit) == []


def test_what_is_too_large_or_no_json_is_refused(served, visit):
    assert post(served, b"x" * 70_000)[0] == 413
    assert post(served, b"[1]")[0] == 400
    assert post(served, b"[" * 60_000)[0] == 400
    assert post(served, {"action": "accept", "trace": {"site": "wrist"}, "who": "xy"})[0] == 422
    assert events(visit) == []


_WRIST = {"recording": "ulnar_right.csv", "site": "wrist"}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "action"),
        ({"trace": _WRIST}, "action"),
        ({"action": ["accept"], "trace": _WRIST}, "action"),
        ({"action": "accept", "trace": 5}, "trace"),
        ({"action": "accept", "trace": [1]}, "trace"),
        ({"action": "accept", "trace": _WRIST | {"sweep": [1]}}, "no response"),
        ({"action": "move", "trace": _WRIST, "marker": "onset", "to_ms": 10**400}, "finite"),
        ({"action": "move", "trace": _WRIST, "marker": ["onset"], "to_ms": 3}, "marker"),
        ({"action": "set", "trace": _WRIST, "key": {}, "to": 3}, "key"),
        ({"action": "accept", "trace": _WRIST, "why": 5}, "why"),
        ({"action": "undo", "undoes": ["a"]}, "undoes"),
        # Nothing is written that cannot be answered.
        ({"action": "accept", "trace": _WRIST, "lang": "../.."}, "language"),
        ({"action": "accept", "trace": _WRIST, "lang": None}, "language"),
    ],
)
def test_no_event_however_odd_is_a_fault_or_is_written(served, visit, event, message):
    status, _, body = post(served, event)
    assert status == 422
    assert message in json.loads(body)["error"]
    assert events(visit) == []


def test_a_body_of_no_length_is_refused(served, visit):
    assert post(served, b"")[0] in (400, 422)
    assert events(visit) == []


def test_a_correction_answers_with_the_new_state_and_a_change_of_grade_asks_why(served, visit):
    event = {"action": "move", "trace": {"site": "wrist"}, "marker": "end", "to_ms": 4.2}
    status, _, body = post(served, event)
    assert status == 409
    assert any(c["from"] == "definite" for c in json.loads(body)["changed"])
    assert events(visit) == []
    status, _, body = post(served, {**event, "why": "cut"})
    assert status == 200
    state = json.loads(body)
    assert state["events"][0]["why"] == "cut"
    (nerve,) = state["nerves"]
    assert nerve["segments"][0]["is_changed"]
    assert nerve["grade"] != "definite"
    append(visit, who="xy", action="undo", undoes=state["events"][0]["id"], why="a test")
    later = json.loads(ask(served, "/TOKEN/state")[2])
    assert later["nerves"][0]["grade"] == "definite"
    assert later["version"] > state["version"]


def test_a_browser_that_leaves_before_its_answer_leaves_no_trace(visit, capfd):
    opened = serve(visit, who="mt")
    address = urlsplit(opened.url)
    lines = f"GET {address.path}samples HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port)) as leaving:
            # Closed at once, with what was sent to it still unread: the connection is reset.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaving.sendall(lines.encode() * 40)
    assert ask(opened, "/TOKEN/state")[0] == 200
    time.sleep(0.3)
    opened.close()
    assert capfd.readouterr().err == ""


def test_the_command_prints_the_address_first_and_ends_on_interrupt(visit):
    command = [sys.executable, "-m", "ncs_cb", "review", visit, "--no-browser", "--read-only"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        address = urlsplit(run.stdout.readline().strip())
        assert address.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request("GET", f"{address.path}state")
        state = json.loads(connection.getresponse().read())
        assert state["read_only"]
        connection.close()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert out == ""
    assert "Traceback" not in err
    assert run.returncode == 0


def test_closing_the_page_for_good_ends_the_command(visit):
    command = [sys.executable, "-m", "ncs_cb", "review", visit, "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        address = urlsplit(run.stdout.readline().strip())
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request(
            "POST", f"{address.path}close", b"{}", {"Content-Type": "application/json"}
        )
        assert connection.getresponse().status == 200
        connection.close()
        assert run.wait(timeout=30) == 0


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "ODD"])
def test_a_method_that_is_not_ours_is_refused_as_strictly(served, method):
    for path in (urlsplit(served.url).path, "/"):
        status, headers, body = ask(served, path, method=method)
        assert status == 501
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Content-Type"].startswith("text/plain")
        assert b"<" not in body
        assert (body == b"") == (method == "HEAD")


def test_the_command_tells_of_a_torn_log_in_one_line_without_a_path(tmp_path):
    visit = ulnar_visit(tmp_path / "visit")
    append(visit, who="mt", action="accept", trace={"site": "wrist"})
    log = visit / "review.jsonl"
    log.write_bytes(log.read_bytes() + b'{"v":1,"id"')
    done = subprocess.run(
        [sys.executable, "-m", "ncs_cb", "analyze", visit, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    (line,) = (one for one in done.stderr.splitlines() if "torn" in one)
    assert line.startswith("warning: review.jsonl: its last line is torn")
    assert "UserWarning" not in done.stderr
    assert "Warning:" not in done.stderr
    assert ".py" not in done.stderr
