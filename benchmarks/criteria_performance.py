"""How good are the published criteria? Every shipped set against the simulator's truth.

Run: ``python benchmarks/criteria_performance.py [VISITS]`` (visits per group, 40 by default);
writes ``CRITERIA.md``. The figures describe the simulated cohort, not patients: they compare
rules with each other and show where each one fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from ncs_cb import analyze_many, simulate
from ncs_cb.knowledge import criteria

SEED = 4_071
VISITS = 40
OUT = Path(__file__).with_name("CRITERIA.md")
KEYS = ["study_id", "nerve", "side", "muscle", "segment"]
GRADES = ("definite", "probable", "possible")

# Shipped recipes, and two with a wider range of lesions: a set is easy to please when every block
# is severe and none is dispersed.
GROUPS = {
    "healthy": "healthy_arm",
    "MMN": "mmn_ulnar_radial",
    "MMN, all degrees": "mmn_all_degrees",
    "dispersion only": "dispersion_only",
    "dispersion, all degrees": "dispersion_all_degrees",
    "ALS-like axon loss": "als_axon_loss",
    "CIDP-like": "cidp_like",
    "trap: Martin-Gruber": "trap_martin_gruber",
    "trap: submaximal": "trap_submaximal_proximal",
    "trap: ulnar elbow": "trap_ulnar_elbow",
}
WIDER = {
    "mmn_all_degrees": (
        "mmn_ulnar_radial",
        (
            ("block = [0.6, 0.75]", "block = [0.05, 0.95]"),
            ("delay_ms = [0.3, 0.9]", "delay_ms = [0.3, 8.0]"),
            ("block = [0.58, 0.7]", "block = [0.05, 0.95]"),
            ("delay_ms = [0.3, 0.8]", "delay_ms = [0.3, 8.0]"),
        ),
    ),
    "dispersion_all_degrees": (
        "dispersion_only",
        (
            ("delay_ms = [5.0, 9.0]", "delay_ms = [0.5, 16.0]"),
            ("delay_ms = [4.0, 8.0]", "delay_ms = [0.5, 16.0]"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Segments with truth and verdicts, and visits with categories."""

    segments: pd.DataFrame
    categories: pd.DataFrame


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Give the 95 % Wilson interval of a share."""
    z2 = 1.959964**2
    share = hits / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of * of))) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(marks: pd.Series) -> str:
    """Give hits of all in percent with the Wilson interval, or a dash when there is nothing."""
    of, hits = len(marks), int(marks.sum())
    if of == 0:
        return "–"
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.0f} ({100 * low:.0f}–{100 * high:.0f})"


def recipe_of(name: str, folder: Path) -> str | Path:
    """Give a shipped recipe's id, or a widened copy of it in `folder`."""
    if name not in WIDER:
        return name
    shipped, changes = WIDER[name]
    text = files("ncs_cb").joinpath(f"tables/recipes/{shipped}.toml").read_text("utf-8")
    text = text.replace(f'id = "{shipped}"', f'id = "{name}"')
    for old, new in changes:
        if old not in text:
            raise SystemExit(f"recipe {shipped} no longer says '{old}': bring WIDER up to date.")
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


def truths(made: list[simulate.Simulated]) -> Iterator[dict[str, object]]:
    for one in made:
        for segment in one.truth.segments:
            if segment.kind == "motor":
                yield {
                    "study_id": one.study.study_id,
                    "nerve": segment.nerve,
                    "side": segment.side,
                    "muscle": segment.muscle,
                    "segment": f"{segment.distal_site}-{segment.proximal_site}",
                    "blocked": segment.blocked_fraction,
                    "delay": segment.longest_delay_ms,
                }


