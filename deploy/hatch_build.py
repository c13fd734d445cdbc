"""Build hook: the wheel asks for what `requirements/*.in` name, so that there is one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        metadata["dependencies"] = _names("runtime")
        metadata["optional-dependencies"] = {"embedded": _names("embedded")}


def _names(name: str) -> list[str]:
    lines = (Path(__file__).parents[1] / "requirements" / f"{name}.in").read_text("utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
