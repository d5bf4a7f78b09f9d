"""Feeds the portal's parsers on MicroPython: first a corpus as it is, then with seeded damage.

Arguments: the folders for sys.path, `--`, `dns` or `http`, the file with the corpus (each input
with its length in two bytes before it), how many inputs in all, and the seed. Prints a line
`crash <hex>` with its traceback for each crash, and `done <inputs> <crashes> <growth of the heap>`.
"""

import gc
import random
import sys
import time

_PROGRESS_S = 10
_SHOWN = 5
_TOKENS = (
    b"\r\n",
    b"\r\n\r\n",
    b"%",
    b"%4",
    b"&",
    b"=",
    b": ",
    b" ",
    b"\0",
    b"\xff",
    b"\xc0\x0c",
    b"\x3f",
    b"Content-Length: ",
    b"\xd9\xa5",
    b"\xf0\x9f\x8c\xb1",
    b"99999",
)


class Campaign:
    """The inputs of one target, given to `check` one after the other."""

    def __init__(self, name, check, longest, path):
        self.name = name
        self.check = check
        self.longest = longest
        # Each input is read when it is wanted: together they are more than the heap of a board.
        self.file = open(path, "rb")  # noqa: SIM115, PTH123
        self.places = []
        self.crashes = 0
        while size := self.file.read(2):
            self.places.append(self.file.tell() - 2)
            self.file.read(size[0] << 8 | size[1])

    def stored(self, index):
        self.file.seek(self.places[index])
        size = self.file.read(2)
        return self.file.read(size[0] << 8 | size[1])

    def run(self, count):
        shown = time.time()
        for index in range(count):
            self.give(self.stored(index) if index < len(self.places) else self.damaged())
            if index & 63 == 0 and time.time() - shown >= _PROGRESS_S:
                shown += _PROGRESS_S
                print(f"# {self.name}: {index} of {count}", file=sys.stderr)

    def give(self, data):
        try:
            self.check(data)
        except Exception as error:
            self.crashes += 1
            if self.crashes <= _SHOWN:
                print("crash", data.hex())
                sys.print_exception(error, sys.stdout)

    def damaged(self):
        data = self.stored(random.randrange(len(self.places)))
        for _ in range(1 + random.getrandbits(2)):
            place = random.randrange(len(data) + 1)
            kind = random.getrandbits(3)
            rest = data[place:]
            if kind < 3 and rest:
                rest = bytes((rest[0] ^ 1 << random.getrandbits(3),)) + rest[1:]
            elif kind == 3:
                rest = bytes(random.getrandbits(8) for _ in range(1 + random.getrandbits(2))) + rest
            elif kind == 4:
                rest = _TOKENS[random.getrandbits(4)] + rest
            elif kind == 5:
                rest = rest[1 + random.getrandbits(4) :]
            elif kind == 6:
                # A character of any script at the start of a value. It is made of bytes: the
                # runtime never frees what chr() gives.
                start = data.find(b": ", place) + 2
                if start > 1:
                    place, rest = start, data[start:]
                code = 0x800 + random.getrandbits(14)
                rest = bytes((0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63)) + rest
            else:
                other = self.stored(random.randrange(len(self.places)))
                rest = other[random.randrange(len(other) + 1) :]
            data = data[:place] + rest
        return data[: self.longest]


def main():
    split = sys.argv.index("--")
    sys.path[:0] = sys.argv[1:split]
    target, path, count, seed = sys.argv[split + 1 : split + 5]
    import properties

    check, longest = properties.TARGETS[target]
    campaign = Campaign(target, check, longest, path)
    random.seed(int(seed))
    # What the first inputs leave behind for good belongs to the program.
    campaign.run(1)
    gc.collect()
    before = gc.mem_alloc()
    campaign.run(int(count))
    gc.collect()
    growth = gc.mem_alloc() - before
    print(f"done {count} {campaign.crashes} {growth}")


if __name__ == "__main__":
    main()
