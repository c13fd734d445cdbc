'use strict'
// The cabinet of the stand: routes of one page, a journal, clients, a client's card, frames of applications.
const root = document.body
const mood = root.dataset.page
const make = (name, text, attributes = {}) => {
  const made = document.createElement(name)
  made.textContent = text ?? ''
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}
const company = () => Number(location.pathname.split('/')[2])
const presses = []
window.seen = { presses, frameMessages: [], clientCards: [], errors: [] }
addEventListener('error', (event) => window.seen.errors.push(String(event.message)))
let state = null
let known = ''

// As Vue writes a phone into a row: text among text.
const phoneOf = (digits) => {
  const d = String(digits ?? '').replace(/\D/g, '')
  return d.length === 11 ? `+${d[0]} ${d.slice(1, 4)} ${d.slice(4, 7)}-${d.slice(7, 9)}-${d.slice(9)}` : digits ?? ''
}

function go(path) {
  history.pushState({}, '', path)
  draw()
}

function frameOf(kind) {
  return document.querySelector(`iframe[data-frame=${kind}]`)
}

function card(client) {
  window.seen.clientCards.push(client.id)
  document.querySelector('dialog')?.remove()
  const dialog = make('dialog', '', { 'data-testid': 'card' })
  const list = make('dl')
  list.append(make('dt', 'Телефон'), make('dd', phoneOf(client.phone), { 'data-testid': 'card-phone' }), make('dt', 'Почта'), make('dd', client.email))
  const close = make('button', 'Закрыть')
  close.onclick = () => dialog.remove()
  dialog.append(make('h2', client.name), list, close)
  root.append(dialog)
  dialog.show()
  const digits = String(client.phone).replace(/\D/g, '')
  const panel = frameOf('panel')
  // The vendor's own way: it tells the panel, whatever origin it has.
  panel?.contentWindow.postMessage({ action: 'phone_change', payload: { phone: digits.slice(1), phone_code: digits.slice(0, 1) } }, '*')
}

function table(heads, rows) {
  const made = make('table')
  const head = made.createTHead().insertRow()
  for (const text of heads) head.append(make('th', text))
  const body = made.createTBody()
  for (const [cells, client] of rows) {
    const row = body.insertRow()
    for (const text of cells) row.insertCell().textContent = text
    if (client) {
      row.dataset.client = client.id
      row.onclick = () => card(client)
    }
  }
  const scroll = make('div', '', { class: 'scroll' })
  scroll.append(made)
  return scroll
}

function journal() {
  const rows = state.records.map((one) => [[one.date, one.client?.name ?? '', phoneOf(one.client?.phone), one.services.map((item) => item.title).join(', '), one.staff?.name ?? ''], one.client && state.clients.find((item) => item.id === one.client.id)])
  const many = Number(new URLSearchParams(location.search).get('rows') ?? 0)
  for (let at = 0; at < many; at++) rows.push([[`строка ${at}`, 'Клиент', at % 10 ? `${at} ₽` : phoneOf(79160000000 + at), 'Стрижка', 'Анна'], null])
  return [make('h1', 'Журнал записи'), rows.length ? table(['Когда', 'Клиент', 'Телефон', 'Услуги', 'Мастер'], rows) : make('p', 'Записей на сегодня нет.')]
}

function clients() {
  const app = make('div', '', { id: mood === 'changed' ? 'clients-app-v2' : 'clients-base-app' })
  app.append(make('h1', 'Клиентская база'), table(['Клиент', 'Телефон', 'Почта'], state.clients.map((one) => [[one.name, phoneOf(one.phone), one.email], one])))
  return [app]
}

function application() {
  const made = [make('h1', 'Приложение yclick')]
  if (state.settings) made.push(make('iframe', '', { class: 'settings', src: state.settings, allow: 'clipboard-write', 'data-frame': 'settings', title: 'Настройки' }))
  return made
}

function draw() {
  const path = location.pathname
  document.querySelector('dialog')?.remove()
  for (const link of document.querySelectorAll('header a')) link.toggleAttribute('aria-current', path.startsWith(link.getAttribute('href')))
  document.querySelector('.main').replaceChildren(...(path.startsWith('/clients/') ? clients() : path.startsWith('/appstore/') ? application() : journal()))
}

