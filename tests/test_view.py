"""The one place that rounds and words."""

from __future__ import annotations

import dataclasses
import math
import re
import string
import tomllib
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_cb import flags, model, view
from ncs_cb.columns import COLUMNS, table_columns
from ncs_cb.errors import ReportError
from ncs_cb.judging.limits import limits_table
from ncs_cb.knowledge import criteria
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.reference import chain
from ncs_cb.view.reading import overall
from ncs_cb.view.rounding import NOTHING, number, plain, signed
from ncs_cb.wording.catalog import load, read_catalog, registry_texts
from reports import example


@pytest.fixture(scope="module")
def result():
    return example.result()


@pytest.fixture(scope="module")
def built(result):
    return view.build(result)


# ------------------------------------------------------------------ rounding


@pytest.mark.parametrize(
    ("value", "unit", "limits", "text"),
    [
        (30.18, "%", (30.0,), "30.2"),
        (29.96, "%", (30.0,), "29.96"),
        (29.999996, "%", (30.0,), "29.999996"),
        (30.0, "%", (30.0,), "30.0"),
        (100 * (7.15 / 5.5 - 1), "%", (30.0,), "30.0"),
        (62.4, "%", (30.0, 50.0), "62"),
        (48.9, "%", (50.0,), "49"),
        (49.4, "%", (50.0,), "49.4"),
        (50.0000001, "%", (50.0,), "50.0000001"),
        (9.84, "mV", (), "9.8"),
        (0.484, "mV", (), "0.48"),
        (1.02, "mV", (1.0,), "1.02"),
        (-3.2, "%", (), "\u22123"),
        (-0.2, "%", (), "0"),
        (58.3, "m/s", (), "58"),
        (math.nan, "%", (30.0,), NOTHING),
        (None, "mV", (), NOTHING),
        (pd.NA, "mV", (), NOTHING),
    ],
)
def test_a_number_near_a_limit_keeps_the_decimals_that_tell_its_side(value, unit, limits, text):
    assert number(value, unit, limits) == text


@given(
    st.floats(-200, 200),
    st.lists(st.sampled_from([20.0, 30.0, 50.0, 60.0]), max_size=3),
    st.floats(-1.5, 1.5),
)
def test_no_rounded_number_ever_changes_sides(value, limits, offset):
    for exact in (value, *(limit + offset for limit in limits)):
        printed = float(number(exact, "%", limits).replace("\u2212", "-"))
        for limit in limits:
            if abs(exact - limit) > 1e-9:
                assert (printed > limit, printed < limit) == (exact > limit, exact < limit)


def test_a_fall_is_written_as_a_loss_and_a_rise_as_a_gain():
    assert signed("61", falls=True) == "\u221261"
    assert signed("\u22123", falls=True) == "+3"
    assert signed("8") == "+8"
    assert signed("0", falls=True) == "0"
    assert signed(NOTHING) == NOTHING


def test_a_limit_is_printed_as_it_was_written():
    assert [plain(x) for x in (50.0, 0.84, 10000.0, -2.5)] == ["50", "0.84", "10000", "\u22122.5"]


# ------------------------------------------------------------------ words


SHOWN = (
    "traces",
    "segments",
    "verdicts",
    "diagnosis",
    "checks",
    "f_waves",
    "recruitment",
    "inching",
    "estimates",
    "timeline",
    "changes",
)


def test_every_language_says_the_same_things_and_no_key_is_left_over():
    english = set(read_catalog("en"))
    shown = {f"column.{c.name}" for table in SHOWN for c in table_columns(table)}
    needed = {key for key in registry_texts() if not key.startswith("column.")} | shown
    for lang in view.languages():
        if lang != "en":
            keys = set(read_catalog(lang))
            assert (english | needed) - keys == set(), "not translated"
            assert keys - (english | set(registry_texts())) == set(), "left over"


def english_texts(value):
    """Every text of a shipped table that a page may show."""
    if isinstance(value, list):
        yield from (text for one in value for text in english_texts(one))
    if isinstance(value, dict):
        for key, one in value.items():
            assert not key.endswith("_zh"), f"{key}: belongs into words/zh.toml"
            if key in ("text", "label", "title", "ask", "absent_text", "frequency", "neuropathy"):
                yield one
            if key == "name" and "between" in value:  # the name of a site of entrapment
                yield one
            yield from english_texts(one)


