"""Texts of the cabinet, Russian first, English by switch; complete in both (a test looks)."""

from __future__ import annotations

from collections.abc import Mapping

from babel import Locale
from babel.numbers import format_decimal

TEXTS: Mapping[str, tuple[str, str]] = {
    # navigation
    "leads": ("Обращения и цели", "Leads and goals"),
    "bookings": ("Записи", "Bookings"),
    "visits": ("Визиты", "Visits"),
    "intake": ("Приём данных", "Intake"),
    "install": ("Установка", "Set-up"),
    "access": ("Доступ", "Access"),
    "log_out": ("Выйти", "Log out"),
    "skip": ("К содержанию", "Skip to content"),
    # login
    "login": ("Вход", "Log in"),
    "email": ("Почта", "E-mail"),
    "password": ("Пароль", "Password"),
    "log_in": ("Войти", "Log in"),
    "login_wrong": ("Почта или пароль не подходят. Проверьте раскладку и попробуйте ещё раз.", "The e-mail or password does not fit. Check and try again."),
    "login_pause": ("Слишком много попыток. Попробуйте через {seconds} с.", "Too many attempts. Try again in {seconds} s."),
    "login_hint": ("Ссылку для входа без пароля печатает сервер: yclick account login АККАУНТ.", "The server prints a link that needs no password: yclick account login ACCOUNT."),
    "link_spent": ("Эта ссылка уже использована или её срок вышел. Попросите новую: yclick account login АККАУНТ — или войдите с паролем.", "This link has been used or has expired. Ask for a new one: yclick account login ACCOUNT — or log in with a password."),
    # health
    "well": ("Всё хорошо.", "All well."),
    "attention": ("Нужно внимание:", "Needs attention:"),
    "today": ("За сутки: {visits}, {bookings}, с источником {matched}.", "In 24 hours: {visits}, {bookings}, {matched} with a source."),
    "held": ("{count} в карантине — посмотреть", "{count} in quarantine — look"),
    "lost": ("в счёте приёма расхождение {count}", "the intake ledger differs by {count}"),
    "none_lost": ("Потерь нет.", "Nothing lost."),
    # leads
    "search": ("Имя, телефон, почта, № записи, кампания", "Name, phone, e-mail, record, campaign"),
    "find": ("Показать", "Show"),
    "period": ("Период", "Period"),
    "day": ("Сутки", "24 hours"),
    "week": ("7 дней", "7 days"),
    "month": ("30 дней", "30 days"),
    "all_time": ("Всё время", "All time"),
    "source": ("Источник", "Source"),
    "campaign": ("Кампания", "Campaign"),
    "any": ("Любой", "Any"),
    "certainty": ("Соответствие", "Match"),
    "with_staff": ("и записи сотрудников", "with staff bookings"),
    "created": ("Создана", "Made"),
    "client": ("Клиент", "Client"),
    "booking": ("Запись", "Booking"),
    "from_where": ("Откуда", "From where"),
    "state": ("Состояние", "State"),
    "no_name": ("Без имени", "No name"),
    "no_leads": ("Здесь появятся записи с сайта — каждая со своей рекламной кампанией, источником и UTM-метками.", "Bookings from your site will stand here — each with its campaign, source and UTM marks."),
    "no_leads_next": ("Поставьте код на сайт и в форму записи, потом оставьте тестовую запись: она появится за несколько секунд.", "Put the code on your site and into the booking form, then make a test booking: it appears within seconds."),
    "to_install": ("Перейти к установке", "Go to set-up"),
    "nothing_found": ("По этому отбору ничего нет.", "Nothing fits this filter."),
    "clear_filter": ("Сбросить отбор", "Clear the filter"),
    "next_page": ("Дальше", "Next page"),
    "first_page": ("В начало", "First page"),
    "unknown_source": ("Источник неизвестен", "Source unknown"),
    # match
    "m_record": ("Отметка записи", "Booking mark"),
    "m_mark": ("Отметка посетителя", "Visitor mark"),
    "m_phone": ("Тот же телефон", "Same phone"),
    "m_call": ("Звонок", "Call"),
    "m_email": ("Та же почта", "Same e-mail"),
    "m_probable": ("Вероятно", "Probable"),
    "m_none": ("Нет", "None"),
    "m_waiting": ("Ждём браузер", "Waiting"),
    # channels
    "ch_ad": ("Реклама", "Advertising"), "ch_email": ("Рассылка", "E-mail"), "ch_messenger": ("Мессенджер", "Messenger"),
    "ch_social": ("Соцсети", "Social"), "ch_recommend": ("Рекомендации", "Recommendations"), "ch_organic": ("Поиск", "Search"),
    "ch_qrcode": ("QR-код", "QR code"), "ch_referral": ("Ссылка с сайта", "Referral"), "ch_internal": ("Внутренний переход", "Internal"),
    "ch_saved": ("Сохранённая страница", "Saved page"), "ch_undefined": ("Не определён", "Undefined"), "ch_direct": ("Прямой заход", "Direct"),
    # origin
    "o_widget_desktop": ("Виджет, компьютер", "Widget, desktop"), "o_widget_mobile": ("Виджет, телефон", "Widget, phone"),
    "o_mobile_app": ("Мобильное приложение", "Mobile app"), "o_staff": ("Сотрудник", "Staff"), "o_api": ("Другая программа", "Another program"),
    "o_import": ("Перенос", "Import"), "o_unknown": ("Неизвестно", "Unknown"),
    # booking states
    "s_waiting": ("Ожидает", "Waiting"), "s_confirmed": ("Подтверждена", "Confirmed"), "s_came": ("Клиент пришёл", "Came"),
    "s_no_show": ("Не пришёл", "No show"), "s_deleted": ("Удалена", "Deleted"),
    # one lead
    "why": ("Почему такой источник", "Why this source"),
    "probability": ("Вероятность", "Probability"),
    "evidence": ("Доводы", "Evidence"),
    "for_": ("за", "for"),
    "against": ("против", "against"),
    "weight": ("Вес, бит", "Weight, bits"),
    "when": ("Когда", "When"),
    "what": ("Что", "What"),
    "whose": ("Чей визит", "Whose visit"),
    "this_visit": ("этот визит", "this visit"),
    "other_visit": ("другой", "another"),
    "alternatives": ("Другие кандидаты", "Other candidates"),
    "no_evidence": ("Доводов нет.", "There is no evidence."),
    "contact": ("Контакт", "Contact"),
    "phone": ("Телефон", "Phone"),
    "name": ("Имя", "Name"),
    "branch": ("Филиал", "Branch"),
    "record_no": ("№ записи в YCLIENTS", "Record in YCLIENTS"),
    "services": ("Услуги", "Services"),
    "amount": ("Сумма", "Amount"),
    "starts": ("Визит назначен", "Appointment"),
    "master": ("Мастер", "Master"),
    "origin": ("Откуда запись", "Origin"),
    "visit": ("Визит на сайт", "Visit to the site"),
    "no_visit": ("Визит не найден.", "No visit was found."),
    "channel": ("Канал", "Channel"),
    "medium": ("Тип", "Medium"),
    "utm": ("UTM-метки", "UTM marks"),
    "click_ids": ("Метки кликов", "Click ids"),
    "referrer": ("Перешёл с", "Referrer"),
    "landing": ("Первая страница", "Landing page"),
    "device": ("Устройство", "Device"),
    "hits": ("Страниц", "Pages"),
    "began": ("Начат", "Began"),
    "timeline": ("Ход визита", "Course of the visit"),
    "history": ("История записи", "History of the booking"),
    "decisions": ("Решения о соответствии", "Decisions about the match"),
    "raw": ("Исходные данные", "Raw facts"),
    "raw_record": ("Запись, как её прислал YCLIENTS", "The booking as YCLIENTS sent it"),
    "raw_origin": ("Поля о происхождении", "Fields of origin"),
    "none_set": ("нет", "none"),
    "advice_conflict": ("Метки противоречат друг другу: {detail}", "The marks contradict each other: {detail}"),
    "advice_macro": ("Метка не заполнена рекламной системой: {detail}", "A mark was not filled in by the ad system: {detail}"),
    "h_create": ("создана", "made"), "h_update": ("изменена", "changed"), "h_delete": ("удалена", "deleted"), "h_read": ("прочитана по API", "read by API"),
    "h_late": ("пришло с опозданием, состояние не изменило", "came late, changed nothing"),
    "e_hit": ("страница", "page"), "e_open": ("открыл форму", "opened the form"), "e_form": ("форма открылась", "the form opened"),
    "e_step": ("шаг формы", "step of the form"), "e_booked": ("форма: записан", "form: booked"), "e_record": ("форма назвала номер записи", "the form named the record"),
    "e_uis": ("сессия UIS", "UIS session"), "e_contact": ("оставил контакт", "left a contact"), "e_consent": ("согласие", "consent"),
    # steps of the form, by the names the form gives them
    "step_widget_loaded": ("форма загрузилась", "the form has loaded"), "step_service_selected": ("выбрал услугу", "chose a service"),
    "step_master_selected": ("выбрал мастера", "chose a master"), "step_date_selected": ("выбрал день", "chose a day"),
    "step_time_selected": ("выбрал время", "chose a time"), "step_send_contacts": ("отправил контакты", "sent the contacts"),
    "step_phone_approved": ("подтвердил телефон", "confirmed the phone"), "step_widget_closed": ("закрыл форму", "closed the form"),
    "step_group_activity_selected": ("выбрал групповое событие", "chose a group event"), "step_group_personal_data_filled": ("заполнил контакты", "filled in the contacts"),
    "step_activity_type_showed": ("выбирает вид записи", "chooses the kind of booking"), "step_individual_booking_selected": ("выбрал обычную запись", "chose an ordinary booking"),
    # devices
    "d_mobile": ("телефон", "phone"), "d_tablet": ("планшет", "tablet"), "d_desktop": ("компьютер", "desktop"), "d_unknown": ("неизвестное устройство", "unknown device"),
    # what changed in a booking
    "f_starts_at": ("время визита", "appointment"), "f_attendance": ("состояние", "state"), "f_deleted": ("удалена", "deleted"),
    "f_services": ("услуги", "services"), "f_amount": ("сумма", "amount"), "f_staff_id": ("номер мастера", "master's id"), "f_staff_name": ("мастер", "master"),
    "f_client_id": ("номер клиента", "client's id"), "f_client_name": ("клиент", "client"), "f_comment": ("комментарий", "comment"),
    "f_online": ("онлайн", "online"), "f_origin": ("откуда запись", "origin"),
    "yes": ("да", "yes"), "no": ("нет", "no"),
    # visits
    "no_visits": ("Визитов ещё нет. Они появятся, как только код будет на сайте.", "No visits yet. They come as soon as the code is on the site."),
    # intake
    "ledger": ("Счёт: принято = сохранено + оставлено + повторы + карантин + в работе", "Ledger: accepted = stored + kept + repeats + quarantine + in work"),
    "door": ("Вход", "Door"), "door_yclients": ("Вебхуки YCLIENTS", "YCLIENTS webhooks"), "door_uis": ("Уведомления UIS", "UIS notifications"), "door_collector": ("Код на сайте", "Scripts"),
    "accepted": ("Принято", "Accepted"), "stored": ("Сохранено", "Stored"), "kept": ("Оставлено", "Kept"), "duplicate": ("Повторы", "Repeats"),
    "quarantined": ("Карантин", "Quarantine"), "waiting": ("В работе", "In work"), "refused": ("Отказано", "Refused"), "difference": ("Разница", "Difference"),
    "quarantine": ("Карантин", "Quarantine"),
    "quarantine_empty": ("Карантин пуст: всё, что пришло, прочитано.", "Quarantine is empty: all that came could be read."),
    "replay": ("Обработать снова", "Work on again"), "dismiss": ("Убрать", "Dismiss"),
    "replayed": ("Обработано.", "Done."), "still_bad": ("Снова не вышло: {reason}", "It failed again: {reason}"), "dismissed": ("Убрано.", "Dismissed."),
    "refusals": ("Отказы на входе", "Turned away at the door"), "no_refusals": ("Отказов не было.", "Nothing was turned away."),
    "reason": ("Причина", "Reason"), "count": ("Сколько", "How many"), "last": ("Последний раз", "Last time"), "body": ("Содержимое", "Body"),
    "last_7_days": ("за 7 дней", "in 7 days"),
    "letters": ("Что пришло от YCLIENTS и UIS", "What YCLIENTS and UIS sent"), "letters_what": ("Последние уведомления, новые сверху; хранятся 30 дней. «Оставлено» — прочитано, но такие события ничего не меняют.", "The latest notifications, newest first; kept for 30 days. “Kept” means read, but of a kind that changes nothing."),
    "all": ("Все", "All"), "unreadable": ("не читается", "unreadable"), "add_branch_and_replay": ("Подключить филиал", "Add the branch"),
    "nothing_yet": ("Пока ничего не приходило.", "Nothing has come yet."),
    # reasons
    "r_unknown_branch": ("Филиал не подключён к аккаунту: {detail}. Подключите его и нажмите «Обработать снова».", "The branch is not part of the account: {detail}. Add it, then work on this again."),
    "r_not_json": ("Тело не читается как JSON: оборвано или повреждено.", "The body is not JSON: torn or damaged."),
    "r_empty": ("Пришло пустое тело.", "The body was empty."),
    "r_encoding": ("Кодировка не UTF-8.", "The encoding is not UTF-8."),
    "r_too_deep": ("Слишком много вложенных уровней.", "Nested too deeply."),
    "r_too_many_items": ("Слишком много событий в одном теле.", "Too many events in one body."),
    "r_not_an_event": ("Это не событие YCLIENTS.", "This is no event of YCLIENTS."),
    "r_missing_company": ("Не указан филиал (company_id).", "The branch (company_id) is missing."),
    "r_missing_resource": ("Не указано, что изменилось (resource).", "What changed (resource) is missing."),
    "r_bad_id": ("Номер не читается: {detail}.", "An id cannot be read: {detail}."),
    "r_bad_status": ("Неизвестное действие (status).", "The action (status) is unknown."),
    "r_no_data": ("Событие без данных.", "An event without data."),
    "r_contradiction": ("Данные противоречат конверту: {detail}.", "The data contradicts its envelope: {detail}."),
    "r_oversized": ("Слишком большое тело: {detail}.", "The body is too large: {detail}."),
    "r_handler_failed": ("Обработка не удалась, мы это видим в журнале сервера.", "Working on it failed; the server's log has it."),
    "r_no_account": ("Аккаунт не найден.", "The account was not found."),
    "r_rate_limit": ("Слишком много запросов с одного адреса.", "Too many requests from one address."),
    "r_too_large": ("Слишком большое тело: {detail}", "The body is too large: {detail}"),
    "r_bad_event": ("Одно событие неверно составлено: {detail}.", "One event is malformed: {detail}."),
    "r_not_a_batch": ("Тело не похоже на пакет событий: {detail}.", "The body is no batch of events: {detail}."),
    # install
    "site_script": ("Код на сайт", "Code for the site"),
    "site_script_what": ("Установите на всех страницах сайта, где расположен виджет YCLIENTS, и на тех, с которых на них переходят.", "Put it on every page with the YCLIENTS widget, and on those that lead there."),
    "form_script": ("Код в форму записи (инъекция скрипта)", "Code for the booking form (script injection)"),
    "form_script_what": ("В старом дизайне: настройки формы → «Инъекции». В новом дизайне YCLIENTS добавляет эту функцию по запросу. Изменение видно минут через десять.", "Old design: form settings → injections. In the new design YCLIENTS grants this on request. A change shows after about ten minutes."),
    "link_what": ("Если на сайте не виджет, а отдельная ссылка на лендинг, добавьте ей class=\"yclick\":", "If the site has a plain link to the landing instead of the widget, give it class=\"yclick\":"),
    "webhook": ("Webhook URL для YCLIENTS", "Webhook URL for YCLIENTS"),
    "webhook_what": ("В YCLIENTS: Настройки → Системные настройки → WebHook. Вставьте адрес и отметьте «Событие по записям» и «Событие по клиентам». У каждого филиала настройка своя.", "In YCLIENTS: Settings → System settings → WebHook. Paste the address and tick events of records and of clients. Each branch has its own setting."),
    "webhook_secret": ("Адрес секретный: кто его знает, может присылать события.", "The address is secret: whoever knows it can send events."),
    "show": ("Показать", "Show"), "copy": ("Скопировать", "Copy"), "copied": ("Скопировано", "Copied"),
    "branches": ("Филиалы", "Branches"), "no_branches": ("Филиалов нет. Без филиала записи из YCLIENTS попадают в карантин.", "No branches. Without one, bookings of YCLIENTS go to quarantine."),
    "add_branch": ("Подключить филиал", "Add a branch"), "add": ("Подключить", "Add"),
    "add_branch_hint": ("Номер стоит в адресе кабинета YCLIENTS: yclients.com/timetable/НОМЕР. Записи этого филиала из карантина обработаются сразу.", "The number stands in the address of the YCLIENTS cabinet: yclients.com/timetable/NUMBER. Its bookings in quarantine are worked on at once."),
    "branch_saved": ("Филиал подключён.", "The branch has been added."), "bad_branch": ("Номер филиала — целое число, часовой пояс — из списка. Проверьте и сохраните ещё раз.", "The company id is a whole number, the time zone one of the list. Check and save again."),
    "bad_install": ("Не сохранено: {detail}. Исправьте и сохраните ещё раз.", "Not saved: {detail}. Correct it and save again."),
    "company_id": ("Номер филиала", "Company id"), "timezone": ("Часовой пояс", "Time zone"),
    "settings": ("Настройки кода", "Settings of the code"),
    "form_hosts": ("Свои домены формы записи", "Own domains of the booking form"), "form_hosts_hint": ("по одному в строке, например zapis.salon.ru", "one a line, e.g. book.salon.com"),
    "excluded": ("Переходы, которые не считать источником", "Referrers that are no source"), "excluded_hint": ("по одному домену в строке: оплата, вход", "one domain a line: payment, login"),
    "consent": ("Согласие посетителя", "Visitor's consent"), "consent_granted": ("не спрашивается", "is not asked"), "consent_required": ("ждать yclick('consent', 'granted')", "wait for yclick('consent', 'granted')"),
    "gpc": ("Запрет слежения в браузере (GPC)", "Global Privacy Control"), "gpc_respect": ("соблюдать", "respect"), "gpc_ignore": ("не учитывать", "ignore"),
    "timeout": ("Тишина, после которой начинается новый визит, минут", "Silence after which a new visit begins, minutes"),
    "save": ("Сохранить", "Save"), "saved": ("Сохранено. На сайте вступит в силу за пять минут.", "Saved. Takes effect on the site within five minutes."),
    "status": ("Что уже работает", "What works already"),
    "first_visit": ("Визит с сайта", "A visit from the site"), "first_webhook": ("Вебхук YCLIENTS", "A YCLIENTS webhook"), "first_match": ("Запись с источником", "A booking with its source"),
    "seen_at": ("есть, последний раз {time}", "seen, last {time}"), "not_yet": ("ждём…", "waiting…"),
    # access
    "access_what": ("По этой почте и паролю входят в кабинет.", "This e-mail and password open the cabinet."),
    "no_password_yet": ("Пароля ещё нет: сейчас войти можно только по ссылке с сервера. Задайте пароль.", "There is no password yet: only a link from the server logs in. Set one."),
    "new_password": ("Новый пароль", "New password"), "new_password_hint": ("от 10 знаков; пусто — оставить прежний", "10 characters or more; empty keeps the old one"),
    "old_password": ("Нынешний пароль", "Current password"),
    "access_saved": ("Сохранено. На других устройствах нужно войти заново.", "Saved. Other devices have to log in again."),
    "access_short": ("В пароле от 10 до 1000 знаков.", "A password has 10 to 1,000 characters."),
    "access_email": ("Это не похоже на адрес почты.", "That is not an e-mail address."),
    "access_taken": ("С этой почтой уже входит кто-то другой. Укажите другую.", "Somebody else logs in with this e-mail. Give another."),
    "access_wrong": ("Нынешний пароль не подходит.", "The current password does not fit."),
    "sessions": ("Где выполнен вход", "Where you are logged in"), "logged_in": ("Вход", "Since"), "this_device": ("это устройство", "this device"),
    "end_others": ("Выйти на других устройствах", "Log out other devices"), "sessions_ended": ("На других устройствах вход закрыт.", "Other devices are logged out."),
    # errors
    "error": ("Не получилось", "That did not work"),
    "err_not_found": ("Здесь ничего нет. Возможно, адрес набран с ошибкой или запись удалена.", "There is nothing here. The address may be mistyped, or the thing deleted."),
    "err_unavailable": ("Сервер сейчас не может обратиться к базе. Ничего не потеряно; обновите страницу через несколько секунд.", "The server cannot reach its database right now. Nothing is lost; reload in a few seconds."),
    "err_other": ("Запрос не выполнен. Вернитесь назад и попробуйте ещё раз.", "The request was not carried out. Go back and try again."),
    "back": ("Вернуться к обращениям", "Back to the leads"),
    "api_docs": ("API", "API"),
    "live": ("обновляется само", "updates itself"),
    "certain": ("точно", "exact"),
}  # fmt: skip

