"""Who is told when something is wrong: here, whoever looks at the console."""


def show(alert):
    """Print an alert, of which a real site would mail ``alert.text`` as well."""
    print(f"ALERT {alert.kind}: {alert.subject}", flush=True)
