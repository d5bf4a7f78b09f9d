"""What an Improv client meets on a board at work: it is set up; for another WiFi it restarts."""

from mote import board
from mote.improv.conversation import Conversation


class Settled:
    """Site and board of a `Conversation` in one. `end(why, mode)` restarts the board."""

    state = "saved"
    may_be_named = False
    networks = ()

    def __init__(self, name, end):
        self.name = name
        self.chip = board.chip()
        # Nobody looks at them: the readings go on.
        self.requests = 0
        self.told_saved = False
        self._end = end

    def search(self):
        """Whoever asks for networks wants to change the WiFi: set-up mode answers, and tries it."""
        self._end("an installer asks for another WiFi", "improv")
        return False

    def try_network(self, put_first):
        """Not here: the next time it is."""
        return self.search()

    def address(self):
        """None: there is no page."""
        return ""


def met(talk, name, end):
    """The conversation to go on with: `talk`, unless it was about something else."""
    if talk and isinstance(talk.site, Settled):
        return talk
    site = Settled(name, end)
    return Conversation(site, site)
