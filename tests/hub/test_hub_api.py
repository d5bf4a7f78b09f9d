"""The JSON interface: complete answers, clear refusals, and nothing that one device can break."""

import json
import math
import re
import sqlite3
from contextlib import closing

from hub_with_dashboard import fill, get, get_json, strict_json, with_dashboard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mote import contract
from motekit.hub.device_info import read_info
from motekit.hub.store import Reading

NS = 10**9
START_S = 1_700_000_000
# More than the hub reads at once, and more than an answer once had.
ROWS = 12_345


def series(count: int = ROWS) -> list[Reading]:
    return [Reading("plant1", "temperature", (START_S + n) * NS + 7, n / 8) for n in range(count)]


def test_the_page_of_an_evicted_board_says_so(tmp_path) -> None:
    infos = {"plant1": json.dumps({contract.EVICTED: 4}), "plant2": '{"version": "0.1.0"}'}
    fill(tmp_path, series(1), infos)

    def story(hub) -> None:
        shown = get_json(hub, "api/pages/device/plant1")["info"]
        assert shown == [["Disconnected by another client with this ID", "4 times in a row"]]
        assert get_json(hub, "api/pages/device/plant2")["info"] == [["Firmware", "0.1.0"]]

    with_dashboard(tmp_path, story)


def test_readings_are_complete_and_pages_join_to_the_same_rows(tmp_path) -> None:
    fill(tmp_path, series())

    def story(hub) -> None:
        address = "api/readings?device=plant1&metric=temperature"
        everything = get_json(hub, address + "&since=0")
        assert [row["value"] for row in everything] == [n / 8 for n in range(ROWS)]
        # Times are exact to the nanosecond.
        assert everything[-1]["time_ns"] == (START_S + ROWS - 1) * NS + 7

        paged, following = [], address + "&since=0&limit=5000"
        sizes = []
        while following:
            status, headers, body = get(hub, following)
            assert status == 200
            page = strict_json(body)
            sizes.append(len(page))
            paged += page
            link = headers.get("link", "")
            found = re.fullmatch(r'</(\S+)>; rel="next"', link)
            assert bool(found) == bool(link)
            following = found[1] if found else ""
        assert sizes == [5000, 5000, 2345]
        assert paged == everything

        part = get_json(hub, f"{address}&since={START_S + 10}&until={START_S + 12}")
        assert [row["value"] for row in part] == [10 / 8, 11 / 8]
        exact = get_json(hub, f"{address}&since={START_S + 10}.000000007&until={START_S + 11}")
        assert [row["value"] for row in exact] == [10 / 8]
        assert get_json(hub, f"{address}&since={START_S + 10}.000000008&until={START_S + 11}") == []
        # Without a time it is the last hour, in which nothing came.
        assert get_json(hub, address) == []

    with_dashboard(tmp_path, story)


def test_a_page_that_ends_with_the_last_row_has_no_next(tmp_path) -> None:
    fill(tmp_path, series(4))

    def story(hub) -> None:
        address = "api/readings?device=plant1&metric=temperature&since=0&limit="
        assert "link" not in get(hub, address + "4")[1]
        assert "link" in get(hub, address + "3")[1]

    with_dashboard(tmp_path, story)


def test_what_is_not_known_is_named_with_what_is(tmp_path) -> None:
    fill(tmp_path, series(1), {"quiet": "{}"})

    def story(hub) -> None:
        def error(query: str) -> str:
            status, _, body = get(hub, "api/readings?" + query)
            assert status == 404
            return strict_json(body)["error"]

        assert error("device=plant2&metric=temperature") == (
            'There is no device "plant2". Known: plant1, quiet'
        )
        assert error("device=plant1&metric=humidity") == (
            'There is no metric of plant1 "humidity". Known: temperature'
        )
        assert "Known: none yet" in error("device=quiet&metric=humidity")
        assert "\ufffd" in error("device=%ed%a0%80&metric=x")

    with_dashboard(tmp_path, story)


REFUSED = ["nan", "NaN", "inf", "-inf", "Infinity", "1e300", "1e30", "yesterday", "-1", "", "0x10",
           "sNaN", "9" * 5000, "1e999999999999", "%00", "%ed%a0%80", "1,5"]  # fmt: skip


def test_values_that_are_no_time_or_number_are_refused_in_words(tmp_path) -> None:
    fill(tmp_path, series(1))

    def story(hub) -> None:
        address = "api/readings?device=plant1&metric=temperature"
        for name in ("since", "until"):
            for value in REFUSED:
                status, _, body = get(hub, f"{address}&{name}={value}")
                text = strict_json(body)["error"]
                assert status == 422, (name, value)
                assert text.startswith(f'{name} "') and "Unix time in seconds" in text
        for value in ("0", "-1", "1.5", "ten", "", "100001", "9" * 5000, "²"):
            status, _, body = get(hub, f"{address}&limit={value.replace('²', '%C2%B2')}")
            assert (status, "limit" in strict_json(body)["error"]) == (422, True), value
        status, _, body = get(hub, f"{address}&since=20&until=10")
        assert (status, "later than until" in strict_json(body)["error"]) == (422, True)
        for lacking in ("api/readings", "api/readings?device=plant1"):
            status, _, body = get(hub, lacking)
            assert status == 422 and strict_json(body)["error"]

    with_dashboard(tmp_path, story)


