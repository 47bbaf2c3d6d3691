"""Criteria sets: every number has a source, and a faulty file says what is wrong and where."""

from __future__ import annotations

import pandas as pd
import pytest

from ncs_cb.errors import TableError
from ncs_cb.judging import diagnosis
from ncs_cb.judging.verdicts import judge
from ncs_cb.knowledge import criteria
from ncs_cb.knowledge.clauses import Clause
from ncs_cb.knowledge.findings import findings
from ncs_cb.model import Details

OWN = """id = "our_lab"
title = "Our laboratory's own"
revision = 1
purpose = "mmn"
grades = ["definite", "possible"]
categories = ["definite"]
[source]
citation = "Our own rule"
[entry]
all = [
  { column = "distal_amplitude_mv", op = "gt", value = 2.0, source = "p. 4", verified = "primary" },
]
[[rule]]
id = "half"
grade = "definite"
nerves = ["median", "ulnar"]
all = [
  { column = "area_reduction_pct", op = "ge", value = 45.0, source = "p. 1", verified = "primary" },
  { flag = "submaximal_proximal", is = false, source = "p. 2", verified = "primary" },
]
[[category]]
id = "definite"
all = [
  { nerves_with = ["definite"], at_least = 1, source = "p. 3", verified = "primary" },
  { finding = "clinical.upper_motor_neuron_signs", is = false, source = "p", verified = "primary" },
]
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "our_lab.toml"
    path.write_text(OWN, "utf-8")
    return path


def test_every_set_of_the_issue_is_there():
    wanted = {
        "aan_1991",
        "aanem_1999",
        "aanem_2003",
        "albers_1985",
        "ean_pns_cidp_2021",
        "efns_pns_2010",
        "efns_pns_cidp_2010",
        "ghosh_2005",
        "partial_block_20pct",
        "pfeiffer_2000",
        "utrecht_2000",
    }
    assert wanted <= set(criteria.available())


@pytest.mark.parametrize("name", criteria.available())
def test_every_threshold_has_a_source_and_a_verification_level(name):
    made = criteria.load(name)
    assert made.id == name
    assert made.citation
    assert made.title_zh
    for clause in made.thresholds():
        assert clause.source
        assert clause.verified in ("primary", "secondary", "unchecked", "doubtful")


@pytest.mark.parametrize("name", criteria.available())
def test_every_category_clause_has_words_in_both_languages(name):
    for clause in criteria.load(name).category_leaves():
        assert clause.text, clause.id
        assert clause.text_zh, clause.id
        if clause.kind in ("finding", "sensory"):
            assert clause.ask, clause.id
            assert clause.ask_zh, clause.id


@pytest.mark.parametrize("name", criteria.available())
def test_clause_ids_of_the_categories_mean_one_thing(name):
    made = criteria.load(name)
    seen: dict[str, Clause] = {}
    for route in made.category_routes:
        for clause in criteria.leaves(route.term):
            assert seen.setdefault(clause.id, clause) == clause
            assert made.clause(clause.id) == clause


def test_the_default_list_is_enabled_and_has_no_doubtful_number():
    for name in criteria.DEFAULT:
        made = criteria.load(name)
        assert made.enabled
        assert all(clause.verified != "doubtful" for clause in made.thresholds())


def test_a_set_that_is_not_enabled_shows_no_unchecked_number():
    made = criteria.load("aanem_1999")
    assert not made.enabled
    assert made.why_not_enabled
    numbers = [c for c in made.thresholds() if c.op != "is"]
    assert numbers
    assert all(clause.value is None for clause in numbers)
    allowed = criteria.load("aanem_1999", allow_doubtful=True)
    assert {c.value for c in allowed.thresholds() if c.op != "is"} >= {30.0, 40.0, 50.0, 60.0}


def test_an_unset_number_stays_unknown_even_when_all_are_allowed():
    made = criteria.load("aanem_1999", allow_doubtful=True)
    radial = next(rule for rule in made.rules if rule.id == "radial")
    assert [clause.value for clause in criteria.leaves(radial.term)] == [None, None]


def test_aanem_2003_takes_its_block_from_1999_and_its_hash_covers_both():
    made, block = criteria.load("aanem_2003"), criteria.load("aanem_1999")
    assert made.rules == block.rules
    assert made.sha256 not in (block.sha256, criteria.load("efns_pns_2010").sha256)
    assert not made.enabled


def test_mmn_block_is_judged_by_area_and_cidp_block_by_amplitude():
    # Design reference, section 1: never let the two share one threshold.
    def measures(name):
        rules = criteria.load(name).rules
        return {c.subject for rule in rules for c in criteria.leaves(rule.term)}

    assert measures("efns_pns_2010") == {"area_reduction_pct", "duration_increase_pct"}
    assert measures("ean_pns_cidp_2021") == {"amplitude_reduction_pct"}
    assert measures("efns_pns_cidp_2010") == {"amplitude_reduction_pct"}


def test_no_shipped_set_asks_for_a_research_estimate():
    for name in criteria.available():
        subjects = {clause.subject for clause in criteria.load(name).thresholds()}
        assert not [one for one in subjects if one.startswith(("blocked_", "added_"))]


def test_every_finding_asked_for_is_one_of_study_toml():
    asked = {
        clause.subject
        for name in criteria.available()
        for clause in criteria.load(name).category_leaves()
        if clause.kind == "finding"
    }
    assert asked <= set(findings())
    assert len(asked) >= 15


def test_a_laboratory_set_is_loaded_and_judged_from_its_path(own):
    table = pd.DataFrame(
        {
            "nerve": ["median", "radial"],
            "segment": ["wrist-elbow", "forearm-elbow"],
            "distal_amplitude_mv": [8.0, 8.0],
            "area_reduction_pct": [46.0, 46.0],
        }
    )
    found = judge(table, str(own))
    assert found["criteria"].tolist() == ["our_lab", "our_lab"]
    # Nobody looked whether the proximal stimulus was submaximal.
    assert found["conduction_block"].tolist() == ["undetermined", "not_covered"]
    assert found["not_excluded"].tolist() == ["definite", "not_covered"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'column = "area_reduction_pct"',
            'column = "area_reducton_pct"',
            r"rule\[1\].all\[1\].column: unknown name 'area_reducton_pct'.*'area_reduction_pct'",
        ),
        ('op = "ge"', 'op = ">="', r"all\[1\].op: unknown name '>='; known: gt, ge, lt, le"),
        ("value = 45.0", 'value = "much"', r"rule\[1\].all\[1\].value: must be a number"),
        ("value = 45.0", "value = nan", r"rule\[1\].all\[1\].value: must be a number"),
        ("value = 45.0, ", "", r"rule\[1\].all\[1\].value: missing key 'value'"),
        ('grade = "definite"', 'grade = "probable"', r"rule\[1\].grade: unknown name 'probable'"),
        (
            'nerves = ["median", "ulnar"]',
            'nerves = ["medain"]',
            r"rule\[1\].nerves: unknown name 'medain'.*Did you mean 'median'",
        ),
        (
            'flag = "submaximal_proximal"',
            'flag = "submaximal_proximale"',
            r"rule\[1\].all\[2\].flag.*Did you mean 'submaximal_proximal'",
        ),
        ('is = false, source = "p. 2"', 'is = 0, source = "p. 2"', r"all\[2\].is: must be"),
        (
            '"clinical.upper_motor_neuron_signs"',
            '"clinical.upper_motor_neurone_signs"',
            r"category\[1\].all\[2\].finding.*Did you mean 'clinical.upper_motor_neuron_signs'",
        ),
        ('column = "area_reduction_pct"', 'column = "blocked_fraction"', "research estimate"),
        (
            'column = "area_reduction_pct"',
            'colum = "area_reduction_pct"',
            r"rule\[1\].all\[1\].*unknown key 'colum'.*Did you mean 'column'",
        ),
        ('source = "p. 4", ', "", r"entry.all\[1\].source: missing key 'source'"),
        (
            'grades = ["definite", "possible"]',
            'grades = ["possible", "definite"]',
            "grades: must be listed once each, strongest first",
        ),
        (
            '[[category]]\nid = "definite"',
            '[[category]]\nid = "certain"',
            r"category\[1\].id: unknown name 'certain'",
        ),
        ("at_least = 1", "at_least = 0", r"category\[1\].all\[1\].at_least: must be at least 1"),
        ('id = "half"', 'id = "half"\nthreshold = 3', r"rule\[1\].threshold: unknown key"),
        ("[[rule]]", "[[rules]]", "rules: unknown key 'rules'.*Did you mean 'rule'"),
        ('purpose = "mmn"', 'purpose = "fun"', "purpose: unknown name 'fun'"),
        ('title = "Our laboratory\'s own"', 'title = " "', "title: must not be blank"),
        ("revision = 1", "revision = 1.5", "revision: must be a whole number"),
        ("[source]", "[source", "not valid TOML"),
    ],
)
def test_a_faulty_set_names_file_key_reason_and_nearest_name(own, old, new, message):
    assert old in OWN
    own.write_text(OWN.replace(old, new, 1), "utf-8")
    with pytest.raises(TableError, match=message) as caught:
        criteria.load(own)
    assert "our_lab.toml" in str(caught.value)


def test_an_empty_rule_is_refused_since_it_would_always_hold(own):
    start, end = OWN.index('all = [\n  { column = "area'), OWN.index("[[category]]")
    own.write_text(OWN[:start] + "all = []\n" + OWN[end:], "utf-8")
    with pytest.raises(TableError, match=r"rule\[1\].all: must not be empty"):
        criteria.load(own)


def test_an_unknown_set_names_the_nearest_and_how_to_name_a_file():
    with pytest.raises(
        TableError, match=r"'efns_pns_2011'; known: .*'efns_pns_2010'.*ending in .toml"
    ):
        criteria.load("efns_pns_2011")


def test_a_missing_file_is_named():
    with pytest.raises(TableError, match=r"nowhere/x\.toml: the file cannot be read"):
        criteria.load("nowhere/x.toml")


def test_a_doubtful_number_is_used_only_when_the_caller_allows_it(own):
    own.write_text(
        OWN.replace('"p. 1", verified = "primary" },\n', '"p. 1", verified = "doubtful" },\n')
    )
    (clause,) = [c for c in criteria.load(own).thresholds() if c.subject == "area_reduction_pct"]
    assert clause.value is None
    assert "45" not in clause.id
    (clause,) = [
        c
        for c in criteria.load(own, allow_doubtful=True).thresholds()
        if c.subject == "area_reduction_pct"
    ]
    assert clause.value == 45.0


def test_chosen_gives_the_default_list_and_each_set_once():
    assert tuple(one.id for one in criteria.chosen(None)) == criteria.DEFAULT
    assert [one.id for one in criteria.chosen(["aan_1991", "aan_1991"])] == ["aan_1991"]
    assert [one.id for one in criteria.chosen("aan_1991")] == ["aan_1991"]


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("at_least = { n = 3, of = [X, Y] }", "asks for 3 of 2"),
        ("at_least = { n = 0, of = [X, Y] }", "n: must be at least 1"),
        ("at_least = { n = 1, off = [X] }", "off: unknown key 'off'; known: n, of"),
        ("at_least = { n = 1 }", r"at_least.of: must be a list of clauses"),
        ("at_least = 2", "at_least: must be a table"),
        ("all = [X]\nany = [Y]", "needs exactly one of: all, any, at_least"),
        ("any = [{ all = [X, 3] }]", r"any\[1\].all\[2\]: must be a clause or the id of one"),
    ],
)
def test_a_faulty_combination_is_refused(own, term, message):
    clause = '{ column = "%s", op = "ge", value = 1, source = "x", verified = "primary" }'
    for letter, column in (("X", "area_reduction_pct"), ("Y", "amplitude_reduction_pct")):
        term = term.replace(letter, clause % column)
    start, end = OWN.index('all = [\n  { column = "area'), OWN.index("[[category]]")
    own.write_text(OWN[:start] + term + "\n" + OWN[end:], "utf-8")
    with pytest.raises(TableError, match=message):
        criteria.load(own)


def test_at_least_counts_what_is_known(own):
    clause = '{ column = "%s", op = "ge", value = 20, source = "x", verified = "primary" }'
    names = ("area_reduction_pct", "amplitude_reduction_pct", "peak_to_peak_reduction_pct")
    term = f"at_least = {{ n = 2, of = [{', '.join(clause % name for name in names)}] }}\n"
    start, end = OWN.index('all = [\n  { column = "area'), OWN.index("[[category]]")
    own.write_text(OWN[:start] + term + OWN[end:], "utf-8")
    values = [(30, 30, None), (30, 10, None), (30, 10, 10), (30, None, None)]
    table = pd.DataFrame(values, columns=list(names)).assign(
        nerve="median", segment="wrist-elbow", distal_amplitude_mv=8.0
    )
    assert judge(table, own)["conduction_block"].tolist() == [
        "definite",
        "undetermined",
        "none",
        "undetermined",
    ]


# The shape that design/house.md, section 7, shows: a set may be as short as this.
SHORT = """id = "example_2001"
title = "An example"
revision = 1
grades = ["definite", "probable"]
categories = ["definite", "probable", "possible"]
[source]
citation = "Author A, Author B. Title. Journal. Year;volume:pages."
doi = "10.xxxx/xxxxx"
[entry]
all = [
  { column = "distal_amplitude_mv", op = "gt", value = 1.0, source = "note", verified = "primary" },
  { flag = "entrapment_site", is = false, source = "p. 3", verified = "secondary" },
]
[[rule]]
id = "upper_limb_definite"
grade = "definite"
nerves = ["median", "ulnar"]
all = [
  { column = "area_reduction_pct", op = "ge", value = 50.0, source = "1", verified = "primary" },
  { column = "duration_increase_pct", op = "le", value = 30, source = "1", verified = "secondary" },
]
"""
SHORT_CATEGORY = """[[category]]
id = "{0}"
all = [
  {{ nerves_with = ["definite"], at_least = 1, source = "Table 4", verified = "secondary" }},
  {{ finding = "clinical.myopathy", is = false, source = "1", verified = "primary" }},
]
"""


def test_the_shortest_shape_loads_and_judges(tmp_path):
    path = tmp_path / "example_2001.toml"
    routes = [SHORT_CATEGORY.format(one) for one in ("definite", "probable", "possible")]
    path.write_text(SHORT + "".join(routes), "utf-8")
    table = pd.DataFrame(
        {
            "study_id": "p",
            "nerve": "median",
            "segment": ["palm-wrist", "wrist-elbow"],
            "distal_amplitude_mv": 8.0,
            "area_reduction_pct": 60.0,
            "duration_increase_pct": 5.0,
            "supramaximal": True,
        }
    )
    verdicts = judge(table, [path])
    assert verdicts["conduction_block"].tolist() == ["excluded", "definite"]
    found = diagnosis.conclude(
        verdicts,
        table,
        pd.DataFrame(),
        pd.DataFrame(),
        {"p": Details(findings={"clinical.myopathy": False})},
        criteria=[path],
    )
    assert found["category"].item() == "definite"
    assert found["met"].item() == ["definite_block_in_1_nerves", "myopathy_no"]
