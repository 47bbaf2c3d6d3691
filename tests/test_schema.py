"""study.toml: every key, every refusal, the template and the table of findings."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import jsonschema
import pytest

from ncs_cb import StudyError, TableError, study_file
from ncs_cb.knowledge import findings
from ncs_cb.model import (
    FWaveValue,
    NeedleValue,
    RecordingOverride,
    SensoryValue,
    StrengthValue,
    TreatmentCourse,
)

# The example of the public contract, section 7, with the additive symptom_onset_date.
CONTRACT = """
[study]
id = "p014-2026-03"
visit_date = 2026-03-02
symptom_onset_date = 2024-09-01
clinical_question = "Weak right hand: block?"
[person]
age_years = 44
sex = "male"
height_cm = 176
[limb_temperature_c]
right_arm = 33.5
[recordings."ulnar_right.edf"]
nerve = "ulnar"
side = "right"
muscle = "adm"
polarity = "negative_up"
supramaximal = true
collision_used = false
[clinical]
progressive_asymmetric_limb_weakness = true
weakness_duration_months = 18
motor_nerve_territories_involved = 3
objective_sensory_loss = false
predominant_upper_limb_involvement = true
reduced_reflexes_in_affected_limb = true
cranial_nerve_involvement = false
cramps_or_fasciculations_in_affected_limb = true
response_to_immunomodulatory_treatment = true
upper_motor_neuron_signs = false
marked_bulbar_involvement = false
diffuse_symmetric_weakness_at_onset = false
[laboratory]
anti_gm1_igm_raised = true
csf_protein_g_per_l = 0.5
creatine_kinase_u_per_l = 310
[imaging]
brachial_plexus_mri_abnormal = true
[treatment]
objective_improvement_after_ivig = true
courses = [{ drug = "ivig", start = 2026-01-10, dose_g_per_kg = 2.0 }]
[[sensory]]
nerve = "ulnar"
side = "right"
segment = "wrist-below_elbow"
amplitude_uv = 14.0
velocity_m_per_s = 58.0
is_normal = true
[[f_wave]]
nerve = "ulnar"
side = "right"
minimum_latency_ms = 27.1
persistence_pct = 90
[[strength]]
movement = "finger abduction"
side = "right"
mrc = 3
force_n = 120.0
[[needle_emg]]
muscle = "fdi"
side = "right"
fibrillations = false
motor_unit_changes = "chronic"
"""


def read(text):
    return study_file.parse_study_toml(text)


def filled_template():
    """The template as a user would fill it in: every commented example made live."""
    return "\n".join(
        re.sub(r"^# (?=[a-z0-9_]+ = |\[)", "", line) for line in study_file.template().splitlines()
    )


def test_every_key_of_the_contract_is_read():
    study_id, details = read(CONTRACT)
    assert study_id == "p014-2026-03"
    assert details.visit_date == date(2026, 3, 2)
    assert details.symptom_onset_date == date(2024, 9, 1)
    assert (details.age_years, details.sex, details.height_cm) == (44.0, "male", 176.0)
    assert details.limb_temperature_c == {"right_arm": 33.5}
    assert details.recordings == {
        "ulnar_right.edf": RecordingOverride("ulnar", "right", "adm", "negative_up", True, False)
    }
    assert details.findings["clinical.progressive_asymmetric_limb_weakness"] is True
    assert details.findings["clinical.upper_motor_neuron_signs"] is False
    assert details.findings["clinical.weakness_duration_months"] == 18.0
    assert details.findings["laboratory.csf_protein_g_per_l"] == 0.5
    assert details.findings["imaging.brachial_plexus_mri_abnormal"] is True
    assert details.findings["treatment.objective_improvement_after_ivig"] is True
    assert len(details.findings) == 17
    assert details.courses == (TreatmentCourse("ivig", date(2026, 1, 10), None, 2.0),)
    assert details.sensory == (
        SensoryValue("ulnar", "right", "wrist-below_elbow", 14.0, 58.0, None, None, True),
    )
    assert details.f_waves == (FWaveValue("ulnar", "right", None, 27.1, None, None, 90.0, None),)
    assert details.strength == (StrengthValue("finger abduction", "right", 3.0, 120.0),)
    assert details.needle_emg == (NeedleValue("fdi", "right", False, "chronic"),)
    assert details.clinical_question == "Weak right hand: block?"


def test_an_empty_file_leaves_everything_unknown():
    study_id, details = read("")
    assert study_id is None
    assert details == study_file.Details()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[studdy]", r"unknown key 'studdy'; known: study, person.*Did you mean 'study'"),
        ("[study]\nidd = 'x'", r"study\.idd.*Did you mean 'id'"),
        ("[person]\nage = 4", r"person\.age.*known: age_years, sex, height_cm"),
        ("[clinical]\nobjective_sensory_los = true", r"Did you mean 'objective_sensory_loss'"),
        ("[treatment]\ncourse = []", r"Did you mean 'courses'"),
        ("[[treatment.courses]]\ndrug = 'ivig'\ndose = 2", r"treatment\.courses\[1\]\.dose"),
        ("[recordings.'a.edf']\npolarty = 'auto'", r"Did you mean 'polarity'"),
        ("[[sensory]]\nnerve='x'\nside='left'\nvelocity=5", r"sensory\[1\]\.velocity"),
        ("[limb_temperature_c]\nright_hand = 30", r"known: right_arm, left_arm"),
        ("[[strenght]]", r"Did you mean 'strength'"),
        ("[[strength]]\nmovement='grip'\nside='left'\nforce=9", r"Did you mean 'force_n'"),
        ("[[needle_emg]]\nmuscle='fdi'\nside='left'\nfibrilations=true", "'fibrillations'"),
        ("[study]\nclinical_queston='x'", r"Did you mean 'clinical_question'"),
    ],
)
def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_name(text, message):
    with pytest.raises(StudyError, match=f"(?s){message}") as caught:
        read(text)
    assert caught.value.source == "study.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[person]\nage_years = 440", r"person\.age_years: 440; plausible: 0 to 120"),
        ("[person]\nage_years = -1", "plausible"),
        ("[person]\nage_years = '44'", r"person\.age_years: must be a number, not text"),
        ("[person]\nage_years = true", r"person\.age_years"),
        ("[person]\nage_years = nan", "plausible|finite"),
        ("[person]\nheight_cm = 1.76", "plausible: 30 to 250"),
        ("[person]\nsex = 'm'", r"person\.sex: allowed: 'female' or 'male'"),
        ("[study]\nvisit_date = '2026-03-02'", r"study\.visit_date: must be a date"),
        ("[study]\nvisit_date = 2026-03-02T10:00:00", "must be a date"),
        ("[study]\nvisit_date = 0026-03-02", "plausible"),
        ("[study]\nid = ''", r"study\.id"),
        ("[study]\nid = 14", r"study\.id"),
        ("[study]\nid = '" + "x" * 300 + "'", "at most 200"),
        ("study = 5", r"study: must be a table"),
        ("[clinical]\nmarked_bulbar_involvement = 1", "must be true or false"),
        ("[clinical]\nweakness_duration_months = true", "must be a number"),
        ("[laboratory]\ncsf_protein_g_per_l = 4500", "plausible: 0 to 10"),
        # mg/dL: normal and raised
        ("[laboratory]\ncsf_protein_g_per_l = 50", "plausible: 0 to 10"),
        ("[laboratory]\ncsf_protein_g_per_l = 15", "plausible: 0 to 10"),
        (
            "[study]\nvisit_date = 2026-03-02\nsymptom_onset_date = 2026-12-02",
            "symptom_onset_date: 2026-12-02 lies after the day of the visit, 2026-03-02",
        ),
        ("[limb_temperature_c]\nleft_arm = 91", "plausible: 10 to 45"),
        ("[limb_temperature_c]\nleft_arm = 'warm'", "must be a number"),
        ("[recordings.'a.edf']\npolarity = 'up'", r"allowed: 'negative_up'"),
        ("[recordings.'a.edf']\nside = 5", r"left"),
        ("[recordings.'a.edf']\nsupramaximal = 1", r"supramaximal"),
        ("[recordings]\n'a.edf' = 5", "must be a table"),
        ("[[sensory]]\nside = 'left'", r"sensory\[1\]: the key 'nerve' is missing"),
        ("[[sensory]]\nnerve='median'\nside='left'\nvelocity_m_per_s=580", "plausible: 0 to 150"),
        ("sensory = 5", "must be a list of tables"),
        ("[[f_wave]]\nnerve='median'\nside='left'\npersistence_pct=101", "plausible: 0 to 100"),
        # in seconds; as an H reflex of nobody; one digit too many
        *(
            (f"[[f_wave]]\nnerve='ulnar'\nside='left'\nminimum_latency_ms={ms}", "plausible: 10 to")
            for ms in (0.0267, 1, 5, 150)
        ),
        (
            "[[f_wave]]\nnerve='ulnar'\nside='left'\nminimum_latency_ms=31\nmaximum_latency_ms=28",
            r"f_wave\[1\]\.minimum_latency_ms: 31 is above maximum_latency_ms, 28",
        ),
        *(
            (
                f"[[f_wave]]\nnerve='ulnar'\nside='left'\npersistence_pct={share}",
                f"persistence_pct: {share} is a fraction; write percent: {pct}",
            )
            for share, pct in ((0.9, 90), (0.05, 5), (1, 100))
        ),
        ("[[f_wave]]\nnerve='median'\nside='left'\nn_stimuli=1.5", "n_stimuli"),
        ("[[treatment.courses]]\ndrug='a'\nstart=2026-01-02\nend=2026-01-01", "ends before"),
        ("[[strength]]\nmovement='grip'\nside='left'\nmrc=6", "plausible: 0 to 5"),
        ("[[strength]]\nmovement='grip'\nside='left'\nforce_n=-1", "plausible: 0 to 5000"),
        ("[[strength]]\nside='left'\nmrc=4", "the key 'movement' is missing"),
        (
            "[[needle_emg]]\nmuscle='fdi'\nside='left'\nmotor_unit_changes='cronic'",
            r"needle_emg\[1\]\.motor_unit_changes: allowed: .*Did you mean 'chronic'",
        ),
        ("[[needle_emg]]\nmuscle='fdi'\nside='left'\nfibrillations='no'", "fibrillations"),
        ("[study]\nclinical_question = ' '", "not empty"),
        ("[person\nage_years = 4", "not valid TOML"),
        ("a = " + "[" * 5000, "nested too deeply|not valid TOML"),
        ("a = 1" + "0" * 6000, "out of range|not valid TOML"),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_refused(text, message):
    with pytest.raises(StudyError, match=f"(?s){message}"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "[person]\nage_years = '{}'",
        "[person]\nsex = '{}'",
        "[study]\nvisit_date = '{}'",
        "person = '{}'",
        "[clinical]\nupper_motor_neuron_signs = '{}'",
        "[[sensory]]\nnerve = 'median'\nside = 'left'\nis_normal = '{}'",
        "[recordings.'a.edf']\npolarity = '{}'",
        "[recordings.'a.edf'.distances_mm]\nwrist = '{}'",
        "[[needle_emg]]\nmuscle = 'fdi'\nside = 'left'\nmotor_unit_changes = '{}'",
        "[person]\n{} = 1",
    ],
)
def test_no_text_of_the_file_is_told(text):
    with pytest.raises(StudyError) as caught:
        read(text.format("Mustermann"))
    assert "Mustermann" not in str(caught.value)


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xef\xbb\xbf[study]\nid = '\xe5\xb0\xba'\n")
    assert study_file.load_study_toml(path).study_id == "尺"


@pytest.mark.parametrize("content", [b"\xff\xfe[study]", b"x" * (1 << 21)])
def test_a_file_that_is_no_text_or_huge_is_refused(tmp_path, content):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"study\.toml: (not UTF-8|larger than)"):
        study_file.load_study_toml(path)
    with pytest.raises(StudyError, match="cannot be read"):
        study_file.load_study_toml(tmp_path / "none.toml")


# ------------------------------------------------------------------ template


def test_the_template_as_it_is_says_nothing():
    assert read(study_file.template()) == study_file.StudyFile(None, study_file.Details())


def test_the_template_filled_in_has_every_key_there_is():
    raw = tomllib.loads(filled_template())
    _, details = read(filled_template())
    assert set(details.findings) == set(findings.findings())
    assert set(raw) == set(tomllib.loads(CONTRACT))
    for kind, entry in (
        (RecordingOverride, raw["recordings"]["ulnar_right.edf"]),
        (SensoryValue, raw["sensory"][0]),
        (FWaveValue, raw["f_wave"][0]),
        (StrengthValue, raw["strength"][0]),
        (NeedleValue, raw["needle_emg"][0]),
        (TreatmentCourse, raw["treatment"]["courses"][0]),
    ):
        assert set(entry) == set(kind.__dataclass_fields__)
    assert set(raw["limb_temperature_c"]) == set(study_file.LIMBS)


def test_the_json_schema_accepts_the_template_and_refuses_a_typo():
    checker = jsonschema.Draft202012Validator(study_file.json_schema())

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return value.isoformat() if isinstance(value, date) else value

    filled = plain(tomllib.loads(filled_template()))
    assert not list(checker.iter_errors(filled))
    for path in (
        ("person", "agee"),
        ("clinical", "x"),
        ("recordings", "a", "x"),
        ("sensory", 0, "x"),
    ):
        wrong = plain(tomllib.loads(filled_template()))
        at = wrong
        for key in path[:-1]:
            at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
        at[path[-1]] = 1
        assert list(checker.iter_errors(wrong)), path


# ------------------------------------------------------------------ findings


def test_every_finding_is_worded_in_both_languages_and_has_a_source():
    for finding in findings.findings().values():
        assert finding.id.partition(".")[0] in findings.TABLES
        assert re.search(r"[\u4e00-\u9fff]", finding.label_zh)
        assert finding.label.isascii()
        assert finding.description.endswith(".")
        assert finding.source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "text"}, "known: boolean, number"),
        ({"label": ""}, "label: must not be blank"),
        ({"lable": "x"}, "Did you mean 'label'"),
    ],
)
def test_a_malformed_finding_is_a_table_error(change, message):
    entry = {"type": "boolean", "label": "a", "description": "A.", "source": "s"}
    assert findings.build({"clinical": {"a": entry}})["clinical.a"].label == "a"
    with pytest.raises(TableError, match=message):
        findings.build({"clinical": {"a": entry | change}})
    with pytest.raises(TableError, match="Did you mean 'clinical'"):
        findings.build({"clinicl": {}})


# ------------------------------------------------------------------ records


def test_details_of_a_record_come_back_as_they_were():
    _, details = read(CONTRACT)
    plain = {
        "visit_date": "2026-03-02",
        "symptom_onset_date": "2024-09-01",
        "age_years": 44.0,
        "sex": "male",
        "height_cm": 176.0,
        "limb_temperature_c": {"right_arm": 33.5},
        "recordings": {
            "ulnar_right.edf": {
                "nerve": "ulnar",
                "side": "right",
                "muscle": "adm",
                "polarity": "negative_up",
                "supramaximal": True,
                "collision_used": False,
            }
        },
        "findings": dict(details.findings),
        "courses": [{"drug": "ivig", "start": "2026-01-10", "end": None, "dose_g_per_kg": 2.0}],
        "sensory": [
            {
                "nerve": "ulnar",
                "side": "right",
                "segment": "wrist-below_elbow",
                "amplitude_uv": 14.0,
                "velocity_m_per_s": 58.0,
                "is_normal": True,
            }
        ],
        "f_waves": [
            {"nerve": "ulnar", "side": "right", "minimum_latency_ms": 27.1, "persistence_pct": 90.0}
        ],
        "strength": [
            {"movement": "finger abduction", "side": "right", "mrc": 3.0, "force_n": 120.0}
        ],
        "needle_emg": [
            {
                "muscle": "fdi",
                "side": "right",
                "fibrillations": False,
                "motor_unit_changes": "chronic",
            }
        ],
        "clinical_question": "Weak right hand: block?",
    }
    assert study_file.details_from_plain(plain) == details
    with pytest.raises(StudyError, match="Did you mean 'age_years'"):
        study_file.details_from_plain({"age_year": 4})
    with pytest.raises(StudyError, match="must be an object"):
        study_file.details_from_plain([])
