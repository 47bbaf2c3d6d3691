"""Open the page of a review from Python, for example from a notebook."""

from __future__ import annotations

import getpass
import html
import threading
from dataclasses import dataclass
from pathlib import Path

from ncs_cb.review.server import Server
from ncs_cb.review.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A review that is open; a notebook shows the link to its page.

    Attributes
    ----------
    url : str
        Address of the page, with its token.
    """

    url: str
    _server: Server

    def close(self) -> None:
        """Close the page for good; the log stays."""
        self._server.shutdown()
        self._server.server_close()

    def _repr_html_(self) -> str:
        link = html.escape(self.url, quote=True)
        return f'<a href="{link}" target="_blank" rel="noopener">{link}</a>'


def user_name() -> str:
    """Give the name of the user of this computer, for who reviews."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def serve(
    study: str | Path,
    *,
    who: str | None = None,
    port: int = 0,
    read_only: bool = False,
    criteria: list[str] | None = None,
    reference: str | None = None,
) -> Served:
    """Serve the page of a study's review on the loopback address, until it is closed.

    Parameters
    ----------
    study : str or Path
        The study's folder, or a single recording.
    who : str, optional
        The person who reviews; by default the user of this computer.
    port : int
        By default a free one.
    read_only : bool
        Whether nothing can be corrected.
    criteria, reference : optional
        As in ``analyze``.

    Returns
    -------
    Served
        With ``url`` and ``close()``.
    """
    name = user_name() if who is None else who
    session = Session(
        Path(study), who=name, read_only=read_only, criteria=criteria, reference=reference
    )
    server = Server(session, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Served(server.url, server)
