"""The JSON value is found in an answer with any common wrapping, and nothing else is read as one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.llm.json_answers import json_values

VALUE = {"title": "Tides", "items": [1, {"n": "a ``` b </think> c }"}]}
ONE = json.dumps(VALUE)
MANY = json.dumps(VALUE, indent=2)


def value_of(answer: str) -> Any:
    """The most likely value; ``...`` if none is found."""
    return next(iter(json_values(answer)), ...)


WRAPPED = {
    "bare": "{}",
    "blanks": " \n{}\r\n ",
    "byte order mark": "\ufeff{}",
    "fence": "```json\n{}\n```",
    "fence upper case": "```JSON\n{}\n```",
    "fence mixed case": "```Json\n{}\n```",
    "fence json5": "```json5\n{}\n```",
    "fence jsonc": "```jsonc\n{}\n```",
    "fence other language": "```javascript\n{}\n```",
    "fence without language": "```\n{}\n```",
    "fence of tildes": "~~~\n{}\n~~~",
    "fence of tildes with language": "~~~json\n{}\n~~~",
    "fence of four": "````json\n{}\n````",
    "fence on one line": "```json {} ```",
    "fence on one line without blanks": "```json{}```",
    "fence on one line without language": "```{}```",
    "fence with blank before language": "``` json\n{}\n```",
    "fence with attributes": '```json title="a.json"\n{}\n```',
    "fence crlf": "```json\r\n{}\r\n```\r\n",
    "fence indented": "   ```json\n   {}\n   ```",
    "fence without end": "```json\n{}",
    "fence without end, with a line break": "```json\n{}\n",
    "fence and blank lines": "\n\n```json\n\n\n{}\n\n\n```\n\n",
    "fence after byte order mark": "\ufeff```json\n{}\n```",
    "inline code": "`{}`",
    "sentence before": "Here is the JSON you asked for: {}",
    "sentence before on its own line": "Sure!\n\n{}",
    "sentence after": "{}\n\nLet me know if you need more.",
    "sentence after on the same line": "{} Hope that helps!",
    "sentences around": "Sure, here it is:\n{}\nAnything else?",
    "sentence directly before": "\u7ed3\u679c\u662f{}",
    "full stop after": "The answer is {}.",
    "sentences around a fence": "Sure:\n\n```json\n{}\n```\n\nI left [1] out; see {{really}}.",
    "sentences around a fence on one line": "Sure: ```json {} ``` Done.",
    "footnote before": "As Smith [1] and [2, 3] say: {}",
    "footnote after": "{} [1]",
    "braces before": "I cannot use {{name}}, but: {}",
    "word before": "json\n{}",
    "word upper case": "JSON: {}",
    "think": "<think>Hm, {{draft}}.</think>\n{}",
    "think with a draft": '<think>\nPerhaps {{"title": "Waves"}}?\n</think>\n\n{}',
    "think with an unfinished draft": '<think>{{"title": [</think>{}',
    "think then fence": "<think>Hm.</think>\n\n```json\n{}\n```",
    "think then sentence": "<think>Hm.</think>Here: {}",
    "thinking": "<thinking>Hm</thinking>{}",
    "reasoning": "<reasoning>Hm</reasoning>{}",
    "thought": "<thought>Hm</thought>{}",
    "think upper case": "<THINK>Hm</THINK>{}",
    "think in brackets": "[THINK]Hm[/THINK]{}",
    "think empty": "<think>\n\n</think>\n\n{}",
    "think several": "<think>a</think>\n<think>b</think>\n{}",
    "think after a sentence": "Well. <think>[</think> {}",
    "think after it": '{}\n<think>Or {{"title": "Waves"}}?</think>',
    "think without beginning": "Hm, so it is tides.\n</think>\n{}",
    "think without beginning, with a draft": 'Hm: {{"title": "Waves"}}?</think>{}',
    "think without beginning, with an unfinished draft": 'Hm: {{"title": [1,</think>{}',
    "think without beginning, then fence": "Hm.</think>\n```json\n{}\n```",
    "think after byte order mark": "\ufeff<think>Hm</think>{}",
    "draft, then answer": 'A draft: {{"title": "Waves"}}. The answer: {}',
    "fenced answer, then mention": '```json\n{}\n```\nI left {{"title": "Waves"}} out.',
    "answer on its own line, then mention": '{}\nI left {{"title": "Waves"}} out.',
    "example in a sentence, then fence": 'Not {{"title": "Waves"}} but\n```\n{}\n```',
    "broken fence, then whole one": '```json\n{{"title": [\n```\nSorry:\n```json\n{}\n```',
    "interval after a fence": "```json\n{}\n```\nThe value is in [0, 1).",
    "twice the same": "{0}\n{0}",
    "xml around": "<answer>{}</answer>",
    "end of turn": "{}<|im_end|>",
}


@pytest.mark.parametrize("written", [ONE, MANY], ids=["one line", "many lines"])
@pytest.mark.parametrize("wrapping", WRAPPED.values(), ids=WRAPPED.keys())
def test_json_is_found_in_any_common_wrapping(wrapping: str, written: str) -> None:
    assert value_of(wrapping.format(written)) == VALUE


@pytest.mark.parametrize("scalar", ["5", '"a text"', "null", "true", "-1.5e3"])
@pytest.mark.parametrize(
    "wrapping", ["{}", "```json\n{}\n```", "~~~\n{}\n~~~", "<think>Hm</think>\n{}", "Hm.</think> {}", "\ufeff{}"]
)
def test_a_number_or_string_is_read_if_it_is_the_whole_answer(wrapping: str, scalar: str) -> None:
    assert value_of(wrapping.format(scalar)) == json.loads(scalar)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("The primes:\n[2, 3, 5]\nDone.", [2, 3, 5]),
        ("The primes: [2, 3, 5]", [2, 3, 5]),
        ("```\n[1]\n```", [1]),
        ("<think>Hm</think>[1]", [1]),
        ('The names are ["a", "b"], as asked.', ["a", "b"]),
        ("Nothing found: []", []),
        ("Nothing found:\n{}\n", {}),
        ('[{"a": 1}]', [{"a": 1}]),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"html": "<think>x</think>"}', {"html": "<think>x</think>"}),
        ('Here: {"html": "<think>x</think>{\\"b\\": 1}"} Done.', {"html": '<think>x</think>{"b": 1}'}),
        ('Here: {"md": "```json\\n{\\"b\\": 1}\\n```"} Done.', {"md": '```json\n{"b": 1}\n```'}),
    ],
)
def test_lists_empty_values_and_strings_that_look_like_a_wrapping_are_read(answer: str, value: object) -> None:
    assert value_of(answer) == value


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot answer {really}.",
        "I cannot answer {}.",
        "The answer is 5.",
        'He said "yes".',
        "Sweden won [1].",
        "Sweden won [1]",
        "Sweden won, see: [1]",
        "Sweden won [1, 2].",
        "Sources: [1], [2]",
        "Sweden won [[1]](https://example.org).",
        'See ["a"](https://example.org).',
        'Use data["a"] here.',
        "- [ ] to do\n- [x] done",
        '{"a": {"b": 1}, "c": ',
        '{"a": {"b": 1}',
        '[{"a": 1}, {"b": 2}',
        '[{"a": 1}, {"b": 2}, {"c',
        '```json\n{"a": {"b": 1}, "c": \n```',
        '```json\n{"a": [{"b": 1}, ',
        'Here: {"a": [{"b": "x"}], "c": "un',
        'A draft: {"a": 1}. The answer: {"a": {"b": 2}, "c',
        '"a": {"b": 1}',
        '"a": {"b": 1}, "c": {"d": 2}}',
        '{"b": 1}, "c": 2}',
        '{"b": 1}]',
        '{"a": 1}, {"a": 2}',
        '{"a": 1}\n{"a": 2}',
        '```json\n{"a": 1}\n{"a": 2}\n```',
        '{a: {"b": 1}}',
        "{'a': [\"b\"]}",
        '{"a": {"b": 1},}',
        '{"a": {"b": 1} // one\n}',
        '{"a": {"b": 1}, "c": NaN}',
        "NaN",
        "[Infinity]",
        '{"a": -Infinity}',
        '<think>{"a": 1}',
        '<think>{"a": 1}</think>',
        '<think>{"a": 1}</think>\nI cannot answer.',
        '{"a": 1}</think>\nI cannot answer.',
        "9" * 5000,
        '{"a": ' + "9" * 5000 + "}",
        "[" * 900 + "{" * 900 + '{"a": 1}',
    ],
)
def test_text_without_a_separate_json_value_yields_none(answer: str) -> None:
    assert value_of(answer) is ...


HOSTILE = [
    "{",
    "[",
    '{"a":',
    '["',
    "```",
    "```[",
    "\n```[",
    "~~~{",
    "<think>",
    "</think>",
    "<think></think>",
    "{</think>",
    "[1 a]",
    "[1] ",
    "{} ",
    '{"a":1} x ',
    '{"a":1}\n',
    '["\\',
    '"\\',
    '"{\\"',
    " ",
    "[ ",
    "\n",
    "]",
    "{'a'} ",
    "<a",
    "a:",
    "json ",
]


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("before", ["", "```json\n"])
@pytest.mark.timeout(10)
def test_a_hostile_answer_is_searched_in_linear_time(before: str, part: str) -> None:
    """Quadratic time would exceed the timeout by far."""
    json_values(before + part * (100_000 // len(part)) + "!")


@given(st.text(alphabet='{}[]":,\\`~ \n1a<>/think', max_size=60))
def test_any_answer_can_be_searched(answer: str) -> None:
    try:
        whole = json.loads(answer)
    except ValueError:
        json_values(answer)
    else:
        assert json_values(answer) == (whole,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), JSON, min_size=1), part=st.floats(0, 1, exclude_max=True))
def test_any_object_is_found_between_sentences_and_no_part_of_a_truncated_one(
    value: dict[str, Any], part: float
) -> None:
    written = json.dumps(value, ensure_ascii=False)
    assert value_of(f"Here it is: {written} Anything else?") == value
    assert value_of(f"Here it is: {written[: 1 + int(part * (len(written) - 1))]}") is ...
