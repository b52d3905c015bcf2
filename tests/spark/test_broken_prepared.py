"""Prepared data whose files were changed or cut off: refused by name, never read as something else."""

import random
import shutil

import pytest
from preparing import arrays_of, run_prepare

from recsys.data.dataset import Dataset
from recsys.data.store import look_up_prepared
from recsys.errors import DataError


@pytest.fixture(scope="module")
def whole(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    data = {"dataset": "synthetic", "scale": 0.002, "block_users": 100}
    prepared = run_prepare(spark, tmp_path_factory.mktemp("data"), **data)
    prepared.save(folder)
    return folder


def broken(whole, place, change, keep_crc):
    """A copy in which a Parquet file of blocks was changed; with Hadoop's own checksum files, or without."""
    shutil.copytree(whole, place)
    for crc in [] if keep_crc else place.rglob("*.crc"):
        crc.unlink()
    file = max(place.glob("blocks/*.parquet"), key=lambda path: path.stat().st_size)
    file.write_bytes(change(bytearray(file.read_bytes())))
    return place


@pytest.mark.parametrize("keep_crc", [True, False], ids=["with .crc", "as on other file systems"])
def test_a_byte_that_was_changed(spark, whole, tmp_path, keep_crc):
    expected = arrays_of(Dataset.load(spark, whole))
    generator, refused = random.Random(5), 0
    for number in range(8):

        def flip(raw):
            raw[generator.randrange(4, len(raw) - 8)] ^= 1 << generator.randrange(8)
            return raw

        folder = broken(whole, tmp_path / str(number), flip, keep_crc)
        try:
            found = arrays_of(Dataset.load(spark, folder))
        except DataError as error:
            refused += str(folder) in str(error) and "prepare it again" in str(error)
        else:
            assert found == expected
        spark.catalog.clearCache()
    assert refused >= 6


def test_a_file_that_was_cut_off(spark, whole, tmp_path):
    folder = broken(whole, tmp_path / "cut", lambda raw: raw[: len(raw) // 2], keep_crc=False)
    with pytest.raises(DataError, match="prepare it again"):
        Dataset.load(spark, folder)
    with pytest.raises(DataError, match="prepare it again"):
        look_up_prepared(folder, 10**9)


def test_a_file_that_is_missing(spark, whole, tmp_path):
    folder = tmp_path / "less"
    shutil.copytree(whole, folder)
    max(folder.glob("blocks/*.parquet"), key=lambda path: path.stat().st_size).unlink()
    with pytest.raises(DataError, match=r"holds \d+ users, [\d,]+ were prepared: prepare it again"):
        Dataset.load(spark, folder)


@pytest.mark.parametrize("name", ["prepared.json", "items.parquet"])
def test_a_bit_that_flips_in_what_describes_them(whole, tmp_path, name):
    """What says what the blocks hold has a checksum as they do."""
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    user = next(user for user in range(1, 50) if look_up_prepared(folder, user))
    expected, raw = look_up_prepared(folder, user), (folder / name).read_bytes()
    generator, refused = random.Random(name), 0
    for _ in range(40):
        changed = bytearray(raw)
        changed[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        (folder / name).write_bytes(changed)
        try:
            assert look_up_prepared(folder, user) == expected
        except DataError as error:
            refused += str(folder) in str(error) and "prepare" in str(error)
    assert refused >= 38
