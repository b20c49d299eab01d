"""Stored settings, in the present form and in the two older ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hypothesis import given

from baton.adapters.dynamodb.codecs.settings import settings_from_map, settings_to_map
from baton.domain.llm.settings import LlmSettings
from tests.support.workflow_file_strategies import settings as any_settings


@given(any_settings)
def test_stored_settings_are_read_back(settings: LlmSettings) -> None:
    assert settings_from_map(json.loads(json.dumps(settings_to_map(settings)))) == settings


@given(any_settings)
def test_records_with_null_for_each_open_setting_are_read(settings: LlmSettings) -> None:
    assert settings_from_map(json.loads(json.dumps(asdict(settings)))) == settings


def test_records_from_before_settings_could_be_unset_are_read() -> None:
    stored: dict[str, Any] = {"system": None, "temperature": 0.5, "stop": ["END"], "options": {}}
    assert settings_from_map(stored) == LlmSettings(temperature=0.5, stop=("END",))
