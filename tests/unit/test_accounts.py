"""What a run says of rows that are not used."""

from __future__ import annotations

from recsys.config.load import build_data
from recsys.data.ingest.accounts import remedy_for_scale
from recsys.data.scale import COUNT_MAX, COUNT_MIN, Scale

OWN = build_data({"ratings": "r.csv"})


def test_values_off_a_scale_have_the_setting_that_takes_them() -> None:
    assert remedy_for_scale({6.0: 10, -1.0: 3}, Scale(1, 5), OWN) == (
        "off the scale of 1 to 5: 6 (10 rows), -1 (3 rows); to take them: "
        "--set data.rating_min=-1 --set data.rating_max=6"
    )


def test_counts_have_no_scale_to_widen() -> None:
    counts = Scale(COUNT_MIN, COUNT_MAX)
    text = "no counts, which are above 0: 0 (35 rows)"
    assert remedy_for_scale({0.0: 35}, counts, OWN) == f"{text}; where 0 says 'never': --set data.missing=[0]"
    assert remedy_for_scale({0.0: 35}, counts, build_data({"dataset": "ml-1m"})) == text
    assert remedy_for_scale({-2.0: 1}, counts, OWN) == "no counts, which are above 0: -2 (1 rows)"
