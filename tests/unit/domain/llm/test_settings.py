"""Settings: defaults, and the plain values from which all other forms are built."""

from __future__ import annotations

import json

from hypothesis import given

from baton.domain.llm.settings import LlmSettings
from tests.support.workflow_file_strategies import settings as any_settings


@given(any_settings)
def test_settings_are_read_back_from_their_plain_values(settings: LlmSettings) -> None:
    assert LlmSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_a_setting_without_a_value_has_no_key_and_an_unset_one_is_none() -> None:
    settings = LlmSettings(temperature=0, stop=("END",), unset=("seed",))
    assert settings.to_dict() == {"temperature": 0, "stop": ["END"], "seed": None}


def test_an_unset_setting_does_not_get_the_default() -> None:
    defaults = LlmSettings(temperature=1, seed=3, options={"top_k": 1, "mode": "a"})
    settings = LlmSettings(options={"mode": "b"}, unset=("seed",))
    assert settings.with_defaults(defaults) == LlmSettings(temperature=1, options={"top_k": 1, "mode": "b"})


def test_unset_options_do_not_get_the_default_options() -> None:
    defaults = LlmSettings(options={"top_k": 1})
    assert LlmSettings(unset=("options",)).with_defaults(defaults) == LlmSettings()
