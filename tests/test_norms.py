"""Limits of normal from an archive of patients of whom a known share is healthy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb import StudyError
from ncs_cb.batch import run_batch
from ncs_cb.batch.parquet import to_arrow, write
from ncs_cb.cli import main
from ncs_cb.knowledge import reference
from ncs_cb.norms import strata_of
from ncs_cb.norms.plateau import find_plateau
from ncs_cb.norms.writing import to_toml
from review_visits import ulnar_visit

MEAN_MV, SD_MV = 10.0, 2.2
LOWER_MV = MEAN_MV - 2 * SD_MV


def archive(folder, n=600, healthy=0.8, seed=1):
    """Tables of a batch: ulnar nerves of `n` persons, some with axonal loss and slowing."""
    rng = np.random.default_rng(seed)
    is_healthy = rng.random(n) < healthy
    amplitude = np.abs(rng.normal(MEAN_MV, SD_MV, n)) * np.where(
        is_healthy, 1.0, rng.uniform(0.05, 0.7, n)
    )
    age = rng.uniform(20, 80, n)
    velocity = rng.normal(60.0, 4.0, n) - np.where(is_healthy, 0.0, rng.uniform(8, 30, n))
    latency = rng.normal(2.7, 0.25, n) + np.where(is_healthy, 0.0, rng.uniform(0.4, 2.5, n))
    ids = [f"p{i:04d}" for i in range(n)]
    place = {"nerve": "ulnar", "side": "right", "muscle": "adm", "study_id": ids}
    tables = {
        "traces": pd.DataFrame(
            {
                **place,
                "kind": "motor",
                "stimulation_site": "wrist",
                "distance_mm": 70.0,
                "onset_latency_ms": latency,
                "negative_peak_amplitude_mv": amplitude,
                "quality_flags": "",
            }
        ),
        "segments": pd.DataFrame(
            {
                **place,
                "segment": "wrist-below_elbow",
                "is_adjacent": True,
                "conduction_velocity_m_per_s": velocity,
                "quality_flags": "",
            }
        ),
        "studies": pd.DataFrame({"study_id": ids, "age_years": age, "height_cm": 172.0}),
    }
    for name, frame in tables.items():
        (folder / name).mkdir(parents=True)
        write(to_arrow(frame, name), folder / name / "part-0.parquet")
    return folder


def everybody(frame):
    return frame[
        frame[["age_from", "height_from_cm", "height_to_cm"]].isna().all(axis=1)
    ].set_index("item")


@pytest.mark.parametrize("healthy", [0.9, 0.75])
def test_the_limit_of_the_healthy_is_found_among_patients(tmp_path, healthy):
    frame = ncs_cb.propose_norms(archive(tmp_path, 1000, healthy), ages=[], heights=[])
    found = everybody(frame)
    # Over forty such archives the limit was 0.0 to 0.3 SD stricter than mean -/+ 2 SD, with a
    # scatter of 0.1 to 0.3 SD (docs/norms.md); half an SD is asked of this one.
    assert found.limit["amplitude_mv"] == pytest.approx(LOWER_MV, abs=SD_MV / 2)
    assert found.limit["velocity_m_per_s"] == pytest.approx(52.0, abs=2.0)
    assert found.limit["distal_latency_ms"] == pytest.approx(3.2, abs=0.125)
    assert (found.limit_low <= found.limit).all()
    assert (found.limit <= found.limit_high).all()
    assert found.n_values.tolist() == [1000] * 3
    naive = np.quantile(pd.read_parquet(tmp_path / "traces").negative_peak_amplitude_mv, 0.025)
    assert abs(found.limit["amplitude_mv"] - LOWER_MV) < abs(naive - LOWER_MV)


def test_few_values_warn_and_fewer_give_no_limit(tmp_path):
    few = everybody(ncs_cb.propose_norms(archive(tmp_path / "a", 60), ages=[], heights=[]))
    assert few.warning.str.contains("few").all()
    assert few.limit.notna().all()
    fewer = everybody(ncs_cb.propose_norms(archive(tmp_path / "b", 30), ages=[], heights=[]))
    assert fewer.warning.tolist() == ["too_few"] * 3
    assert fewer.limit.isna().all()


def test_an_archive_of_patients_alone_is_doubted(tmp_path):
    frame = ncs_cb.propose_norms(archive(tmp_path, 400, healthy=0.0), ages=[], heights=[])
    assert everybody(frame).warning["amplitude_mv"]


def test_bands_hold_whom_they_name_and_unknown_ages_count_for_everybody_only(tmp_path):
    folder = archive(tmp_path, 400)
    studies = pd.read_parquet(folder / "studies")
    studies.loc[:49, "age_years"] = np.nan
    write(to_arrow(studies, "studies"), folder / "studies" / "part-0.parquet")
    frame = ncs_cb.propose_norms(folder, ages=[20, 50], heights=[])
    amplitude = frame[frame.item == "amplitude_mv"].set_index("age_from")
    known = studies.age_years.dropna()
    assert amplitude.n_values[20] == (known.between(20, 50, inclusive="left")).sum()
    assert amplitude.n_values[50] == (known >= 50).sum()
    assert amplitude.n_values.max() == 400


def test_the_same_archive_gives_the_same_limits(tmp_path):
    folder = archive(tmp_path, 200)
    first, second = (ncs_cb.propose_norms(folder, ages=[40], heights=[170]) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_plateau_of_upper_limits_is_the_mirror_of_that_of_lower_ones():
    values = np.random.default_rng(2).normal(50.0, 4.0, 300)
    low, high = find_plateau(values, "lower"), find_plateau(100.0 - values, "upper")
    assert high.limit("upper", 2.5) == pytest.approx(100.0 - low.limit("lower", 2.5))
    ordered = np.sort(100.0 - values)
    assert (ordered[high.first], ordered[high.last]) == (high.low, high.high)


def test_equal_values_have_no_plateau():
    assert find_plateau(np.full(100, 5.0), "lower") is None


def test_bands_must_rise():
    with pytest.raises(StudyError, match="must rise"):
        strata_of([40, 40], [])


def test_what_the_command_writes_is_a_reference_set_that_analyses_take(tmp_path, capsys):
    folder = archive(tmp_path / "archive", 300)
    with pytest.raises(SystemExit) as ended:
        main(["norms", str(folder), "--out", str(tmp_path / "out"), "--ages", "18,50"])
    assert not ended.value.code
    assert "amplitude_mv" in capsys.readouterr().out
    path = tmp_path / "out" / "norms.toml"
    frame = pd.read_csv(tmp_path / "out" / "norms.csv")
    expected = everybody(frame).limit["amplitude_mv"]
    own = reference.load(path)
    assert own.limit("motor", "ulnar", "adm", "amplitude_mv").value == float(f"{expected:.3g}")
    assert own.limit("motor", "ulnar", "adm", "distal_latency_ms").distance_mm == 70.0
    older = own.limit("motor", "ulnar", "adm", "amplitude_mv", 70.0)
    assert older.value != own.limit("motor", "ulnar", "adm", "amplitude_mv", 30.0).value
    in_segment = own.limit("motor", "ulnar", "adm", "velocity_m_per_s", segment="wrist-below_elbow")
    assert in_segment.verified == "unchecked"
    assert own.limit("motor", "ulnar", "adm", "velocity_m_per_s", segment="x-y") is None
    drawings = {p.name for p in (tmp_path / "out" / "plots").iterdir()}
    assert "motor_ulnar_adm_wrist_amplitude_mv.svg" in drawings
    sites = pd.DataFrame(
        {
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "stimulation_site": ["wrist", "below_elbow"],
            "negative_peak_amplitude_mv": [3.0, 2.9],
        }
    )
    (study,) = ncs_cb.studies_from_table(sites)
    result = ncs_cb.analyze(study, reference=str(path))
    assert "our_norms" in {f.id for f in result.provenance.reference}
    limits = result.limits
    mine = limits[limits.apply(lambda r: "our_norms" in r.astype(str).tolist(), axis=1)]
    assert len(mine)


def test_a_folder_without_tables_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["norms", str(tmp_path), "--out", str(tmp_path / "o")])
    assert ended.value.code == 1
    assert "batch" in capsys.readouterr().err


def test_plots_may_be_png(tmp_path):
    from ncs_cb.norms.writing import write_norms

    write_norms(archive(tmp_path / "a", 60), tmp_path / "o", ages=[], heights=[], plots="png")
    (first, *_) = sorted((tmp_path / "o" / "plots").iterdir())
    assert first.read_bytes().startswith(b"\x89PNG")


def test_without_the_library_of_archives_the_message_says_what_to_install(tmp_path, monkeypatch):
    folder = archive(tmp_path, 40)

    def missing(*_, **__):
        raise ImportError

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(ncs_cb.ReportError, match=r"pyarrow.*ncs_cb\[archive\]"):
        ncs_cb.propose_norms(folder)


def test_f_waves_recorded_and_typed_in_give_limits_by_height(tmp_path):
    rng = np.random.default_rng(4)
    folder = archive(tmp_path / "archive", 600)
    studies = pd.read_parquet(folder / "studies")
    tall = rng.random(600) < 0.5
    latency = rng.normal(26.0, 1.0, 600) + np.where(tall, 2.0, -2.0)
    latency += np.where(rng.random(600) < 0.1, rng.uniform(5.0, 15.0, 600), 0.0)
    studies["height_cm"] = np.where(tall, 185.0, 155.0)
    write(to_arrow(studies, "studies"), folder / "studies" / "part-0.parquet")
    waves = pd.DataFrame({"study_id": studies.study_id, "nerve": "ulnar", "side": "right"})
    waves = waves.assign(muscle="adm", minimum_latency_ms=latency, quality_flags="")
    (folder / "f_waves").mkdir()
    write(to_arrow(waves, "f_waves"), folder / "f_waves" / "part-0.parquet")
    frame = ncs_cb.propose_norms(folder, ages=[], heights=[170])
    found = frame[frame.study == "f_wave"].set_index("height_from_cm")
    assert found.direction.unique().tolist() == ["upper"]
    # Mean and two standard deviations, as for the other limits of this file.
    short = found[found.height_to_cm.notna()].limit.item()
    assert short == pytest.approx(26.0, abs=0.5)
    assert found.limit[170] == pytest.approx(30.0, abs=0.5)
    path = tmp_path / "norms.toml"
    path.write_text(to_toml(frame), "utf-8")
    own = reference.load(path)
    limit = own.limit("f_wave", "ulnar", "adm", "minimum_latency_ms", height_cm=185.0)
    assert limit.value == float(f"{found.limit[170]:.3g}")


def test_a_batch_keeps_f_waves_that_were_typed_in(tmp_path):
    root = tmp_path / "root"
    for name, minimum in (("a", 27.5), ("b", None)):
        ulnar_visit(root / name)
        if minimum:
            told = f'[[f_wave]]\nnerve = "ulnar"\nside = "right"\nminimum_latency_ms = {minimum}\n'
            (root / name / "study.toml").write_text(told, "utf-8")
    run_batch(root, tmp_path / "out", workers=1)
    rows = pd.read_parquet(tmp_path / "out" / "f_waves")
    kept = rows[["study_id", "nerve", "muscle", "minimum_latency_ms"]].to_numpy().tolist()
    assert kept == [["a", "ulnar", "adm", 27.5]]