def test_all_chinese_stands_in_one_catalog_and_nothing_of_a_table_is_left_over():
    tables = Path(view.__file__).parents[1] / "tables"
    said = set()
    for path in sorted(tables.rglob("*.toml")):
        if path.parent.name not in ("words", "recipes", "layouts"):
            said |= set(english_texts(tomllib.loads(path.read_text("utf-8"))))
    catalog = tomllib.loads((tables / "words" / "zh.toml").read_text("utf-8"))["knowledge"]
    assert set(catalog) - said == set(), "left over"
    assert said - set(catalog) == set(), "not translated"


def test_translations_fill_the_same_places():
    english = registry_texts() | read_catalog("en")
    for lang in view.languages():
        for key, text in read_catalog(lang).items():
            places = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            wanted = {name for _, name, _, _ in string.Formatter().parse(english[key]) if name}
            assert places == wanted, f"{lang}: {key}"


def test_every_flag_and_column_has_a_word_in_every_language():
    for lang in view.languages():
        texts = load(lang).texts
        for section in ("flag", "flag_meaning", "flag_effect", "flag_action"):
            named = {key.partition(".")[2] for key in texts if key.startswith(f"{section}.")}
            assert named == set(flags.FLAGS)
        assert all(f"column.{c.name}" in texts for c in COLUMNS)


def test_every_grade_of_every_shipped_set_has_a_word_and_a_letter():
    for lang in view.languages():
        texts = load(lang).texts
        for set_id in criteria.available():
            for grade in criteria.load(set_id).grades:
                assert f"grade.{grade}" in texts
                assert f"grade_short.{grade}" in texts


def test_an_unknown_language_names_those_that_are_there(result):
    with pytest.raises(ReportError, match="no words for language 'de'; known: en, zh"):
        view.build(result, lang="de")


def test_a_term_that_no_catalog_knows_speaks_for_itself():
    assert load("en").term("grade", "very_likely") == "very likely"


@pytest.mark.parametrize("lang", view.languages())
def test_every_fixed_word_of_the_view_is_text(result, lang):
    texts = view.build(result, lang=lang).labels
    assert all(isinstance(text, str) for text in texts.values())


def test_the_chinese_report_has_no_english_sentence_of_ours(result):
    built = view.build(result, lang="zh")
    english = read_catalog("en")
    text = str(dataclasses.asdict(built))
    sentences = [s for s in english.values() if len(s) > 25 and "{" not in s]
    assert [s for s in sentences if s in text] == []


# ------------------------------------------------------------------ the view


def test_the_view_is_frozen_plain_data(built):
    with pytest.raises(dataclasses.FrozenInstanceError):
        built.lang = "zh"

    def leaves(value):
        inside = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | tuple):
            return [leaf for item in inside for leaf in leaves(item)]
        return [value]

    kinds = {type(leaf) for leaf in leaves(dataclasses.asdict(built))}
    # A float would be a number that a writer has to round; whole numbers are places of rows.
    assert kinds == {str, bool, int}


def test_building_a_view_changes_nothing(result):
    before = [t.copy(deep=True) for t in (result.traces, result.segments, result.verdicts)]
    view.build(result)
    for old, new in zip(before, (result.traces, result.segments, result.verdicts), strict=True):
        pd.testing.assert_frame_equal(old, new)


def test_the_header_says_not_recorded_rather_than_nothing():
    built = view.build(example.empty_result())
    facts = {f.label: f.text for f in (*built.header, *built.technique)}
    assert facts["Limb temperature"] == "not recorded"
    assert facts["Person"] == "not recorded"


def test_the_header_names_temperature_filters_and_sampling(built):
    facts = {f.label: f.text for f in (*built.header, *built.technique)}
    assert facts["Limb temperature"] == "right arm 33.5 °C"
    assert facts["Filters"] == "2 Hz to 10 kHz"
    assert facts["Sampling"] == "20 kHz"
    assert facts["Person"] == "44 years, male, 176 cm"


def test_the_finding_names_the_block_with_its_numbers(built):
    assert (
        "Definite conduction block by EFNS/PNS 2010 (MMN): right ulnar nerve, wrist to below "
        "elbow (area \u221261 %, amplitude \u221264 %, duration +8 %)." in built.finding_text
    )


def test_the_finding_says_what_was_not_tested(built):
    last = built.finding[-1].text
    assert last.startswith("Not tested: ")
    for words in ("right musculocutaneous nerve", "legs", "nerve roots", "proximal to axilla"):
        assert words in last


