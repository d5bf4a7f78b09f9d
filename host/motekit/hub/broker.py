"""What the MQTT broker asks the hub: who is let in, with which client id and rights; storage."""

from motekit.broker.backend import Account, Batch, SavedState, Storage
from motekit.credentials import OWNER
from motekit.hub import rights
from motekit.hub.accounts import Accounts

# A device may have further clients: `<id>/<anything>`. No id of a device contains this character.
OWN_CLIENT_IDS = "/"


class HubBackend:
    """Accounts and rights of the hub; `storage` keeps what was received.

    `anonymous` lets clients in that give no user name, with the owner's rights: for a listener that
    only this computer reaches.
    """

    def __init__(self, accounts: Accounts, storage: Storage, *, anonymous: bool) -> None:
        self._accounts = accounts
        self._storage = storage
        self._anonymous = anonymous

    def load(self) -> SavedState:
        """Return what was committed. Raises StoreError."""
        return self._storage.load()

    async def commit(self, batch: Batch) -> None:
        """Store a batch. Raises CommitError."""
        await self._storage.commit(batch)

    def authenticate(self, username: str | None, password: bytes | None) -> Account | None:
        """Return the account whose password this is."""
        if not username:
            return Account("", limited=False) if self._anonymous else None
        try:
            text = (password or b"").decode()
        except UnicodeDecodeError:
            return None
        if not self._accounts.verify(username, text):
            return None
        return Account(username, limited=username != OWNER)

    def has_account(self, name: str) -> bool:
        return self._accounts.has(name)

    def may_use_client_id(self, account: Account, client_id: str) -> bool:
        """A device uses its own id, which nobody else can take from it; the owner any."""
        if not account.limited:
            return True
        return client_id == account.name or client_id.startswith(account.name + OWN_CLIENT_IDS)

    def may_publish(self, account: Account, topic: str) -> bool:
        return rights.may_publish(account.name or None, topic)

    def may_subscribe(self, account: Account, topic_filter: str) -> bool:
        return rights.may_subscribe(account.name or None, topic_filter)
