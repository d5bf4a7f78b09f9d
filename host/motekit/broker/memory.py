"""A backend for a broker of one's own on loopback: nothing is kept, everything is allowed."""

from motekit.broker.backend import Account, Batch, SavedState


class MemoryBackend:
    """Lets everybody in without a login, and stores nothing."""

    def load(self) -> SavedState:
        return SavedState()

    async def commit(self, batch: Batch) -> None:
        """There is nothing to wait for."""

    def authenticate(self, username: str | None, password: bytes | None, address: str) -> Account:
        return Account("", limited=False)

    def accounts_changed(self) -> bool:
        return False

    def is_current(self, account: Account) -> bool:
        return True

    def has_account(self, name: str) -> bool:
        return True

    def may_use_client_id(self, account: Account, client_id: str) -> bool:
        return True

    def may_publish(self, account: Account, topic: str) -> bool:
        return True

    def may_publish_will(self, account: Account, topic: str) -> bool:
        return True

    def may_subscribe(self, account: Account, topic_filter: str) -> bool:
        return True