function frame() {
  const header = make('header')
  header.append(make('b', state.company.title))
  for (const [text, path] of [['Журнал', `/timetable/${company()}`], ['Клиенты', `/clients/${company()}/base/`], ['Приложение', `/appstore/${company()}/applications/777`]]) {
    const link = make('a', text, { href: path })
    link.onclick = (event) => {
      event.preventDefault()
      go(path)
    }
    header.append(link)
  }
  const layout = make('div', '', { class: 'layout' })
  layout.append(make('main', '', { class: 'main' }))
  if (state.panel) layout.append(make('iframe', '', { class: 'panel', src: state.panel, allow: 'microphone *; clipboard-write *', 'data-frame': 'panel', title: 'Чат' }))
  const add = make('button', '+', { class: 'add', 'aria-label': 'Новая запись', 'data-testid': 'add' })
  const help = make('button', '?', { class: 'help', 'aria-label': 'Помощь', 'data-testid': 'help' })
  for (const [one, name] of [[add, 'add'], [help, 'help']]) one.onclick = () => presses.push(name)
  root.replaceChildren(header, layout, add, help)
}

// As the vendor does it: only the source of a frame's message is looked at.
addEventListener('message', (event) => {
  const from = ['panel', 'settings'].find((kind) => frameOf(kind)?.contentWindow === event.source)
  if (!from) return
  window.seen.frameMessages.push({ from, origin: event.origin, data: event.data })
  if (event.data?.action === 'load_client') {
    const digits = String(event.data.payload).replace(/\D/g, '')
    const client = state.clients.find((one) => String(one.phone).replace(/\D/g, '') === digits)
    if (client) card(client)
  }
  if (event.data?.action === 'show_toast') {
    const toast = make('div', String(event.data.payload?.message ?? event.data.message ?? ''), { class: 'toast', role: 'status' })
    root.append(toast)
    setTimeout(() => toast.remove(), 4000)
  }
})

// A page that means us harm: it throws out what it does not know, and speaks in our name to every frame there is.
function harm() {
  const lies = [
    { yclick: 'extension', type: 'session', session: { token: 'stolen' } },
    { yclick: 'extension', type: 'call', phone: '+79990000000' },
    { yclick: 'page', type: 'leave' },
    { yclick: 'page', type: 'open_client', company_id: 4564, client_id: 1 },
    { action: 'phone_change', payload: { phone: '<img src=x onerror=alert(1)>', phone_code: {} } },
    { for: 'worker', kind: 'session', anew: false },
    'text', null, [1, 2, 3],
  ]
  window.seen.heard = []
  addEventListener('message', (event) => window.seen.heard.push(JSON.stringify(event.data)))
  setInterval(() => {
    for (let at = 0; at < frames.length; at++) for (const lie of lies) frames[at].postMessage(lie, '*')
    for (const lie of lies) window.postMessage(lie, '*')
    for (const one of document.querySelectorAll('yclick-call, yclick-dock')) {
      one.dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true }))
      one.shadowRoot?.querySelector('button')?.click()
    }
    document.dispatchEvent(new KeyboardEvent('keydown', { code: 'KeyP', key: 'P', altKey: true, shiftKey: true, bubbles: true }))
  }, 200)
}

async function load() {
  const text = await (await fetch(`/_journal/${company()}`)).text()
  if (text === known) return
  const first = !known
  known = text
  state = JSON.parse(text)
  if (first) frame()
  if (first || !document.querySelector('dialog')) draw()
}

if (mood !== 'broken') {
  addEventListener('popstate', draw)
  load().then(() => mood === 'hostile' && harm())
  setInterval(load, 1500)
  if (mood === 'wiping') {
    // An application that takes everything it did not make out of the document.
    setInterval(() => {
      for (const one of [...document.documentElement.children]) if (one.localName !== 'head' && one.localName !== 'body') one.remove()
    }, 400)
  }
}
