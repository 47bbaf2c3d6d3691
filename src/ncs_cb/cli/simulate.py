"""``ncs-cb simulate``: recordings with a known truth."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncs_cb.cli.console import friendly, note, wrong_usage
from ncs_cb.cli.options import Out
from ncs_cb.errors import TableError

if TYPE_CHECKING:
    from pathlib import Path

    from ncs_cb.simulate import Simulated


@friendly
def simulate(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Id of a recipe, or the path of a .toml file.")
    ],
    target: Out,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of studies.")] = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed; the recipe's own when not given.")
    ] = None,
) -> None:
    """Make recordings with a known truth: one folder of EDF+ files and study.toml per study.

    What is true of a study stands beside its folder, in <study id>.truth.json.
    """
    from ncs_cb.simulate import recipe as follow

    try:
        made = follow(recipe, seed=seed, n=n)
    except TableError as error:
        wrong_usage(str(error))
    for one in made:
        _write(one, target)
    note(f"wrote {len(made)} {'study' if len(made) == 1 else 'studies'} to {target}")


def _write(one: Simulated, target: Path) -> None:
    from ncs_cb.readers.edf import write_edf
    from ncs_cb.reports import safe_name, write_atomically
    from ncs_cb.simulate import study_toml

    study = one.study
    folder = target / safe_name(study.study_id)
    write_edf(study, folder)
    write_atomically(folder / "study.toml", study_toml(study))
    truth = json.dumps(_plain(asdict(one.truth)), indent=1, ensure_ascii=False)
    write_atomically(target / f"{folder.name}.truth.json", truth + "\n")


def _plain(value: Any) -> Any:
    """Give arrays as lists and numbers that are none as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
