"""``ncs-cb simulate``: recordings with a known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from ncs_cb.cli._console import friendly, tell, wrong_usage
from ncs_cb.cli._options import Out
from ncs_cb.errors import TableError


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
    """Make recordings with a known truth, as EDF+ files: one folder per study."""
    from ncs_cb.readers.edf import write_edf
    from ncs_cb.simulate import recipe as follow

    try:
        made = follow(recipe, seed=seed, n=n)
    except TableError as error:
        wrong_usage(str(error))
    for one in made:
        write_edf(one.study, target / one.study.study_id)
    tell(f"wrote {len(made)} {'study' if len(made) == 1 else 'studies'} to {target}")
