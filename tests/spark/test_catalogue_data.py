"""Data sets of the catalogue by their names, from small folders of their shape."""

import numpy as np
import pandas as pd
import pytest
import tiny_catalogue
from preparing import arrays_of

from recsys.catalogue import CATALOGUE
from recsys.data.dataset import Dataset


@pytest.mark.parametrize(
    "name", ["ml-latest", "ml-100k", "ml-10m", "movietweetings", "goodbooks-10k", "amazon-reviews"]
)
def test_a_name_is_enough(spark, tmp_path, name):
    written = tiny_catalogue.write(name, tmp_path)
    dataset = Dataset.from_catalogue(name, tmp_path, spark=spark)
    facts = dataset.statistics
    assert (facts["rows_read"], facts["rows_rejected"], facts["ratings"]) == (60, 0, 60)
    assert facts["rows_expected"] == CATALOGUE[name].ratings_count
    found = {(str(user), str(item)): rating for user, row in arrays_of(dataset).items() for item, rating in row.items()}
    assert found == {(user, item): rating for user, item, rating in written.rows}
    if written.titles:
        items = dataset.items
        titles = dict(zip(items["movie_id"].astype(str), items["title"], strict=True))
        assert titles == written.titles


def test_ids_are_text_where_the_catalogue_says_so(spark, tmp_path):
    """ISBNs and Amazon's products may be all digits, with zeros in front."""
    tiny_catalogue.write("amazon-gift-cards", tmp_path)
    file = tmp_path / "amazon-gift-cards" / "Gift_Cards.csv"
    file.write_text("user_id,parent_asin,rating,timestamp\n01,001,5.0,1588687728923\n1,01,4.0,1588687728924\n")
    dataset = Dataset.from_catalogue("amazon-gift-cards", tmp_path, spark=spark)
    assert arrays_of(dataset) == {"01": {"001": 5.0}, "1": {"01": 4.0}}


@pytest.mark.parametrize(
    ("name", "feedback"),
    [("jester", "ratings"), ("book-crossing", "ratings"), ("lastfm-360k", "counts"), ("netflix", "ratings")],
)
def test_matrices_blocks_codes_and_counts(spark, tmp_path, name, feedback):
    written = tiny_catalogue.write(name, tmp_path)
    dataset = Dataset.from_catalogue(name, tmp_path, spark=spark)
    facts = dataset.statistics
    assert (facts["feedback"], facts["not_rated"], facts["rejected"]) == (feedback, written.not_rated, {})
    found = {(str(user), str(item)): rating for user, row in arrays_of(dataset).items() for item, rating in row.items()}
    assert found == {(user, item): np.float32(rating) for user, item, rating in written.rows}
    if written.titles:
        items = dataset.items.set_index(dataset.items["movie_id"].astype(str))
        assert items["title"].to_dict() == written.titles
        years = {item: None if pd.isna(year) else int(year) for item, year in items["year"].items()}
        assert years == {item: _year(written.years.get(str(item), "")) for item in years}


def _year(text: str) -> int | None:
    return int(float(text)) if text not in ("", "0", "NULL") else None
