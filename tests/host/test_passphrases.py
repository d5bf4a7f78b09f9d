"""A passphrase that seals a backup is not one that a program guesses."""

import pytest
from motekit import passphrases
from motekit.passphrases import PassphraseError


@pytest.mark.parametrize(
    "weak",
    ["", "a", "correct horse", "x" * 40, "abcabcabcabcabcabc", "abcdefghijklmnopqrst",
     "123456789012345", "9876543210987654321", "passwordpassword", "Password1234567890",
     "qwertzuiopasdfghjkl", "correct horse battery staple", "mote backup password",
     "aaaaaaaaaaaaaaaaaaaaaab", "              x"],
)  # fmt: skip
def test_a_weak_passphrase_is_refused_with_the_remedy(weak: str) -> None:
    with pytest.raises(PassphraseError, match="random words"):
        passphrases.check(weak)


@pytest.mark.parametrize(
    "strong",
    ["tulip gravel orbit mustard", "k3Jf-92xm-Pq7w-11Lz", "schöne grüße aus köln 77",
     "ein langer Satz, den nur ich kenne"],
)  # fmt: skip
def test_a_long_passphrase_of_random_words_is_taken(strong: str) -> None:
    passphrases.check(strong)


def test_a_generated_passphrase_is_good_and_another_each_time() -> None:
    made = {passphrases.new() for _ in range(200)}
    assert len(made) == 200
    for one in made:
        passphrases.check(one)
        assert one == one.strip() and len(one.replace("-", "")) == 20
