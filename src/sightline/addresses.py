"""Who can reach an address that a server listens on."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can be reached from this machine alone; a name that is no number counts as not.

    Args:
        host: in numbers, perhaps in brackets, or a name.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