def test_what_else_could_explain_a_block_stands_right_behind_it(result):
    flagged = result.segments.copy()
    flagged.loc[0, "quality_flags"] = "martin_gruber;estimate_residual_large"
    first, second, *_ = view.build(replace(result, segments=flagged)).finding
    assert first.text.startswith("Definite conduction block")
    assert second.text == "Another explanation must be weighed: Martin-Gruber anastomosis."
    assert {first.label, second.label} == {"block"}


def test_a_nerve_recorded_from_two_muscles_is_told_apart(result):
    twin = [("ulnar", "right", "fdi", example.ARM[0][3]), *example.ARM]
    text = view.build(example.result(arm=twin)).finding_text
    assert "right ulnar nerve (ADM), wrist to below elbow" in text
    assert "right ulnar nerve (FDI), wrist to below elbow" in text
    assert "right median nerve (wrist to elbow" in text


def test_on_the_map_no_block_never_covers_an_open_question(result):
    twin = [("ulnar", "right", "fdi", example.ARM[0][3]), *example.ARM]
    double = example.result(arm=twin)
    verdicts = double.verdicts.copy()
    verdicts["conduction_block"] = verdicts["conduction_block"].where(
        verdicts["muscle"] != "fdi", "undetermined"
    )
    stretches = view.build(replace(double, verdicts=verdicts)).stretches
    places = [(s.nerve, s.side, s.distal_site, s.proximal_site) for s in stretches]
    assert len(places) == len(set(places))
    ulnar = {s.distal_site: s.grade for s in stretches if (s.nerve, s.side) == ("ulnar", "right")}
    assert ulnar == {
        "wrist": "definite",
        "below_elbow": "undetermined",
        "above_elbow": "undetermined",
    }


def test_dispersion_stands_beside_no_block(result):
    verdicts = result.verdicts.assign(temporal_dispersion=True)
    built = view.build(replace(result, verdicts=verdicts.astype(result.verdicts.dtypes)))
    assert "Abnormal temporal dispersion: right median nerve" in built.finding_text
    free = next(s for n in built.nerves for s in n.segments if s.grade == "none")
    assert free.numbers.endswith("temporal dispersion")


def test_another_set_is_mentioned_only_where_it_differs(built):
    assert "Partial block, 20 % differs: probable block in right radial nerve" in built.finding_text
    assert "EAN/PNS 2021 (CIDP) differs" not in built.finding_text


def verdicts_with(result, grade):
    verdicts = result.verdicts.assign(conduction_block=grade, not_excluded=grade)
    return replace(result, verdicts=verdicts.astype(result.verdicts.dtypes))


@pytest.mark.parametrize("grade", ["undetermined", "excluded", "not_covered"])
@pytest.mark.parametrize("lang", view.languages())
def test_what_was_not_decided_never_reads_as_no_block(result, grade, lang):
    built = view.build(verdicts_with(result, grade), lang=lang)
    no_block = {"en": "No block", "zh": "未见阻滞"}[lang]
    assert no_block not in built.finding_text
    for row in built.motor.rows:
        assert no_block.lower() not in " ".join(cell.text for cell in row)
    assert {n.grade for n in built.nerves} == {grade}


@pytest.mark.parametrize("grade", ["none", "undetermined", "excluded", "not_covered"])
@pytest.mark.parametrize("lang", view.languages())
def test_no_block_never_reads_as_no_disease(result, grade, lang):
    text = view.build(verdicts_with(result, grade), lang=lang).finding_text
    assert {"en": "does not exclude MMN", "zh": "不能排除 MMN"}[lang] in text


def test_block_does_not_come_with_the_sentence_about_its_absence(built):
    assert "does not exclude MMN" not in built.finding_text


@given(st.lists(st.sampled_from(["none", "undetermined", "excluded", "not_covered"]), min_size=1))
def test_a_nerve_reads_as_free_of_block_only_when_every_segment_was_looked_at(grades):
    assert (overall(grades) == "none") == (set(grades) == {"none"})


def test_a_nerve_carries_its_strongest_grade():
    assert overall(["none", "probable", "definite", "undetermined"]) == "definite"
    assert overall(["none", "undetermined"]) == "undetermined"
    assert overall(["none", "excluded"]) == "none_where_judged"
    assert overall([]) == "not_covered"


def test_a_value_near_a_limit_of_its_set_is_told_apart_everywhere(result):
    near = result.segments.copy()
    near.loc[0, ["area_reduction_pct", "total_area_reduction_pct"]] = 49.97
    built = view.build(replace(result, segments=near, verdicts=example.verdicts_of(near)))
    ulnar = next(n for n in built.nerves if n.id == "ulnar-right-adm")
    assert "49.97" in {cell.text for cell in ulnar.changes.rows[0]}
    assert "area \u221249.97 %" in built.finding_text
    assert "49.97 %" in {c.text for row in ulnar.segments[0].sets[0].clauses.rows for c in row}
    assert ulnar.grade == "probable"


