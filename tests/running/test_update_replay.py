"""Signed bundles that somebody has kept: an old one, a downgrade of other times or other boards."""

import json
from dataclasses import replace

import pytest
from motekit import update
from test_updating import runs
from updated import CRASH, Owner, owned

pytestmark = pytest.mark.anyio


async def refused(owner: Owner, bundle: update.Bundle, words: str) -> None:
    with pytest.raises(update.UpdateError, match=words) as why:
        await owner.send(bundle)
    assert not why.value.rolled_back


async def test_a_bundle_that_is_older_than_one_that_stayed_is_refused_whatever_it_says(
    tmp_path,
) -> None:
    async with owned(tmp_path) as owner:
        made = await owner.bundle("0.2.0")
        # The first bundles with a counter meet boards that have taken none.
        kept = owner.signed(made, counter=1_790_000_200)
        await owner.send(kept)
        await runs(owner, "0.2.0")
        newer = await owner.bundle("0.3.0")
        older = owner.signed(newer, counter=1_790_000_199)
        await refused(owner, older, r"older than the one .* \(counter 1790000199, not 1790000200\)")
        # One of before there were counters, too: its version is newer, and nobody knows its age.
        text = json.dumps({k: v for k, v in newer.manifest.items() if k != "counter"})
        await refused(owner, owner.signed(replace(newer, text=text)), "has no counter")
        for number in (-1, 1.5, "9999999999", True, None):
            await refused(owner, owner.signed(newer, counter=number), "damaged")
        # Neither is forgotten with the power, nor by a slot that changes.
        await owner.board.cut_power()
        await owner.board.power_on()
        await refused(owner, older, "older than the one")
        await owner.send(owner.signed(newer, counter=1_790_000_201))
        await runs(owner, "0.3.0")
        await refused(owner, kept, "0.2.0 is older|older than the one")


async def test_a_version_that_was_rolled_back_blocks_nothing(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        bad = owner.signed(await owner.bundle("0.2.0", CRASH), counter=1_790_000_900)
        good = owner.signed(await owner.bundle("0.2.1"), counter=1_790_000_100)
        with pytest.raises(update.UpdateError, match="rolled back"):
            await owner.send(bad)
        await runs(owner, "0.1.9")
        # It was made before the one that did not stay, and is sent after it.
        await owner.send(good)
        await runs(owner, "0.2.1")
        # The very same one again, as after an answer that was lost: nothing is older than itself.
        await owner.send(good)


async def test_a_downgrade_is_for_one_version_or_one_board(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        old = await owner.bundle("0.1.8")
        await refused(owner, owner.signed(old, downgrade=True), "any board at any time")
        for allowed, words in (
            ({"device": "plant1"}, "for the board with the id plant1 only"),
            ({"replaces": "0.2.0"}, "takes the place of version 0.2.0 only, this is 0.1.9"),
            ({"replaces": "0.1.9", "device": "plant1"}, "id plant1 only"),
            ({"replaces": "0.2.0", "device": "dev"}, "version 0.2.0 only"),
            ({"other": "dev"}, "damaged"),
        ):
            await refused(owner, owner.signed(old, downgrade=allowed), words)
        down = owner.signed(old, downgrade={"replaces": "0.1.9", "device": "dev"})
        await owner.send(down)
        await runs(owner, "0.1.8")
        (tmp_path / "again").mkdir()
        again = await replace(owner, folder=tmp_path / "again").bundle("0.1.9")
        await owner.send(again)
        await runs(owner, "0.1.9")
        # It was good for once: the bundle that came after it is newer.
        assert down.manifest["counter"] < again.manifest["counter"]
        await refused(owner, down, "older than the one")
