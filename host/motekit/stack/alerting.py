"""Where Grafana sends alerts, and where the links in them lead, from the settings."""

from typing import Any

from motekit.stack.exposure import EVERYBODY, is_loopback

RECEIVER = "mote"
_ORGANISATION = 1


def contact_points(settings: dict[str, str], before: dict[str, Any]) -> dict[str, Any]:
    """Grafana's provisioning of contact points and the policy that uses them.

    Without any address in the settings, which it refuses to start with, alerts are on its page
    only. It keeps what it was once given, so what was in `before`, the last answer, is taken back.
    """
    ways = [
        ("email", settings.get("ALERT_EMAIL"), {"addresses": settings.get("ALERT_EMAIL")}),
        ("webhook", settings.get("ALERT_WEBHOOK"), {"url": settings.get("ALERT_WEBHOOK")}),
        (
            "telegram",
            settings.get("ALERT_TELEGRAM_TOKEN") and settings.get("ALERT_TELEGRAM_CHAT"),
            {
                "bottoken": settings.get("ALERT_TELEGRAM_TOKEN"),
                "chatid": settings.get("ALERT_TELEGRAM_CHAT"),
            },
        ),
    ]
    # Grafana puts variables of its environment in place of `$name`, and `$` in place of `$$`.
    receivers = [
        {
            "uid": f"mote-{kind}",
            "type": kind,
            "settings": {key: str(value).replace("$", "$$") for key, value in details.items()},
        }
        for kind, wanted, details in ways
        if wanted
    ]
    told: dict[str, Any] = {"apiVersion": 1}
    if receivers:
        told["contactPoints"] = [{"orgId": _ORGANISATION, "name": RECEIVER, "receivers": receivers}]
        told["policies"] = [
            {"orgId": _ORGANISATION, "receiver": RECEIVER, "group_by": ["alertname", "device"]}
        ]
    elif "policies" in before or "resetPolicies" in before:
        told["resetPolicies"] = [_ORGANISATION]
    if gone := _given(before) - _given(told):
        told["deleteContactPoints"] = [{"orgId": _ORGANISATION, "uid": uid} for uid in sorted(gone)]
    return told


def _given(told: dict[str, Any]) -> set[str]:
    """The contact points that Grafana may have by `told`; it may not have taken any back yet."""
    points = [one for group in told.get("contactPoints", []) for one in group["receivers"]]
    return {one["uid"] for one in [*points, *told.get("deleteContactPoints", [])]}


def own_address(settings: dict[str, str]) -> str:
    """Where the links in an alert lead: the door with profile `full`, else Grafana's own port."""
    host = settings["MOTE_NAMES"].split(",")[0]
    if settings.get("MOTE_PROFILE") != "full":
        if is_loopback(settings.get("MOTE_GRAFANA_ADDRESS", EVERYBODY)):
            host = "localhost"
        return f"http://{host}:{settings['MOTE_GRAFANA_PORT']}/"
    if settings.get("MOTE_WEB_CERTIFICATE") == "letsencrypt":
        return f"https://{settings['MOTE_DOMAIN']}/grafana/"
    port = settings.get("MOTE_HTTPS_PORT", "443")
    return f"https://{host}{'' if port == '443' else f':{port}'}/grafana/"
