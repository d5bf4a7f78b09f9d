"""The backend's files: secrets, accounts, certificates, where alerts go."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from motekit import certificates
from motekit.credentials import AccountError, new_password
from motekit.stack.accounts import Accounts
from motekit.stack.alerting import contact_points, own_address
from motekit.stack.installation import DOCKER, SECRETS, Installation


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "state")
    installation.make(["broker.example.org", "192.0.2.7"])
    return installation


def contents(installation: Installation) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in installation.state.rglob("*") if path.is_file()}


def test_a_second_run_changes_nothing(made: Installation) -> None:
    before = contents(made)
    assert made.make() == []
    assert contents(made) == before


def test_what_was_lost_is_made_again_and_the_rest_stays(made: Installation) -> None:
    before = contents(made)
    lost = made.secrets / SECRETS["mqtt"].file
    lost.unlink()
    assert made.make() == ["secret owner/mqtt_password", "accounts of the services"]
    changed = {path for path, text in contents(made).items() if before[path] != text}
    assert changed == {lost, made.broker / "accounts.json"}


def test_secrets_are_random_and_for_their_owner_alone(made: Installation, tmp_path: Path) -> None:
    assert not made.exposed()
    other = Installation(tmp_path / "other")
    other.make(["x"])
    for name in SECRETS:
        assert len(made.secret(name)) >= 22
        assert made.secret(name) != other.secret(name)
    (made.secrets / SECRETS["mqtt"].file).chmod(0o644)
    assert made.exposed() == [made.secrets / SECRETS["mqtt"].file]


def test_no_password_looks_like_an_option() -> None:
    """`influx setup --password -x…` refuses it; of random ones, every 64th would begin so."""
    assert not [made for made in (new_password() for _ in range(2000)) if made.startswith("-")]


def test_the_settings_name_no_secret_and_the_images_no_secret(made: Installation) -> None:
    text = made.settings_file.read_text()
    assert not any(made.secret(name) in text for name in SECRETS)
    assert made.settings()["MOTE_NAMES"] == "broker.example.org,192.0.2.7"


# Made by `mosquitto_passwd -b` of mosquitto 2.0.11 for the user greenhouse.
FROM_MOSQUITTO = (
    "greenhouse:$7$101$MIHTQDWEnRKVi6oG$hL96cfa8fJ982ATYyHsiqf7kTSuCtv1vNs+7JWJN0JoWyj"
    "rjMLyCNqGOyYSxqPSl8QxO+58ripRGh6yby5B+6A==\n"
)


def test_accounts_of_an_earlier_version_are_taken_over(tmp_path: Path) -> None:
    path, old = tmp_path / "accounts.json", tmp_path / "passwd"
    old.write_text(FROM_MOSQUITTO)
    accounts = Accounts(path, old)
    assert accounts.devices() == ["greenhouse"]
    assert not accounts.keep({"greenhouse": "a password of mosquitto"})
    assert not old.exists()
    taken = path.read_text()
    (client,) = json.loads(taken)["clients"]
    _, _, _, salt, digest = FROM_MOSQUITTO.strip().split("$")
    assert client == {
        "username": "greenhouse",
        "clientid": "greenhouse",
        "salt": salt,
        "password": digest,
        "iterations": 101,
        "roles": [],
    }
    assert not Accounts(path, old).keep({"greenhouse": "a password of mosquitto"})
    assert path.read_text() == taken
    assert accounts.keep({"greenhouse": "another"})
    assert path.read_text() != taken


def test_accounts_are_added_all_or_none(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.json")
    first = accounts.add(["a", "b"])
    assert len(set(first.values())) == 2
    assert not any(
        password in (tmp_path / "accounts.json").read_text() for password in first.values()
    )
    for bad in (
        "a",
        "telegraf",
        "telegraf-readings",
        "grafana-live",
        "owner",
        "with space",
        "colon:inside",
        "x" * 33,
        "line\nbreak",
    ):
        with pytest.raises(AccountError):
            accounts.add(["new", bad])
    assert accounts.devices() == ["a", "b"]
    accounts.remove("a")
    assert accounts.devices() == ["b"]
    for missing in ("a", "owner"):
        with pytest.raises(AccountError, match="mote stack list"):
            accounts.remove(missing)


def test_the_certificate_names_the_machine_and_is_renewed_for_new_names(
    made: Installation,
) -> None:
    server = made.certificates / "server.crt"
    names = x509.load_pem_x509_certificate(server.read_bytes()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in found} == {"broker.example.org", "192.0.2.7"}
    authority = (made.authority / "ca.crt").read_bytes()
    before = server.read_bytes()
    made.make(["other.example.org"])
    assert server.read_bytes() != before
    assert (made.authority / "ca.crt").read_bytes() == authority


def test_a_certificate_near_its_end_is_renewed(
    made: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = certificates.expires(made.certificates / "server.crt")
    monkeypatch.setattr(certificates, "RENEW_DAYS", certificates.SERVER_DAYS + 1)
    monkeypatch.setattr(certificates, "SERVER_DAYS", certificates.SERVER_DAYS + 100)
    assert made.make() == ["certificate for broker.example.org, 192.0.2.7"]
    assert certificates.expires(made.certificates / "server.crt") > before


def test_the_chain_is_as_browsers_want_it(made: Installation) -> None:
    authority = x509.load_pem_x509_certificate((made.authority / "ca.crt").read_bytes())
    server = x509.load_pem_x509_certificate((made.certificates / "server.crt").read_bytes())
    trusting = PolicyBuilder().store(Store([authority]))
    verifier = trusting.build_server_verifier(x509.DNSName("broker.example.org"))
    assert verifier.verify(server, []) == [server, authority]
    with pytest.raises(VerificationError):
        trusting.build_server_verifier(x509.DNSName("example.net")).verify(server, [])


def test_alerts_go_only_where_an_address_is_set() -> None:
    assert contact_points({"ALERT_EMAIL": "", "ALERT_TELEGRAM_TOKEN": "x"}, {}) == {"apiVersion": 1}
    both = {"ALERT_EMAIL": "me@example.org", "ALERT_WEBHOOK": "https://example.org"}
    told = contact_points(both, {})
    (point,) = told["contactPoints"]
    assert [(one["type"], one["settings"]) for one in point["receivers"]] == [
        ("email", {"addresses": "me@example.org"}),
        ("webhook", {"url": "https://example.org"}),
    ]
    assert told["policies"][0]["receiver"] == point["name"]


def test_an_address_that_is_taken_out_gets_no_alert_any_more() -> None:
    mail, hook = {"ALERT_EMAIL": "me@example.org"}, {"ALERT_WEBHOOK": "https://example.org"}
    first = contact_points(mail | hook, {})
    assert "deleteContactPoints" not in first
    one = contact_points(mail, first)
    assert one["deleteContactPoints"] == [{"orgId": 1, "uid": "mote-webhook"}]
    none = contact_points({}, one)
    assert [gone["uid"] for gone in none["deleteContactPoints"]] == ["mote-email", "mote-webhook"]
    # Grafana takes no contact point away that its policy still names.
    assert none["resetPolicies"] == [1] and "policies" not in none
    assert contact_points({}, none) == none
    again = contact_points(mail | hook, none)
    assert again == first


def test_an_address_may_have_a_dollar_in_it() -> None:
    told = contact_points({"ALERT_WEBHOOK": "https://example.org/?key=a$b"}, {})
    (receiver,) = told["contactPoints"][0]["receivers"]
    assert receiver["settings"] == {"url": "https://example.org/?key=a$$b"}


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://pi.local:3000/"),
        ({"MOTE_GRAFANA_ADDRESS": "192.0.2.7"}, "http://pi.local:3000/"),
        ({"MOTE_GRAFANA_ADDRESS": "127.0.0.1"}, "http://localhost:3000/"),
        ({"MOTE_PROFILE": "full"}, "https://pi.local/grafana/"),
        ({"MOTE_PROFILE": "full", "MOTE_HTTPS_PORT": "8443"}, "https://pi.local:8443/grafana/"),
        (
            {
                "MOTE_PROFILE": "full",
                "MOTE_HTTPS_PORT": "8443",
                "MOTE_WEB_CERTIFICATE": "letsencrypt",
                "MOTE_DOMAIN": "mote.example.org",
            },
            "https://mote.example.org/grafana/",
        ),
    ],
)
def test_the_links_in_alerts_lead_to_this_machine(settings: dict[str, str], address: str) -> None:
    some = {"MOTE_NAMES": "pi.local,192.0.2.7", "MOTE_GRAFANA_PORT": "3000"}
    assert own_address(some | settings) == address


def test_grafana_starts_anew_when_its_contact_points_change(made: Installation) -> None:
    def environment() -> str:
        return made.contacts.with_name("grafana.env").read_text()

    before = environment()
    made.make()
    assert environment() == before
    text = made.settings_file.read_text()
    made.settings_file.write_text(text.replace("ALERT_EMAIL=", "ALERT_EMAIL=me@example.org"))
    made.make()
    after = environment()
    assert after != before
    made.choose("full")
    assert "GF_SERVER_ROOT_URL=https://" in environment()


# Hides the packages that the image of `mote` does not have, then runs a module or `mote`.
_IN_THE_IMAGE = """
import importlib.metadata, re, runpy, sys
lock, module, *sys.argv[1:] = sys.argv[1:]
def plain(names):
    return {re.sub("[-_.]+", "-", one).lower() for one in names}
kept = plain([*re.findall(r"^([\\w.-]+)==", open(lock).read(), re.M), "motekit", "pip"])
owners = importlib.metadata.packages_distributions()
hidden = {name for name, found in owners.items() if not plain(found) & kept}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is not in the image")
sys.meta_path.insert(0, Hide())
if "/" in module:
    runpy.run_path(module, run_name="__main__")
else:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        ("motekit.values", ["--help"], "redis_password"),
        (
            str(DOCKER / "mote" / "mote"),
            ["fleet", "--accounts", "{accounts}", "--devices=1", "--broker=mqtt://127.0.0.1:1"],
            "no MQTT server answers",
        ),
    ],
    ids=["last-values", "fleet"],
)
def test_the_services_in_the_image_of_mote_need_nothing_else(
    tmp_path: Path, module: str, arguments: list[str], expected: str
) -> None:
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("fleet-01,secret\n")
    lock = DOCKER / "mote" / "requirements.lock"
    given = [one.format(accounts=accounts) for one in arguments]
    command = [sys.executable, "-c", _IN_THE_IMAGE, lock, module, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert expected in done.stdout + done.stderr, done.stderr
