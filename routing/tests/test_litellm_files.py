"""Which litellm configurations are refused, in which words, and what a file that is read has left out."""

import time

import pytest

from routing.importers.errors import ImportRefused
from routing.importers.litellm_config import read_config
from routing.importers.yaml_lines import read_yaml

ENTRY = "model_list:\n- model_name: a\n  litellm_params: {model: openai/m}\n"


def refusal(text: str) -> str:
    with pytest.raises(ImportRefused) as caught:
        read_config(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "this is no litellm configuration"),
        ("just words", "this is no litellm configuration"),
        ("- 1\n- 2\n", "this is no litellm configuration"),
        ("other: 1\n", "it has no model_list"),
        ("model_list:\n", "line 1: it has no model_list"),
        ("model_list: []\n", "line 1: it has no model_list"),
        ("model_list: {a: 1}\n", "line 1: it has no model_list"),
        ("model_list: [1]\n", "entry 1 of model_list is not a mapping"),
        ("model_list: [null]\n", "entry 1 of model_list is not a mapping"),
        ("model_list:\n- model_name: a\n", "line 2: the entry has no litellm_params"),
        ("model_list:\n- model_name: a\n  litellm_params: [x]\n", "line 3: litellm_params must be a mapping"),
        ("model_list:\n- litellm_params: {model: m}\n", "line 2: the entry has no model_name"),
        (
            "model_list:\n- model_name: ''\n  litellm_params: {model: m}\n",
            "line 2: the entry has no model_name",
        ),
        ("model_list:\n- model_name: 7\n  litellm_params: {model: m}\n", "line 2: model_name must be text"),
        (
            "model_list:\n- model_name: a\n  litellm_params: {api_key: k}\n",
            "line 3: litellm_params has no model",
        ),
        ("model_list:\n- model_name: a\n  litellm_params: {model: [m]}\n", "line 3: model must be text"),
        (ENTRY.replace("m}", "m, api_key: 12345}"), "line 3: api_key must be text; put it in quotes"),
        (ENTRY.replace("m}", "m, api_base: {a: b}}"), "line 3: api_base must be text"),
        (
            ENTRY.replace("m}", "m, timeout: soon}"),
            "line 3: litellm_params.timeout must be a number of seconds",
        ),
        (
            ENTRY.replace("m}", "m, timeout: true}"),
            "line 3: litellm_params.timeout must be a number of seconds",
        ),
        (
            ENTRY.replace("m}", "m, timeout: .nan}"),
            "line 3: litellm_params.timeout must be a number of seconds",
        ),
        (
            ENTRY.replace("m}", "m, timeout: -1}"),
            "line 3: litellm_params.timeout must be a number of seconds",
        ),
        (
            ENTRY.replace("m}", "m, timeout: [60]}"),
            "line 3: litellm_params.timeout must be a number of seconds",
        ),
        (ENTRY + "  model_info: yes\n", "line 4: model_info must be a mapping"),
        (ENTRY + "  model_info: {tier: 1}\n", "line 4: tier must be text"),
        (
            ENTRY + "  model_info: {fallback_order: first}\n",
            "line 4: model_info.fallback_order must be a whole number",
        ),
        (ENTRY + "router_settings: 3\n", "line 4: router_settings must be a mapping"),
        (
            ENTRY + "router_settings: {allowed_fails: many}\n",
            "line 4: router_settings.allowed_fails must be a whole",
        ),
        (
            ENTRY + "router_settings: {allowed_fails: -1}\n",
            "line 4: router_settings.allowed_fails must be a whole",
        ),
        (
            ENTRY + "router_settings: {cooldown_time: {}}\n",
            "line 4: router_settings.cooldown_time must be a number",
        ),
        (ENTRY + "router_settings: {model_group_alias: x}\n", "line 4: model_group_alias must be a mapping"),
        (
            ENTRY + "router_settings: {model_group_alias: {x: 1}}\n",
            "line 4: model_group_alias must name models",
        ),
        (ENTRY + "litellm_settings: x\n", "line 4: litellm_settings must be a mapping"),
        (ENTRY + "general_settings: [x]\n", "line 4: general_settings must be a mapping"),
        (ENTRY + "model_list: []\n", "line 4: the key model_list is given twice"),
        (ENTRY.replace("m}", "m, model: n}"), "line 3: the key model is given twice"),
        ("model_list: [\n", "line 2: this is not YAML that can be read"),
        ("a: b: c\n", "line 1: this is not YAML that can be read"),
        ("a: *nowhere\n", "line 1: this is not YAML that can be read"),
        ("a: 1\n--- \nb: 2\n", "line 2: this is not YAML that can be read"),
        ("? [a, b]\n: c\n", "line 1: this is not YAML that can be read"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1: this is not YAML that can be read"),
        ("a: &x [*x, *x]\n", "this is no litellm configuration|it has no model_list"),
        ("a: 2024-99-99\n", "a value is not of the type"),
        ("a: !!int many\n", "a value is not of the type"),
        ("a: !!bool perhaps\n", "a value is not of the type"),
        ("a: !!timestamp soon\n", "a value is not of the type"),
        ("a: " + "9" * 9_000 + "\n", "a value is not of the type"),
        ("a: b\x07\n", "line 1: there is a character here that YAML does not allow"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence_with_its_line(text, sentence):
    assert any(part in refusal(text) for part in sentence.split("|"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 5_000, "nested more than"),
        ("a: " * 5_000, "not YAML|nested more than"),
        ("[" + "1," * 150_000 + "1]", "more than 100,000 values"),
        ("a: &a [1]\nb: [" + "*a," * 3_000 + "*a]", "more than 2,000 references"),
        ("a: " + "1:" * 20_000 + "1", "longer than 10,000 characters"),
        ("a: '" + "x" * 20_000 + "'", "longer than 10,000 characters"),
    ],
    ids=["deep list", "deep mapping", "many values", "many references", "long number", "long text"],
)
def test_a_hostile_file_is_refused_quickly(text, sentence):
    began = time.monotonic()

    assert any(part in refusal(text) for part in sentence.split("|"))
    assert time.monotonic() - began < 30


def test_merged_mappings_cannot_multiply_without_end():
    keys = ", ".join(f"k{number}: 1" for number in range(10))
    levels = [f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 10)}]}}" for n in range(1, 9)]

    assert "more than 2,000 keys" in refusal("\n".join([f"l0: &l0 {{{keys}}}", *levels]))