def gather(visits: int) -> Cohort:
    """Simulate, analyze and join verdicts with truth, group by group."""
    segments, categories = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, (group, name) in enumerate(GROUPS.items()):
            made = simulate.recipe(recipe_of(name, Path(folder)), seed=SEED + number, n=visits)
            results = analyze_many([one.study for one in made], criteria.available())
            verdicts = pd.concat([r.verdicts for r in results])
            found = pd.concat([r.segments for r in results])
            rows = verdicts[[*KEYS, "criteria", "conduction_block"]].merge(
                pd.DataFrame(list(truths(made))), on=KEYS, validate="many_to_one"
            )
            columns = [*KEYS, "is_entrapment_site", "blocked_fraction", "blocked_fraction_low"]
            rows = rows.merge(found[columns], on=KEYS, validate="many_to_one")
            segments.append(rows.assign(group=group))
            categories.append(pd.concat([r.diagnosis for r in results]).assign(group=group))
            print(f"{group}: {len(made)} visits", file=sys.stderr)
    return Cohort(pd.concat(segments, ignore_index=True), pd.concat(categories, ignore_index=True))


@dataclass(frozen=True, slots=True)
class Calls:
    """What one set (or the estimate) says of every segment."""

    name: str
    rows: pd.DataFrame
    called: pd.Series
    definite: pd.Series
    silent: pd.Series

    def share(self, marks: pd.Series, where: pd.Series) -> str:
        """Give the share of `marks` that hold at `where`; a dash when nothing is ever answered."""
        return "–" if self.silent.all() else share(marks[where])


def calls(rows: pd.DataFrame) -> list[Calls]:
    """Give the calls of every set and, last, of the block estimate."""
    made = [
        Calls(
            str(name),
            part,
            part["conduction_block"].isin(GRADES),
            part["conduction_block"].eq("definite"),
            ~part["conduction_block"].isin([*GRADES, "none"]),
        )
        for name, part in rows.groupby("criteria")
    ]
    first = made[0].rows
    low = first["blocked_fraction_low"]
    silent = first["blocked_fraction"].isna()
    return [*made, Calls("*estimate*", first, low > 0.2, low > 0.5, silent)]


def table(head: list[str], lines: list[list[str]]) -> list[str]:
    """Lay out a Markdown table."""
    rule = "|---|" + "--:|" * (len(head) - 1)
    return [f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)]


def sensitivity_table(rows: pd.DataFrame) -> list[str]:
    """Table what each set calls block, by the share that is truly blocked."""
    degrees = {"20 to 50 %": (0.2, 0.5), "50 to 80 %": (0.5, 0.8), "over 80 %": (0.8, 1.01)}
    lines = []
    for one in calls(rows):
        blocked = one.rows["blocked"]
        within = [blocked.between(*edges, inclusive="left") for edges in degrees.values()]
        cells = [one.share(one.called, where) for where in within]
        strong = one.share(one.definite, blocked >= 0.5) if one.definite.any() else "–"
        lines.append([one.name, *cells, strong, f"{100 * one.silent.mean():.0f}"])
    return table(["set", *degrees, "definite, over 50 %", "no answer, all segments"], lines)


def specificity_table(rows: pd.DataFrame) -> list[str]:
    """Table what each set rightly does not call block, by group."""
    free = rows["blocked"] < 0.05
    groups = [group for group in GROUPS if (free & (rows["group"] == group)).any()]
    lines = []
    for one in calls(rows):
        clear = one.rows["blocked"] < 0.05
        cells = [one.share(~one.called, clear & (one.rows["group"] == group)) for group in groups]
        lines.append([one.name, *cells])
    return table(["set", *groups], lines)


def category_table(rows: pd.DataFrame) -> list[str]:
    """Table the share of visits of every group that reach a category, one line per category."""
    lines = []
    for name in rows["criteria"].unique():
        known = criteria.load(name).categories
        own = rows[rows["criteria"] == name]
        for depth, category in enumerate(known):
            reached = own["category"].isin(known[: depth + 1])
            silent = own["category"].eq("undetermined").all()
            cells = ["–" if silent else share(reached[own["group"] == g]) for g in GROUPS]
            lines.append([name, category if depth == 0 else f"{category} or better", *cells])
    return table(["set", "category", *GROUPS], lines)


