"""Where Grafana sends alerts, from the settings: it refuses to start with an empty address."""

RECEIVER = "mote"


def contact_points(settings: dict[str, str]) -> dict[str, object]:
    """Grafana's provisioning of contact points and the policy that uses them.

    Without any address in the settings it is empty: alerts are then on Grafana's page only.
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
    receivers = [
        {"uid": f"mote-{kind}", "type": kind, "settings": details}
        for kind, wanted, details in ways
        if wanted
    ]
    if not receivers:
        return {"apiVersion": 1}
    return {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": RECEIVER, "receivers": receivers}],
        "policies": [{"orgId": 1, "receiver": RECEIVER, "group_by": ["alertname", "device"]}],
    }
