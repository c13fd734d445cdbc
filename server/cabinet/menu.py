"""The menu of the cabinet: groups with the help page's words («Сырые данные → Сделки»), and where one stands in it."""

from __future__ import annotations

from dataclasses import dataclass

from server.accounts.model import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """`word` is a code of `words`; `also` are pages that belong to this one and are reached from it."""

    word: str
    path: str
    also: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        return any(path == own or path.startswith(f"{own}/") for own in (self.path, *self.also))


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one word; a group of one is shown as a plain link."""

    word: str
    entries: tuple[Entry, ...]

    def holds(self, path: str) -> bool:
        return any(entry.holds(path) for entry in self.entries)


_WORKPLACE = Group("screens", (Entry("screens", "/screens"),))
MENU = (
    Group(
        "raw_data",
        (
            Entry("leads", "/leads"), Entry("deals", "/deals"), Entry("calls", "/calls"), Entry("chats", "/chats"),
            Entry("bookings", "/bookings"), Entry("visits", "/visits"),
        ),
    ),
    Group(
        "integrations",
        (
            Entry("leads_integration", "/integrations/leads"), Entry("deals_integration", "/integrations/deals"),
            Entry("telephony_integration", "/integrations/telephony"), Entry("texts_integration", "/integrations/texts"),
            Entry("notifications", "/integrations/notifications"),
            Entry("yc_title", "/integrations/yclients", also=("/marketplace",)),
        ),
    ),
    _WORKPLACE,
    Group(
        "health", (Entry("deliveries", "/deliveries"), Entry("intake", "/intake"), Entry("notices", "/notices"))
    ),
    Group("install", (Entry("install", "/install"),)),
)  # fmt: skip


def menu(role: Role) -> tuple[Group, ...]:
    """What this person may open; an operator has the workplace alone."""
    return (_WORKPLACE,) if role is Role.OPERATOR else MENU
