"""docs/configuration.md, made from the settings: `python -m recsys.config.reference > docs/configuration.md`."""

from __future__ import annotations

from recsys.config.keys import keys_of
from recsys.config.run import Config

_HEAD = """# Settings

Every key of the TOML files in `conf/experiments`, of `--config FILE` and of `--set KEY=VALUE`. Made by
`python -m recsys.config.reference > docs/configuration.md`; `./spark-submit.sh train --help` says the same.

- `--config` may be repeated: a later file overrides an earlier one key by key; `--set` overrides them all.
- In a later layer `data.ratings` replaces an earlier `data.dataset`, and the reverse.
- A name without a path is looked up in `conf/experiments/`. Without `--config` it is `quickstart`.
- Any Spark property can be set: `--set spark.driver.memory=4g`.
"""


def settings_page() -> str:
    """The page as Markdown."""
    lines = [_HEAD]
    table = None
    for key, kind, default, unit, text in keys_of():
        top = key.partition(".")[0] if "." in key else ""
        if top != table:
            table = top
            about = Config.model_fields[top].description if top else "the run"
            lines += [
                f"\n## {f'`[{top}]`' if top else 'Top level'}: {about}\n",
                "| key | type | default | unit | what |",
            ]
            lines.append("| --- | --- | --- | --- | --- |")
        shown = [f"`{key}`", kind.replace(" | ", ", "), f"`{default}`" if default else "", unit, text]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in shown) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(settings_page(), end="")
