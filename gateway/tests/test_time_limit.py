"""The time limit that requests pass through: what ends a block, and what does not."""

import asyncio

import pytest

from gateway.time_limit import TimeLimit

SHORT, NEVER = 0.02, 60.0


async def within(limit: TimeLimit, moved_to: float | None = None) -> None:
    """Wait for ever inside the limit, moved first to so many seconds from now."""
    with limit:
        if moved_to is not None:
            limit.reschedule(asyncio.get_running_loop().time() + moved_to)
        await asyncio.Event().wait()


async def test_a_block_that_takes_longer_ends_in_a_timeout():
    with pytest.raises(TimeoutError):
        await within(TimeLimit(SHORT))


async def test_a_limit_in_the_past_ends_the_first_wait():
    with pytest.raises(TimeoutError):
        await within(TimeLimit(-1.0))


async def test_a_block_that_ends_in_time_leaves_no_cancellation_behind():
    with TimeLimit(SHORT):
        pass
    await asyncio.sleep(SHORT * 2)


async def test_a_limit_can_be_moved_closer():
    with pytest.raises(TimeoutError):
        await within(TimeLimit(NEVER), moved_to=SHORT)


async def test_a_limit_can_be_moved_away():
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        await within(TimeLimit(SHORT), moved_to=SHORT * 5)
    assert loop.time() - began >= SHORT * 4


async def test_a_cancellation_from_elsewhere_stays_one():
    task = asyncio.ensure_future(within(TimeLimit(NEVER)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_outer_of_two_limits_is_told_as_its_own():
    inner_raised = []
    with pytest.raises(TimeoutError), TimeLimit(SHORT):
        try:
            await within(TimeLimit(NEVER))
        except BaseException as error:
            inner_raised.append(type(error))
            raise
    assert inner_raised == [asyncio.CancelledError]


async def test_the_task_works_on_after_its_limit():
    with pytest.raises(TimeoutError):
        await within(TimeLimit(SHORT))
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()
