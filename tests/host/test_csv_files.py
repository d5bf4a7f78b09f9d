"""CSV files as spreadsheets write them, and the settings that `mote provision` takes from them.

The judges are CPython's csv writers and codecs; the bytes of Excel's formats are written out.
"""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motekit import csv_files
from motekit.fleet.plan import PlanError, read_accounts
from motekit.provision import SettingsError, fleet

COMMON = {"wifi": [{"ssid": "Class"}], "mqtt": {"host": "hub.local"}}
HEAD = "id,wifi.0.ssid,wifi.0.password,interval"
ROOM = "room-a,Café,geheim äöü 1,2.5"
EXCEL = f"{HEAD}\r\n{ROOM}\r\n".replace(",", ";")


def rows(tmp_path: Path, data: bytes | str, notes: list[str] | None = None) -> list[fleet.Row]:
    file = tmp_path / "class.csv"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return fleet.rows(file, COMMON, [].append if notes is None else notes.append)


@pytest.mark.parametrize(
    "data",
    [
        f"{HEAD}\n{ROOM}\n".encode(),
        b"\xef\xbb\xbf" + EXCEL.encode(),  # "CSV UTF-8"
        EXCEL.encode("cp1252"),  # "CSV (separated by semicolons)" in Western Europe
        EXCEL.replace("2.5", "2,5").encode("cp1252"),
        ("\ufeff" + EXCEL.replace(";", "\t")).encode("utf-16-le"),  # "Unicode text"
        ("\ufeff" + EXCEL.replace(";", "\t")).encode("utf-16-be"),
        EXCEL.encode("utf-16-le"),
        EXCEL.encode("utf-16-be"),
        f"sep=;\r\n{EXCEL}".encode(),
        f'"sep=;"\r\n{EXCEL}'.encode(),
        b"\xef\xbb\xbf" + f"sep=;\r\n{EXCEL}".encode(),
        f"sep=\t\r\n{EXCEL}".replace(";", "\t").encode(),
        f"sep=|\r\n{EXCEL}".replace(";", "|").encode(),
        # Rows and columns of separators only, as after deleting cells.
        f"{HEAD},,\r\n,,,,,\r\n{ROOM},,\r\n ,,,,,\r\n,,,,,\r\n".encode(),
        EXCEL.replace("\r\n", "\r").encode(),  # old Macintosh
        EXCEL.rstrip().encode(),
        EXCEL.replace("id;", '"id";', 1).replace("interval", '"interval"').encode(),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_saves_is_understood(tmp_path: Path, data: bytes) -> None:
    (row,) = rows(tmp_path, data)
    network = row.document["wifi"][0]
    assert (row.id, row.document["interval"]) == ("room-a", 2.5)
    assert (network["ssid"], network["password"]) == ("Café", "geheim äöü 1")


def test_a_guess_is_told(tmp_path: Path) -> None:
    notes: list[str] = []
    rows(tmp_path, EXCEL.encode("cp1252"), notes)
    assert len(notes) == 1 and "code page 1252" in notes[0]
    notes.clear()
    rows(tmp_path, EXCEL.encode(), notes)
    assert not notes


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("id,interval,id\na,1,b", "class.csv:1: two columns are named 'id'"),
        ("id,intervall\na,1", "class.csv:1: there is no setting 'intervall'"),
        ("id|interval\na|1", "class.csv:1: columns are separated by '|': use , ; or a tab"),
        ("id,,interval\na,x,1", "class.csv:1: column 2 has no name"),
        ("sep=;\nid;intervall\na;1", "class.csv:2: there is no setting 'intervall'"),
        ('id,interval\na,1\n"b,2\nc,3', "class.csv:3: a quotation mark is wrong"),
        ('id,interval\n"a"x,1', "class.csv:2: a quotation mark is wrong"),
        ("id,interval\n\na,1\n,,\nb,x", "class.csv:5: interval must be a number, not 'x'"),
        ("id;interval\na;1,000", "class.csv:2: interval must be a number: '1,000' may be 1000"),
        ("id,interval\na,1,2", "class.csv:2: more fields than the first line has names"),
        ("id,interval\na,nan", "class.csv:2: interval must be a number, not 'nan'"),
        ("id,interval\na,1_0", "class.csv:2: interval must be a number"),
        ("id,mqtt.host\na,u:p@h", "class.csv:2: mqtt.host must be an address without a login"),
        ("id,mqtt.host,mqtt.port\na,h:1,2", "class.csv:2: mqtt.host must not contradict mqtt.port"),
        ("", "class.csv is empty"),
        (",,\n,,", "class.csv is empty"),
        ("id,interval", "has no rows below its first line"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no CSV"),
        (b"PK\x03\x04\x14\0\x06\0", "is no CSV"),
        (b"x" * 2_000_001, "is larger than 2 MB"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, data: bytes | str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        rows(tmp_path, f"{data}" if isinstance(data, str) else data)
    assert told in str(caught.value)


def test_blanks_that_belong_to_a_network_are_kept_and_told(tmp_path: Path) -> None:
    notes: list[str] = []
    (row,) = rows(tmp_path, f'{HEAD}\n a , Home  ,"{" " * 9}", 5 \n', notes)
    network = row.document["wifi"][0]
    assert (row.id, network["ssid"], row.document["interval"]) == ("a", " Home  ", 5)
    # Nine blanks are a passphrase, and never an open network.
    assert network["password"] == " " * 9
    assert [note.split(": ")[1].split(" ")[0] for note in notes] == [
        "wifi.0.ssid",
        "wifi.0.password",
    ]
    with pytest.raises(SettingsError, match="8 to 63"):
        rows(tmp_path, f'{HEAD}\na,Home,"   ",5\n')


def test_a_row_that_is_on_several_lines(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\r\nx\r\n"
    found = rows(tmp_path, f'id,wifi.0.ssid,mqtt.ca\r\na,x,"{pem}"\r\nb,y,\r\n')
    assert found[0].document["mqtt"]["ca"] == pem and found[1].document["mqtt"]["ca"] == ""
    with pytest.raises(SettingsError, match=r"class\.csv:5: "):
        rows(tmp_path, f'id,wifi.0.ssid,mqtt.ca\r\na,x,"{pem}"\r\nb/,y,\r\n')


def test_the_server_of_a_row_counts_with_port_and_tls(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    file.write_text("id,wifi.0.ssid,mqtt.host\na,x,mqtt://h:1884\nb,x,mqtts://[::1]/\nc,x,h\n")
    common = {"mqtt": {"host": "hub.local", "port": 8884, "tls": True}}
    found = [row.document["mqtt"] for row in fleet.rows(file, common)]
    servers = [(one["host"], one["port"], one["tls"]) for one in found]
    assert servers == [("h", 1884, False), ("::1", 8883, True), ("h", 8884, True)]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


@settings(deadline=None)
@given(
    st.lists(st.lists(texts, min_size=3, max_size=3), max_size=4),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.excel, csv.unix_dialect]),
)
def test_what_python_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, table, delimiter, encoding, dialect
) -> None:
    header = ["id", "name", "interval"]
    out = io.StringIO()
    csv.writer(out, dialect, delimiter=delimiter).writerows([header, *table])
    file = tmp_path_factory.getbasetemp() / "hypothesis.csv"
    file.write_bytes(out.getvalue().encode(encoding))
    names, found = csv_files.records(file, csv_files.read(file))
    assert names == header
    expected = [row for row in table if any(field.strip() for field in row)]
    assert [list(one.fields.values()) for one in found] == expected


def test_accounts_with_any_separator(tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    for text, password in (
        ("a,p;w\nb,x\n", "p;w"),
        ("id;password\r\na; p,w \r\n;\r\n", " p,w "),
        ("\ufeffid\tpassword\r\na\tp\r\n", "p"),
    ):
        file.write_bytes(text.encode())
        assert read_accounts(file)["a"] == password
    file.write_text("id,password\na,b,c\n")
    with pytest.raises(PlanError, match="line 2"):
        read_accounts(file)


def test_json_in_a_field_is_strict(tmp_path: Path) -> None:
    sensors = json.dumps([{"type": "dht22", "pin": 4}])
    file = tmp_path / "class.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["id", "wifi.0.ssid", "sensors"], ["a", "x", sensors]])
    assert fleet.rows(file, COMMON)[0].document["sensors"] == json.loads(sensors)
    file.write_text(file.read_text().replace('""pin""', '""type"": ""dht22"", ""pin""'))
    with pytest.raises(SettingsError, match="'type' is there twice"):
        fleet.rows(file, COMMON)
