"""What looks like a secret is in no file, and is asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.config import Config
from recsys.config.load import load_config, write_config
from recsys.secrets import MASK, masked, masked_words, unmasked


@pytest.mark.parametrize(
    "key",
    [
        "spark.hadoop.fs.s3a.secret.key", "spark.hadoop.fs.s3a.access.key", "spark.authenticate.secret",
        "spark.ssl.keyPassword", "spark.hadoop.fs.azure.account.key.mine", "spark.my.API_KEY", "spark.x.apiToken",
        "spark.hadoop.fs.s3a.encryption.key", "spark.hadoop.fs.azure.sas.fixed.token.x", "spark.my.PWD",
    ],
)  # fmt: skip
def test_names_of_secrets(key: str) -> None:
    assert masked({key: "x"}) == {key: MASK}


def test_other_settings_stay() -> None:
    properties = {
        "spark.executor.memory": "2g",
        "spark.sql.shuffle.partitions": 8,
        "spark.authenticate": True,
        "spark.authenticate.enableSaslEncryption": True,
    }
    assert masked(properties) == unmasked(properties) == properties
    assert unmasked({"spark.x.token": MASK, "spark.cores.max": 2}) == {"spark.cores.max": 2}


def test_words_of_a_command_line() -> None:
    words = ["--conf", "spark.x.token=a=b", "--conf=spark.my.password=c", "spark.cores.max=2", "plain"]
    assert masked_words(words) == [
        "--conf", f"spark.x.token={MASK}", f"--conf=spark.my.password={MASK}", "spark.cores.max=2", "plain",
    ]  # fmt: skip


def test_the_settings_of_a_run_are_written_without_them(tmp_path: Path) -> None:
    config = Config(name="x", spark={"spark.hadoop.fs.s3a.secret.key": "hush", "spark.cores.max": 2})
    write_config(config, tmp_path / "config.toml")
    assert "hush" not in (tmp_path / "config.toml").read_text()
    assert load_config([tmp_path / "config.toml"]).spark == {"spark.cores.max": 2}  # it must be given again
