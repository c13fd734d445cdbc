"""What a refusal of YCLIENTS means for the owner: one sentence that says what to do, kept in both languages."""

from __future__ import annotations

from server.platform.egress import Forbidden, Unauthorized, VendorError
from server.platform.notes import both
from server.yclients.client import LicenceEnded


def refusal_note(error: VendorError) -> str:
    match error:
        case LicenceEnded():
            return both(
                f"Лицензия YCLIENTS закончилась: продлите её в YCLIENTS, дальше всё пойдёт само. Ответ YCLIENTS: {error}",
                f"The YCLIENTS licence has ended: prolong it there, then all goes on by itself. YCLIENTS says: {error}",
            )
        case Unauthorized():
            return both(
                f"YCLIENTS больше не принимает этот вход: введите логин и пароль заново. Ответ YCLIENTS: {error}",
                f"YCLIENTS no longer accepts this login: enter login and password again. YCLIENTS says: {error}",
            )
        case Forbidden():
            return both(
                f"Пользователю YCLIENTS не хватает прав: дайте их ему в YCLIENTS и войдите заново. Ответ YCLIENTS: {error}",
                f"The YCLIENTS user lacks rights: give them to him there and log in again. YCLIENTS says: {error}",
            )
        case _:
            return str(error)
