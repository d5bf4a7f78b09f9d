"""Passphrases that seal backups and keys: new ones, and which ones of a person are long enough."""

import os
import re

from motekit import credentials

VARIABLE = "MOTE_BACKUP_PASSPHRASE"
# NIST SP 800-63B-4, 3.1.1.2: 15 characters where a password is all that protects.
LENGTH_MIN = 15
# Fewer different characters than this is a pattern, such as `abcabcabcabcabc`.
DISTINCT_MIN = 6
_SEQUENCES = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789012345678901234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
# What people choose first, and what this is about: the rest has to be long enough by itself.
_COMMON = re.compile(
    "correct ?horse ?battery ?staple|password|passphrase|passwort|letmein|welcome|admin|backup|mote"
)
_RUN = 4


class PassphraseError(Exception):
    """A passphrase is too easy to guess; the text says why and what to do."""


def new() -> str:
    """Return a passphrase of 99 random bits, in groups for reading; the hyphens are part of it."""
    return credentials.in_groups(credentials.new_typed_password()).replace(" ", "-")


def from_environment() -> str:
    """Return the passphrase in MOTE_BACKUP_PASSPHRASE, empty without one."""
    return os.environ.get(VARIABLE, "")


def check(passphrase: str) -> None:
    """Raise PassphraseError for a passphrase that should seal nothing.

    It is asked for new files only: whatever sealed a file opens it.
    """
    if len(passphrase) < LENGTH_MIN:
        raise PassphraseError(
            f"the passphrase has {len(passphrase)} characters, and at least {LENGTH_MIN} are "
            "needed: take four random words or more, or let `--seal` make one"
        )
    plain = _COMMON.sub("", passphrase.lower())
    if len(set(plain)) < DISTINCT_MIN or len(_without_runs(plain)) < LENGTH_MIN // 2:
        raise PassphraseError(
            "the passphrase is a common word, a repetition or a sequence, which programs try "
            "first: take four random words or more, or let `--seal` make one"
        )


def _without_runs(text: str) -> str:
    """Return `text` with each repetition, and each run of a known sequence, as one character."""
    text = re.sub(r"(.+?)\1+", r"\1", text)
    for sequence in (*_SEQUENCES, *(one[::-1] for one in _SEQUENCES)):
        at = 0
        while at + _RUN <= len(text):
            length = 0
            while at + length < len(text) and text[at : at + length + 1] in sequence:
                length += 1
            if length >= _RUN:
                text = text[:at] + text[at] + text[at + length :]
            at += 1
    return text