def test_each_clause_shows_value_limit_result_source_and_level(built):
    ulnar = next(n for n in built.nerves if n.id == "ulnar-right-adm")
    clauses = ulnar.segments[0].sets[0].clauses
    assert [h.label for h in clauses.heads] == [
        "For",
        "Clause",
        "Measured",
        "Limit",
        "Result",
        "Source",
        "Verification",
    ]
    area = [c.text for c in clauses.rows[1]]
    assert area[1:5] == ["Area reduction", "61 %", "≥ 50 %", "met"]
    assert area[6] == "primary"


def test_an_unknown_clause_is_unknown_and_not_unmet(built):
    typed = next(n for n in built.nerves if n.id == "ulnar-left-adm")
    rows = typed.segments[0].sets[0].clauses.rows
    results = {row[4].text for row in rows if row[2].text == NOTHING}
    assert results == {"unknown"}


def test_a_flag_says_what_was_seen_its_effect_and_what_to_do(built):
    (note,) = (note for nerve in built.nerves for note in nerve.flags)
    words, name = load("en"), "supramaximality_not_attested"
    assert note.heading == "Supramaximal stimulation not attested (wrist to below elbow)."
    assert words(f"flag_meaning.{name}") in note.text
    assert words(f"flag_effect.{name}") in note.text
    assert words(f"flag_action.{name}") in note.next


def test_checks_that_could_not_be_made_are_named_with_what_was_missing(built):
    ulnar = next(n for n in built.nerves if n.id == "ulnar-right-adm")
    (check,) = ulnar.not_examined
    assert check.label == "Martin-Gruber anastomosis"
    assert "no ADM response to median stimulation" in check.text


def test_the_estimate_is_called_research_wherever_it_is_shown(built):
    ulnar = next(n for n in built.nerves if n.id == "ulnar-right-adm")
    assert "research" in ulnar.segments[0].estimate
    assert "enters no published criterion" in ulnar.segments[0].estimate
    assert "enters no published criterion" in ulnar.changes.note
    assert any("research" in h.label for h in ulnar.changes.heads)


def test_a_value_outside_its_normal_limit_is_marked_with_the_set(result):
    weak = result.traces.copy()
    weak.loc[weak.index[4], "negative_peak_amplitude_mv"] = 3.0
    marks = limits_table(weak, result.segments, {}, (), chain("aanem_2016"))
    built = view.build(replace(result, traces=weak, limits=marks))
    median = next(n for n in built.nerves if n.id == "median-right-apb")
    cells = [c for c in median.sites.rows[0] if c.tone == "outside"]
    assert [c.text for c in cells] == ["3.0* (≥ 4.1)"]
    assert "*: outside it" in median.sites.note
    assert any("3.0* (≥ 4.1)" in c.text for row in built.motor.rows for c in row)


def test_missing_evidence_says_what_would_decide(built):
    guideline = built.diagnosis[0]
    assert guideline.word == "probable MMN"
    assert guideline.not_excluded == "definite MMN"
    assert "record for how many months" in guideline.missing[0]


def test_features_are_listed_one_by_one_with_their_source(built):
    rows = {row[1].text: [c.text for c in row] for row in built.features.rows}
    assert rows["no upper motor neuron signs"][0] == "for"
    assert "EFNS/PNS 2010" in rows["no upper motor neuron signs"][3]
    bearings = [row[0].tone for row in built.features.rows]
    order = ["supportive", "against", "neutral"]
    assert "enlarged nerves on ultrasound" in built.features.note
    assert bearings == sorted(bearings, key=order.index)


def test_the_differential_names_what_speaks_for_and_against_each_disease(built):
    headings = [d.heading for d in built.differential]
    assert any(h.startswith("CIDP") for h in headings)
    assert any("ALS" in h for h in headings)
    assert {i.label for d in built.differential for i in d.items} <= {"for", "against"}


def test_provenance_names_sets_revision_hash_and_verification(built):
    rows = [[c.text for c in row] for row in built.data_files.rows]
    sha = criteria.load("efns_pns_2010").sha256
    assert ["criteria", "EFNS/PNS 2010 (MMN)", "1", sha] in rows
    levels = {f.label: f.text for f in built.verification}
    assert levels["EFNS/PNS 2010 (MMN)"] == "primary 3, secondary 1"
    assert levels["Partial block, 20 %"] == "unchecked 2"


