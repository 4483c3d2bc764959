"""Events come out the same however the bytes were split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sse import MAX_EVENT_BYTES, EventSplitter, EventTooLarge

STREAM = (
    b'\xef\xbb\xbf: OPENROUTER PROCESSING\n\ndata: {"text":"\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85"}\n\n'
    b"event: delta\r\nid: 7\r\nretry: 10\r\ndata:no space\r\n\r\ndata: two\ndata: lines\n\n"
    b"data\n\ndata:\n\ndata: cr\r\rdata: [DONE]\n\n"
)
EVENTS = ['{"text":"سلام"}'.encode(), b"no space", b"two\nlines", b"cr", b"[DONE]"]


def events_of(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


def test_line_ends_comments_and_fields_are_understood_and_empty_events_dropped():
    assert events_of([STREAM]) == EVENTS


def test_one_byte_at_a_time_gives_the_same_events():
    assert events_of([bytes([byte]) for byte in STREAM]) == EVENTS


@pytest.mark.fault("U39")
@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=12))
def test_any_split_gives_the_same_events(cuts: list[int]):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]

    assert events_of(pieces) == EVENTS


def test_an_event_that_never_ends_is_refused():
    splitter = EventSplitter()
    with pytest.raises(EventTooLarge):
        for _ in range(10):
            splitter.feed(b"data: " + b"x" * (MAX_EVENT_BYTES // 8))


def test_an_unfinished_event_is_not_given_out():
    assert events_of([b"data: half"]) == []