def test_aliases_of_aliases_cost_no_more_than_they_are_written():
    levels = ["a0: &a0 [1, 2]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]

    assert refusal("\n".join(levels)) == "it has no model_list, or an empty one."


def test_an_error_near_a_key_does_not_quote_it():
    text = ENTRY.replace("m}", 'm, api_key: "sk-canary-0123456789" "again"}')

    assert "canary" not in refusal(text)
    assert refusal(text).startswith("line 3:")


def test_merged_keys_know_the_line_they_were_written_on():
    root = read_yaml("base: &base\n  timeout: 5\nnext:\n  <<: *base\n  model: m\n")

    assert root["next"] == {"timeout": 5, "model": "m"}
    assert (root["next"].line_of("timeout"), root["next"].line_of("model")) == (2, 5)


def test_settings_that_are_not_read_are_named_with_their_lines():
    config = read_config(
        "model_list:\n- model_name: a\n  extra: 1\n  litellm_params:\n    model: openai/m\n    rpm: 5\n"
        "    timeout: 7200\n  model_info:\n    id: x\nrouter_settings:\n  num_retries: 3\n  cooldown_time: 0\n"
        "  timeout: os.environ/T\nmystery: [1]\n"
        "litellm_settings:\n  callbacks: [f]\ngeneral_settings:\n  master_key: k\n"
    )

    assert {(left.line, left.what) for left in config.left_out} == {
        (3, "extra"),
        (6, "litellm_params.rpm"),
        (7, "litellm_params.timeout"),
        (9, "model_info.id"),
        (11, "router_settings.num_retries"),
        (12, "router_settings.cooldown_time"),
        (13, "router_settings.timeout"),
        (14, "mystery"),
        (16, "litellm_settings.callbacks"),
        (18, "general_settings.master_key"),
    }
    assert config.entries[0].timeout == 3600
    assert config.open_for is None
    assert config.timeout is None


def test_no_value_shows_its_keys():
    config = read_config(
        ENTRY.replace("m}", "m, api_key: sk-canary}") + "general_settings: {master_key: sk-canary}\n"
    )

    assert "canary" not in repr(config)