def test_the_disclaimer_says_no_medical_device(built):
    assert "no medical device" in built.disclaimer


def test_a_set_of_another_content_keeps_its_id_and_not_our_title(result):
    files = (model.DataFile("own_lab", 3, "ff" * 32),)
    changed = replace(
        result,
        verdicts=result.verdicts.assign(criteria="own_lab"),
        provenance=replace(result.provenance, criteria=files),
    )
    assert view.build(changed).lead == "own_lab"


def test_an_id_that_is_a_path_is_never_read(result, tmp_path):
    trap = tmp_path / "trap.toml"
    trap.write_text("not toml [")
    changed = replace(result, verdicts=result.verdicts.assign(criteria=str(trap)))
    assert view.build(changed).legend


def test_a_users_own_grade_is_block(result):
    built = view.build(verdicts_with(result, "very_likely"))
    assert {n.word for n in built.nerves} == {"very likely"}
    assert "No block" not in built.finding_text


def test_responses_are_ordered_from_distal_to_proximal(result):
    order = np.arange(len(result.traces))[::-1]
    turned = replace(
        result,
        traces=result.traces.iloc[order].reset_index(drop=True),
        responses=tuple(result.responses[n] for n in order),
    )
    for nerve in view.build(turned).nerves:
        sites = anatomy().nerves[nerve.nerve].sites
        places = [sites.index(s.site) for s in nerve.responses]
        assert places == sorted(places)


def test_right_comes_before_left(built):
    assert [n.side for n in built.nerves] == ["right"] * 3 + ["left"] * 2


def test_every_side_of_the_model_has_a_word():
    for lang in view.languages():
        assert all(f"side.{side}" in load(lang).texts for side in get_args(model.Side))


def test_an_empty_study_says_nothing_about_block():
    built = view.build(example.empty_result())
    assert built.finding[0].text.startswith("No segment could be compared")
    assert "No block" not in built.finding_text


@pytest.mark.parametrize("lang", view.languages())
def test_without_a_criteria_set_nothing_is_said_about_block(result, lang):
    bare = replace(
        result,
        verdicts=example.empty("verdicts"),
        diagnosis=example.empty("diagnosis"),
        provenance=replace(result.provenance, criteria=()),
    )
    built = view.build(bare, lang=lang)
    assert built.finding[0].text == view.load(lang)("finding.no_sets")
    assert {n.grade for n in built.nerves} == {"not_covered"}


@pytest.mark.parametrize("lang", view.languages())
def test_sources_shown_to_a_reader_are_publications(result, lang):
    shown = str(asdict(view.build(result, lang=lang)))
    for private in ("in the seeds", "project seeds", "design reference", "researcher.life"):
        assert private not in shown


def test_data_files_name_publications_not_our_own_papers():
    for path in files("ncs_cb").joinpath("tables").rglob("*.toml"):
        values = re.findall(
            r'(?:source|citation|read_in|label|title) = "([^"]*)"', path.read_text()
        )
        for value in values:
            assert not re.search(r"seeds|design reference|researcher\.life [0-9a-f]{8}", value), (
                path
            )


@pytest.mark.parametrize("word", ["时限", "卡压", "颅神经", "拟诊", "弥散", "疑诊", "压迫性"])
def test_chinese_has_one_word_for_one_thing(word):
    """Duration 时程, entrapment 嵌压, cranial nerve 脑神经, probable 很可能: in every file."""
    folder = files("ncs_cb").joinpath("tables")
    assert [p.name for p in folder.rglob("*.toml") if word in p.read_text("utf-8")] == []


def test_probable_and_possible_keep_their_own_chinese_word_everywhere():
    """Probable is 很可能 and possible is 可能, in every sentence of the catalog."""
    words = tomllib.loads(files("ncs_cb").joinpath("tables/words/zh.toml").read_text("utf-8"))
    english = load("en").texts
    seen = 0
    for section, texts in words.items():
        for key, chinese in _flat(texts):
            source = english.get(f"{section}.{key}", key)
            wanted = {
                "很可能": bool(re.search(r"\bprobable\b", source, re.IGNORECASE)),
                "可能": bool(re.search(r"\bpossible\b", source, re.IGNORECASE)),
            }
            seen += sum(wanted.values())
            if wanted["很可能"]:
                assert "很可能" in chinese, source
            elif wanted["可能"]:
                assert "可能" in chinese.replace("不可能", ""), source
                assert "很可能" not in chinese, source
    assert seen > 20


def _flat(texts, above=""):
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
