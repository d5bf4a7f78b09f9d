"""Accounts of the hub: passwords that are shown once."""

import subprocess
import sys

import pytest
from motekit.credentials import AccountError
from motekit.hub.accounts import Accounts


def test_a_password_is_shown_once_and_kept_as_a_hash_nobody_else_can_read(tmp_path) -> None:
    accounts = Accounts(tmp_path)
    password = accounts.add("plant1")
    kept = (tmp_path / "accounts.json").read_text()
    assert password not in kept
    assert (tmp_path / "accounts.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "owner.password").stat().st_mode & 0o077 == 0
    with pytest.raises(AccountError, match="already an account"):
        accounts.add("plant1")
    with pytest.raises(AccountError, match="no device id"):
        accounts.add("plant/1")
    # Another process sees the change at once.
    assert Accounts(tmp_path).verify("plant1", password)
    accounts.remove("plant1")
    assert not Accounts(tmp_path).verify("plant1", password)


def test_accounts_that_several_processes_make_at_once_are_all_there(tmp_path) -> None:
    Accounts(tmp_path)
    script = (
        "import sys; from pathlib import Path; from motekit.hub.accounts import Accounts\n"
        "for n in range(20): Accounts(Path(sys.argv[1])).add(f'{sys.argv[2]}_{n}')\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path, f"d{n}"]) for n in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(Accounts(tmp_path).names()) == 80
