"""Where `phone_e164` was before it served more than one vendor."""

from server.platform.phones import phone_e164

__all__ = ["phone_e164"]
