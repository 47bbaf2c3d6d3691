"""``python -m ncs_cb`` is the same program as ``ncs-cb``."""

from ncs_cb.cli import main

if __name__ == "__main__":
    main()
