"""What a shell completes beyond commands and options: the boards there are, and the ports."""

from collections.abc import Iterator


def boards(incomplete: str) -> Iterator[tuple[str, str]]:
    """Keys of board profiles that begin so, each with the board's name."""
    from motekit.boards import profiles

    return ((k, one.name) for k, one in profiles().items() if k.startswith(incomplete))


def ports(incomplete: str) -> Iterator[tuple[str, str]]:
    """Ports with a board that begin so, each with its USB chip."""
    from motekit.serial import ports

    return ((one.path, one.chip) for one in ports.find() if one.path.startswith(incomplete))
