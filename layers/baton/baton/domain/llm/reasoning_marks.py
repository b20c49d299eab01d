"""The marks that models write around their reasoning, for servers that leave it in the text.

``<think>`` is DeepSeek's and Qwen's, ``[THINK]`` Mistral's, ``<seed:think>`` ByteDance's, ``\u25c1think\u25b7`` Kimi's.
"""

from __future__ import annotations

import re

_NAME = r"(?:\w{1,20}:)?(?:think|thinking|thoughts?|reasoning)[>\u25b7]"
BEGIN = rf"(?:[<\u25c1]{_NAME}|\[think\])"
END = rf"(?:[<\u25c1]/{_NAME}|\[/think\])"
"""Matched in any case. Other words in square brackets are headings: ``[Reasoning]``."""

BEGIN_OF_REASONING = re.compile(BEGIN, re.IGNORECASE)
END_OF_REASONING = re.compile(END, re.IGNORECASE)