# What an older version stored unchecked: the text of the column, and what is shown of it.
OLD_INFOS = {
    "surrogate": ('{"board":"\\ud800","ok":1}', {"board": "\ufffd", "ok": 1}),
    "key": ('{"\\udfff":1}', {"\ufffd": 1}),
    "pair": ('{"board":"\\ud83d\\ude00"}', {"board": "😀"}),
    "nan": ('{"a":NaN,"b":[Infinity,-Infinity,1e999]}', {"a": None, "b": [None, None, None]}),
    "deep": ("[" * 100_000, {}),
    "deepobject": ('{"a":' * 5_000 + "1" + "}" * 5_000, None),
    "list": ("[1]", {}),
    "digits": ('{"a":' + "9" * 5_000 + "}", {}),
    "none": ("", {}),
    "markup": ('{"board":"<script>"}', {"board": "<script>"}),
}


def test_nothing_that_one_device_has_said_breaks_the_answer_for_all(tmp_path) -> None:
    fill(tmp_path, series(1), {name: text for name, (text, _) in OLD_INFOS.items()})
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db, db:
        db.execute("INSERT INTO reading VALUES (1, ?, ?)", ((START_S + 5) * NS, math.inf))

    def story(hub) -> None:
        devices = {one["id"]: one for one in get_json(hub, "api/devices")}
        assert set(devices) == set(OLD_INFOS) | {"plant1"}
        for name, (_, shown) in OLD_INFOS.items():
            if shown is not None:
                assert devices[name]["info"] == shown, name
        rows = get_json(hub, "api/readings?device=plant1&metric=temperature&since=0")
        assert [row["value"] for row in rows] == [0.0, None]
        for name in OLD_INFOS:
            assert get(hub, f"device/{name}")[0] == 200
            assert get_json(hub, f"api/pages/device/{name}")["device"][0] == name
        assert get(hub, "")[0] == 200

    with_dashboard(tmp_path, story)


KEYS = st.text(alphabet=st.characters(codec=None), max_size=4)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(alphabet=st.characters(codec=None), max_size=4), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_info_can_be_sent_on_as_json(value) -> None:
    shown = read_info(json.dumps(value))
    text = json.dumps(shown, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(text) == shown
    if isinstance(value, dict) and "\\ud" not in json.dumps(value) and math.isfinite(_sum(value)):
        assert shown == value or _depth(value) > 16


def _sum(value) -> float:
    if isinstance(value, dict | list):
        return sum(map(_sum, value.values() if isinstance(value, dict) else value))
    return value if isinstance(value, float) else 0.0


def _depth(value) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def test_no_query_makes_the_hub_fail(tmp_path) -> None:
    """Whatever programs ask, the answer is JSON with a status that says whose fault it is."""
    from urllib.parse import urlencode

    fill(tmp_path, series(3))
    text = st.text(max_size=20) | st.sampled_from(["plant1", "temperature", "0", "1e9", *REFUSED])
    names = st.sampled_from(["device", "metric", "since", "until", "limit", "x"])
    paths = st.sampled_from(
        [
            "api/readings",
            "api/devices",
            "api/pages/overview",
            "api/pages/chart",
            "api/pages/device/x",
        ]
    )

    def story(hub) -> None:
        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(paths, st.lists(st.tuples(names | st.sampled_from(["after", "range"]), text)))
        def ask(path, query) -> None:
            pairs = [(key, value.encode(errors="surrogatepass")) for key, value in query]
            status, _, body = get(hub, f"{path}?{urlencode(pairs)}")
            assert status in (200, 404, 422), (status, body)
            strict_json(body)

        ask()

    with_dashboard(tmp_path, story)


def test_a_store_that_cannot_be_read_is_said_so(tmp_path) -> None:
    fill(tmp_path, series(3))

    def story(hub) -> None:
        # Another program drops what is asked for.
        with closing(sqlite3.connect(tmp_path / "readings.db")) as db, db:
            db.execute("ALTER TABLE reading RENAME TO gone")
        address = "api/readings?device=plant1&metric=temperature&limit=1&since=0"
        status, headers, body = get(hub, address)
        with closing(sqlite3.connect(tmp_path / "readings.db")) as db, db:
            db.execute("ALTER TABLE gone RENAME TO reading")
        assert (status, headers["retry-after"]) == (503, "5")
        assert "cannot be read" in strict_json(body)["error"]
        assert len(get_json(hub, address)) == 1

    with_dashboard(tmp_path, story)


def test_an_address_that_does_not_exist_is_404(tmp_path) -> None:
    def story(hub) -> None:
        for path in ("api/nothing", "api", "nothing", "device/a/b"):
            status, headers, body = get(hub, path)
            assert status == 404, path
            if path.startswith("api"):
                assert headers["content-type"] == "application/json"
                assert "error" in strict_json(body)
            else:
                assert b"All devices" in body

    with_dashboard(tmp_path, story)
