"""Data sets of the catalogue by their names, from small folders of their shape."""

import pytest
import tiny_catalogue
from preparing import arrays_of

from recsys.catalogue import CATALOGUE
from recsys.data.dataset import Dataset
from recsys.errors import DataError


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


@pytest.mark.parametrize("name", ["jester", "book-crossing", "lastfm-360k", "netflix"])
def test_what_is_not_read_yet_is_refused_by_name(spark, tmp_path, name):
    tiny_catalogue.write(name, tmp_path)
    with pytest.raises(DataError, match=rf"{name} has (counts|the layout).* not read yet"):
        Dataset.from_catalogue(name, tmp_path, spark=spark)
