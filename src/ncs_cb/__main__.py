"""``python -m ncs_cb`` is the same program as ``ncs-cb``."""

from ncs_cb.system import look_for_garbage_seldom

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; one that is interrupted while it loads ends as any other does.

    Raises
    ------
    SystemExit
        Always, with the exit status.
    """
    look_for_garbage_seldom()
    try:
        from ncs_cb.cli import main as run

        run()
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


if __name__ == "__main__":
    main()
