"""YAML in which every mapping knows its lines, read within limits that a hostile file cannot pass."""

from collections.abc import Iterator
from typing import Any

import yaml

from routing.importers.errors import ImportRefused, shown

MOST_BYTES = 5_000_000
MOST_VALUES = 100_000
MOST_REFERENCES = 2_000  # uses of an anchor; merged mappings are copied at each
MOST_KEYS = 2_000  # of one mapping, what it merges included
DEEPEST = 40
LONGEST_SCALAR = 10_000  # YAML reads 1:1:1 as a number, in time that grows with the square of its length
NOT_A_VALUE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Section(dict[Any, Any]):
    """A mapping of the file, with the line it begins on and the line of each key."""

    line = 1

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, int] = {}

    def line_of(self, key: object) -> int:
        """The line of the key, counted from 1; of the mapping itself when the key is not there."""
        return self.lines.get(key, self.line)


def read_yaml(text: str) -> Any:
    """The file's one document: Sections, lists and scalars. Raises ImportRefused, with the line where it is known."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        # Its own text quotes the line, which may hold a key.
        mark = error.problem_mark or error.context_mark
        message = f"this is not YAML that can be read: {shown(error.problem or error.context, 120)}"
        raise ImportRefused(message, mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ImportRefused("there is a character here that YAML does not allow.", line) from None
    except NOT_A_VALUE as error:
        if isinstance(error, ImportRefused):
            raise
        raise ImportRefused("a value is not of the type that its tag or its shape announces.") from None


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = self._references = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_reference = self.check_event(yaml.AliasEvent)
        self._values += 1
        self._references += is_reference
        self._depth += 1
        self._check_limits()
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _check_limits(self) -> None:
        line = self.peek_event().start_mark.line + 1
        if self._depth > DEEPEST:
            raise ImportRefused(f"it is nested more than {DEEPEST} levels deep.", line)
        if self._values > MOST_VALUES:
            raise ImportRefused(f"there are more than {MOST_VALUES:,} values.", line)
        if self._references > MOST_REFERENCES:
            raise ImportRefused(f"there are more than {MOST_REFERENCES:,} references to anchors.", line)

    def compose_scalar_node(self, anchor: Any) -> Any:
        node = super().compose_scalar_node(anchor)
        if len(node.value) > LONGEST_SCALAR:
            raise ImportRefused(
                f"a value is longer than {LONGEST_SCALAR:,} characters.", node.start_mark.line + 1
            )
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """YAML forbids a key that is given twice; PyYAML would take the last one in silence."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise ImportRefused(
                        f"the key {shown(key.value)} is given twice.", key.start_mark.line + 1
                    )
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MOST_KEYS:
            raise ImportRefused(f"a mapping has more than {MOST_KEYS:,} keys.", node.start_mark.line + 1)

    def construct_section(self, node: yaml.MappingNode) -> Iterator[Section]:
        section = Section()
        section.line = node.start_mark.line + 1
        yield section  # before its values: they may refer to it
        section.update(self.construct_mapping(node))
        section.lines.update(
            (self.construct_object(key, deep=True), key.start_mark.line + 1) for key, _ in node.value
        )


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_section)