_PLURALS = {
    "visits": {"one": "{n} визит", "few": "{n} визита", "many": "{n} визитов", "other": "{n} визита"},
    "bookings": {
        "one": "{n} онлайн-запись",
        "few": "{n} онлайн-записи",
        "many": "{n} онлайн-записей",
        "other": "{n} онлайн-записи",
    },
}
_PLURALS_EN = {
    "visits": {"one": "{n} visit", "other": "{n} visits"},
    "bookings": {"one": "{n} online booking", "other": "{n} online bookings"},
}


def text(code: str, locale: str, **params: object) -> str:
    """The text of a code; an unknown code shows itself, so that a gap is seen and not hidden."""
    russian, english = TEXTS.get(code, (code, code))
    chosen = english if locale == "en" else russian
    return chosen.format(**params) if params else chosen


def reason(code: str, detail: str, locale: str) -> str:
    return text(f"r_{code}", locale, detail=detail) if f"r_{code}" in TEXTS else f"{code} {detail}".strip()


def counted(what: str, number: int, locale: str) -> str:
    """«2 визита», "2 visits"."""
    forms = (_PLURALS_EN if locale == "en" else _PLURALS)[what]
    return forms[Locale.parse(locale).plural_form(number)].format(n=format_decimal(number, locale=locale))
