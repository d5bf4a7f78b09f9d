"""Coverage-guided fuzzing of one parser of the portal, until libFuzzer's limits end it.

`python fuzz_targets.py dns|http [flags of libFuzzer] <corpus folder>`
"""

import sys


def main() -> None:
    import atheris

    target = sys.argv.pop(1)
    with atheris.instrument_imports(include=["mote"]):
        from mote.portal import dns, form, request  # noqa: F401
    # Not instrumented: the fuzzer is to look for ways through the parsers, not through their tests.
    import properties

    check, longest = properties.TARGETS[target]
    atheris.Setup([*sys.argv, f"-max_len={longest}"], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
