"""What the MQTT broker asks the hub: who is let in, with which client id and rights; storage."""

from mote.contract import device_topic

from motekit.acl import Role
from motekit.broker.backend import Account, Batch, LoginLimitError, SavedState, Storage
from motekit.hub import rights
from motekit.hub.accounts import Accounts
from motekit.hub.login_limit import LoginLimit

# A device may have further clients: `<id>/<anything>`. No id of a device contains this character.
OWN_CLIENT_IDS = "/"
# Wrong passwords of an address: a class behind one router that has them all wrong is not slowed
# down, and a program that tries what it can is.
WRONG_BURST, WRONG_EVERY_S = 60, 1.0


class HubBackend:
    """Accounts and rights of the hub; `storage` keeps what was received.

    `anonymous` lets clients in that give no user name, with the owner's rights: for a listener that
    only this computer reaches.
    """

    def __init__(self, accounts: Accounts, storage: Storage, *, anonymous: bool) -> None:
        self._accounts = accounts
        self._storage = storage
        self._anonymous = anonymous
        self._limit = LoginLimit(WRONG_BURST, WRONG_EVERY_S)
        self._stamp = accounts.stamp()

    def load(self) -> SavedState:
        """Return what was committed. Raises StoreError."""
        return self._storage.load()

    async def commit(self, batch: Batch) -> None:
        """Store a batch. Raises CommitError."""
        await self._storage.commit(batch)

    def authenticate(
        self, username: str | None, password: bytes | None, address: str
    ) -> Account | None:
        """Return the account whose password this is. Raises LoginLimitError."""
        if not username:
            anyone = Account("", limited=False, role=Role.OWNER)
            return anyone if self._anonymous else None
        if wait_s := self._limit.wait_s(address, username):
            raise LoginLimitError(f"too many wrong passwords from this address, wait {wait_s} s")
        try:
            login = self._accounts.log_in(username, (password or b"").decode())
        except UnicodeDecodeError:
            login = None
        if login is None:
            self._limit.failed(address, username)
            return None
        self._limit.succeeded(address, username)
        limited = login.role is not Role.OWNER
        return Account(username, limited=limited, role=login.role, version=login.version)

    def accounts_changed(self) -> bool:
        before, self._stamp = self._stamp, self._accounts.stamp()
        return self._stamp != before

    def is_current(self, account: Account) -> bool:
        if not account.name:
            return True
        login = self._accounts.login(account.name)
        return login is not None and login.version == account.version

    def has_account(self, name: str) -> bool:
        return self._accounts.has(name)

    def may_use_client_id(self, account: Account, client_id: str) -> bool:
        """A device uses its own id, which nobody else can take from it; the owner any.

        Programs of other people make an id of their own: any that belongs to no other account.
        """
        if not account.limited:
            return True
        holder, _, _ = client_id.partition(OWN_CLIENT_IDS)
        if account.role in (Role.VIEWER, Role.OPERATOR):
            return holder == account.name or not self._accounts.has(holder)
        return holder == account.name

    def may_publish(self, account: Account, topic: str) -> bool:
        return rights.may_publish(account.name or None, topic, _role(account))

    def may_publish_will(self, account: Account, topic: str) -> bool:
        """Allow what the account may publish now, with the password that was verified.

        A device whose account has ended still says that it is offline.
        """
        if not account.name:
            return True
        if account.role in ("", Role.DEVICE) and topic == device_topic(account.name, "status"):
            return True
        login = self._accounts.login(account.name)
        if login is None or account.version not in ("", login.version):
            return False
        return rights.may_publish(login.name, topic, login.role)

    def may_subscribe(self, account: Account, topic_filter: str) -> bool:
        return rights.may_subscribe(account.name or None, topic_filter, _role(account))


def _role(account: Account) -> Role | None:
    return Role(account.role) if account.role else None
