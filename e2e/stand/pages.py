"""Pages of the stand: the salon's site with every way into the form, the form itself, and a simple cabinet."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

from aiohttp import web

from e2e.stand.rest import STAND
from e2e.stand.state import Stand
from e2e.stand.uis.keys import UIS

_UIS_COOKIE = "_comagic_idStAnD"
_STATIC = Path(__file__).parent / "static"
FORM = 822081


def _file(name: str) -> str:
    return (_STATIC / name).read_text("utf-8")


def _origin(stand: Stand, letter: str, form: int = FORM) -> str:
    return f"{stand.config.scheme}://{letter}{form}.{stand.config.domain}"


def _script(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/javascript", headers={"Cache-Control": "max-age=2"})


# --- the loader's host and the form's


async def form_host(request: web.Request) -> web.StreamResponse:
    """`w…` and `n…` hosts: the loader and its files, or the form for every other address."""
    stand, path = request.app[STAND], request.path
    label = request.host.split(".")[0]
    form = int(label[1:]) if label[1:].isdigit() else FORM
    if path == "/widgetJS":
        year = request.query.get("loader", "2018")
        text = _file("loader.js")
        for mark, value in (
            ("__LOADER__", year), ("__FORM__", str(form)), ("__ORIGIN_N__", _origin(stand, "n", form)), ("__ORIGIN_W__", _origin(stand, "w", form)),
        ):  # fmt: skip
            text = text.replace(mark, value)
        return _script(text)
    if path == "/js-sdk/sdk.min.js":
        return _script("window.analytics = window.analytics || {}")
    if path.startswith("/css/ywidget/"):
        return web.Response(text=_file("newweb.css"), content_type="text/css")
    if path == "/superbutton/superbutton.umd.min.js":
        return _script(_file("superbutton.js"))
    if path == "/_form/form.js":
        return _script(_file("form.js").replace("__DEFAULT_FORM__", str(FORM)))
    if path == "/_form/form.css":
        return web.Response(text=_file("form.css"), content_type="text/css")
    return web.Response(text=_file("form.html"), content_type="text/html", headers={"Cache-Control": "no-store"})


# --- the salon

_STYLE = """*{box-sizing:border-box}body{margin:0;font:17px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#2c211c;background:#fffaf6}
a{color:#7b4b3a}header{display:flex;gap:22px;align-items:center;padding:18px max(20px,calc((100vw - 1080px)/2));flex-wrap:wrap}header b{font-size:22px;letter-spacing:.02em;margin-right:auto}header a{text-decoration:none}
.hero{padding:72px max(20px,calc((100vw - 1080px)/2)) 84px;background:linear-gradient(120deg,#f3e3d8,#f9f0e8 55%,#e9d5c8)}.hero h1{font-size:clamp(34px,6vw,58px);line-height:1.08;margin:0 0 16px;max-width:13em;letter-spacing:-.02em}.hero p{max-width:34em;font-size:19px;color:#5b473d}
.cta{display:inline-block;background:#7b4b3a;color:#fff;border:0;border-radius:99px;padding:16px 30px;font:600 17px/1 system-ui,sans-serif;text-decoration:none;cursor:pointer;margin:8px 10px 0 0}.cta.light{background:#fff;color:#7b4b3a}
main{max-width:1080px;margin:0 auto;padding:44px 20px 110px}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:18px}.card{background:#fff;border:1px solid #efe3da;border-radius:18px;padding:22px}.card h3{margin:0 0 6px}.soft{color:#75645b}.ways li{margin:12px 0}iframe.hand{width:100%;height:640px;border:1px solid #e6d8cd;border-radius:16px}"""


def _salon(stand: Stand, title: str, body: str, *, loader: str | None = "2018", head: str = "") -> str:
    site = stand.config.site_script_url
    tag = f'<script async src="{html.escape(site)}"></script>' if site else ""
    widget = (
        f'<script type="text/javascript" src="{_origin(stand, "w")}/widgetJS?loader={loader}" charset="UTF-8"></script>'
        if loader
        else ""
    )
    return (
        f'<!doctype html><html lang="ru"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} — Студия «Лён»</title>{head}<style>{_STYLE}</style>{_uis_tag(stand)}{tag}</head><body>"
        '<header><b>Лён</b><a href="/">Студия</a><a href="/price">Цены</a><a href="/ways">Все способы записи</a><a href="tel:+74950000000">+7 495 000-00-00</a></header>'
        f"{body}{widget}</body></html>"
    )


def _uis_tag(stand: Stand) -> str:
    return '<script async src="/static/cs.min.js"></script>' if stand.switches.uis_script else ""


def _uis_script(request: web.Request) -> web.Response:
    """The code of UIS as far as we use it: a session per visitor, half an hour long, by a cookie of the site."""
    uis = request.app[UIS]
    known = re.fullmatch(r"(\d+)\.(\d+)\.\d+", request.cookies.get(_UIS_COOKIE, ""))
    session_id = int(known[2]) if known and int(known[2]) in uis.sessions else uis.visit()
    visitor_id = int(known[1]) if known else session_id + 1
    answer = _script(f"window.Comagic = {{ getSessionId: () => {session_id}, getVisitorId: () => {visitor_id} }}")
    answer.set_cookie(_UIS_COOKIE, f"{visitor_id}.{session_id}.{int(time.time())}", max_age=1800)
    answer.headers["Cache-Control"] = "no-store"
    return answer


_HOME = """<section class="hero"><h1>Волосы, руки и час тишины для себя</h1><p>Студия красоты на Покровке. Стрижки, цвет и маникюр без спешки — мастер занимается только вами.</p>
<a class="cta ms_booking" href="#" data-testid="hero">Записаться онлайн</a><a class="cta light" href="/price">Услуги и цены</a></section>
<main><h2>За чем к нам приходят</h2><div class="cards"><div class="card"><h3>Женская стрижка</h3><p class="soft">60 минут · 2 500 ₽</p></div><div class="card"><h3>Окрашивание корней</h3><p class="soft">2 часа · 4 200 ₽</p></div><div class="card"><h3>Маникюр с покрытием</h3><p class="soft">90 минут · 1 900 ₽</p></div><div class="card"><h3>Укладка</h3><p class="soft">45 минут · 1 500 ₽</p></div></div></main>"""


async def salon(request: web.Request) -> web.StreamResponse:
    stand, path = request.app[STAND], request.path
    loader = request.query.get("loader", "2018")
    form = _origin(stand, "n")
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if path == "/favicon.ico":
        return web.Response(status=204)
    if path == "/static/cs.min.js":
        return _uis_script(request)
    if path == "/":
        text = _salon(stand, "Главная", _HOME, loader=loader)
    elif path == "/price":
        text = _salon(
            stand,
            "Цены",
            '<main><h1>Цены</h1><p>Женская стрижка — 2 500 ₽, окрашивание корней — 4 200 ₽, маникюр — 1 900 ₽, укладка — 1 500 ₽.</p><p><a class="cta ms_booking" href="#" data-testid="hero">Записаться</a></p></main>',
            loader=loader,
        )
    elif path == "/ways":
        text = _salon(stand, "Все способы записи", _ways(stand, form), loader=loader)
    elif path == "/iframe":
        text = _salon(
            stand,
            "Форма на странице",
            f'<main><h1>Запись</h1><iframe class="hand" data-testid="hand-iframe" src="{form}/"></iframe></main>',
            loader=None,
        )
    elif path == "/superbutton":
        options = f'<script>window.yClientsWidgetOptions={{target:"body",widgetBaseUrl:"{form}",companyId:4564,widgetId:{FORM}}}</script>'
        text = _salon(
            stand,
            "Суперкнопка",
            f'<main><div data-superbutton></div></main>{options}<script src="{_origin(stand, "w")}/superbutton/superbutton.umd.min.js"></script>',
            loader=None,
        )
    elif path == "/auto":
        text = _salon(
            stand,
            "Открывается сама",
            "<main><h1>Добро пожаловать</h1></main>",
            loader=loader,
            head="<script>window.yWidgetSettings={buttonAutoShow:true}</script>",
        )
    elif path == "/spa" or path.startswith("/spa/"):
        text = _salon(stand, "Одностраничный сайт", _SPA, loader=loader)
    elif path == "/no-referrer":
        headers["Referrer-Policy"] = "no-referrer"
        text = _salon(stand, "Без реферера", _HOME, loader=loader)
    elif path == "/csp":
        site = stand.config.site_script_url.split("/s/")[0]
        headers["Content-Security-Policy"] = (
            f"default-src 'self' 'unsafe-inline' {form} {_origin(stand, 'w')} {site}; connect-src 'self'"
        )
        text = _salon(stand, "Строгая политика", _HOME, loader=loader)
    elif path == "/nested":
        text = '<!doctype html><meta charset="utf-8"><iframe data-testid="outer" src="/" style="width:100%;height:95vh"></iframe>'
    elif path == "/own-domain":
        own = f"{stand.config.scheme}://{stand.config.own_form_host}"
        text = _salon(
            stand,
            "Свой домен",
            f'<main><h1>Запись</h1><p><a data-testid="own-domain" href="{own}/">Записаться на нашем домене</a></p></main>',
            loader=None,
        )
    else:
        raise web.HTTPNotFound
    return web.Response(text=text, content_type="text/html", headers=headers)


def _ways(stand: Stand, form: str) -> str:
    return f"""<main><h1>Все способы записи</h1><ul class="ways">
<li><a class="ms_booking" href="#" data-testid="ms-booking-link">ссылка ms_booking</a></li>
<li><button class="ms_booking" data-testid="ms-booking-button">кнопка ms_booking</button></li>
<li><a class="ms-button" href="#" data-url="{form}/company/4564/personal/menu" data-testid="ms-button">ms-button с data-url</a></li>
<li><button data-testid="program" onclick="yWidget.show(yWidget.href)">программное открытие</button></li>
<li><a class="yclick" href="{form}/" target="_blank" data-testid="yclick">ссылка yclick, новая вкладка</a></li>
<li><a class="yclick" href="{form}/company/4564/personal/menu?o=&from=ways#top" data-testid="yclick-query">ссылка yclick с параметрами и якорем</a></li>
<li><a href="{form}/company/4564/menu" target="_blank" data-testid="plain">обычная ссылка на форму</a></li>
<li><button data-testid="add-link" onclick="var a=document.createElement('a');a.className='yclick';a.href='{form}/';a.target='_blank';a.textContent='добавленная ссылка';a.setAttribute('data-testid','added');document.querySelector('main').append(a)">добавить ссылку</button></li>
<li><button data-testid="window-open" onclick="window.open('{form}/')">window.open</button></li>
<li><button data-testid="program-click" onclick="document.querySelector('[data-testid=yclick]').click()">программный click()</button></li>
<li><a href="/iframe" data-testid="to-iframe">форма на странице</a></li><li><a href="https://example.com/" data-testid="foreign">чужая ссылка</a></li></ul></main>"""


_SPA = """<main><h1 id="t">Главная</h1><nav><a href="/spa/about" data-spa>О нас</a> <a href="/spa/team" data-spa>Команда</a></nav><p><a class="cta ms_booking" href="#" data-testid="hero">Записаться</a></p></main>
<script>document.querySelectorAll('[data-spa]').forEach(function(a){a.onclick=function(e){e.preventDefault();history.pushState({},'',a.href);document.title=a.textContent;document.getElementById('t').textContent=a.textContent}})</script>"""


# --- the vendor's cabinet, for the demo's user to play with

_CABINET = """<!doctype html><html lang="ru"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Журнал записи — учебный YCLIENTS</title>
<style>body{margin:0;font:15px/1.45 system-ui,"DejaVu Sans",sans-serif;background:#f2f4f7;color:#1c2530}header{background:#20304a;color:#fff;padding:14px 24px;display:flex;gap:14px;flex-wrap:wrap;align-items:center}header b{margin-right:auto}main{padding:20px 24px;max-width:1100px}table{width:100%;border-collapse:collapse;background:#fff;border-radius:12px;overflow:hidden}td,th{padding:10px 12px;text-align:left;border-bottom:1px solid #e6eaf0}button{font:inherit;padding:6px 11px;border-radius:7px;border:1px solid #c3ccd8;background:#fff;cursor:pointer;margin:2px}header button{background:#ffd55a;border:0}.gone{opacity:.5}</style></head>
<body><header><b>Журнал записи · Студия «Лён»</b><button data-make="staff">Записать клиента (сотрудник)</button><button data-make="mobile_app">Запись из приложения</button><button onclick="location.href='/connect-app'">Маркетплейс: подключить приложение</button><button onclick="location.href='/cabinet/4564'">Звонки и клиенты</button></header><main><table><thead><tr><th>Когда</th><th>Клиент</th><th>Услуги</th><th>Откуда</th><th>Состояние</th><th></th></tr></thead><tbody></tbody></table><p id="none">Записей пока нет. Запишитесь на сайте салона или нажмите кнопку вверху.</p></main>
<script>
const states={0:'ожидает',1:'пришёл',2:'подтвердил','-1':'не пришёл'}
const send=(method,url,body)=>fetch(url,{method,headers:{'Content-Type':'application/json'},body:JSON.stringify(body)}).then(load)
async function load(){const {records}=await (await fetch('/_stand/state')).json();const body=document.querySelector('tbody');body.replaceChildren();document.getElementById('none').hidden=records.length>0
for(const r of records.reverse()){const row=body.insertRow();row.className=r.deleted?'gone':'';for(const text of [r.date,r.client?r.client.name:'',r.services.map(s=>s.title).join(', '),r.online?(r.bookform_id?'форма записи':'приложение'):'сотрудник',r.deleted?'удалена':states[r.attendance]])row.insertCell().textContent=text
const acts=row.insertCell();const add=(name,change)=>{const b=document.createElement('button');b.textContent=name;b.onclick=()=>send('PATCH','/_stand/records/'+r.id,change);acts.append(b)}
if(r.deleted)add('Восстановить',{deleted:false});else{add('Пришёл',{attendance:1,paid_full:1});add('Не пришёл',{attendance:-1});add('Подтвердил',{attendance:2});add('Удалить',{deleted:true})}}}
for(const b of document.querySelectorAll('[data-make]'))b.onclick=()=>send('POST','/_stand/records',{kind:b.dataset.make,name:b.dataset.make==='staff'?'Ирина по телефону':'Клиент приложения',phone:'+7916'+Math.floor(1e6+Math.random()*8999999)})
load();setInterval(load,3000)
</script></body></html>"""


async def cabinet(_: web.Request) -> web.StreamResponse:
    return web.Response(text=_CABINET, content_type="text/html")