INTRODUCTION = """\
# Published criteria against simulated truth

Made by `python benchmarks/criteria_performance.py`; do not edit. {visits} visits per group, seeds
from {seed}. Percent with the 95 % Wilson interval. The cohort is simulated: the figures compare
rules with each other on cases whose truth is known. They do not say what a rule does in a clinic.

Segments of common entrapment are left out, since most sets exclude them. Several segments of one
visit are not independent; the intervals are a little too narrow for that reason. *Estimate* is
`estimate_block`, research output and part of no set: its 90 % interval lies above 20 % (in the
column *definite* above 50 %). A dash stands where a set gives no answer at all.

## Segments with block: how many are called block

By the share of the signal that is truly blocked; any grade counts.
"""

SPECIFIC = """
## Segments without block: how many are not called block

Less than 5 % of the signal truly blocked, group by group. A segment that a set does not answer for
counts as not called.
"""

VISIT_TEXT = """
## Visits

Visits that reach a category of the set. For MMN sets the two MMN groups show sensitivity, the
others false positives. The CIDP sets judge motor conduction only: block in two nerves meets them,
whatever the cause. Clinical findings are those of the recipes: an MMN visit has the full clinical
picture, an ALS visit upper motor neuron signs.
"""

READING = """
## How to read it

- *MMN, all degrees* draws blocks of 5 to 95 % with delays of up to 8 ms; *dispersion, all degrees*
  delays of up to 16 ms without block. In *MMN* every block is above half of the signal and hardly
  dispersed, which flatters every set.
- The traps hold segments that look like block on two traces and are not: fibers that cross in the
  forearm, a proximal stimulus that is too weak. No rule on the numbers of one segment can tell
  them; the quality checks that look at other recordings and at the stimulus can.
- `efns_pns_cidp_2010` reaches *possible* in healthy visits by one sign, a long distal response: its
  limits (6.6 ms median, 6.7 ms ulnar) were found with a low-frequency filter of 20 Hz, but hold for
  any filter in the set; the cohort is recorded with 2 Hz, where healthy responses last longer.
  `ean_pns_cidp_2021` has limits by filter, and no healthy visit reaches it.
- `ean_pns_cidp_2021` reaches *possible* in *ALS-like axon loss* by one sign in the median nerve,
  whose fastest 75 to 95 % of axons are lost: in most visits the amplitude falls by 30 to 45 % while
  the area falls by 6 to 13 % (few slow axons that arrive one after another; the set asks for the
  amplitude alone), in the others the velocity of the survivors is below 70 % of the limit. One sign
  in one nerve is what the set calls weakly supportive: its words, not a fault of measuring.
- *Estimate* is called block only where its interval lies above 20 %. The interval has room for an
  electrode that moved and claims nothing where no one attested the proximal stimulus, so that it
  misses more of the slight blocks than it did without.
- `aanem_1999` and `aanem_2003` are shipped without the table of the 1999 consensus, which is not
  yet verified, and therefore give no answer.
- `utrecht_2000` asks for findings that the recipes leave unknown (age at onset among them), so that
  its categories stay open.
"""


def main() -> None:
    visits = int(sys.argv[1]) if len(sys.argv) > 1 else VISITS
    cohort = gather(visits)
    rows = cohort.segments[~cohort.segments["is_entrapment_site"].astype(bool)]
    text = [
        INTRODUCTION.format(visits=visits, seed=SEED),
        *sensitivity_table(rows),
        SPECIFIC,
        *specificity_table(rows),
        VISIT_TEXT,
        *category_table(cohort.categories),
        READING,
    ]
    OUT.write_text("\n".join(text), "utf-8")
    print(OUT.read_text("utf-8"))


if __name__ == "__main__":
    main()
