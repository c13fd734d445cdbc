/**
 * The service worker: the one place that holds the pairing's secret and speaks to our server.
 *
 * It is ended and started by the browser as it likes: everything it knows lies in the extension's storage, which no
 * content script can read.
 */
import {
  asCounts,
  asId,
  asMode,
  asObject,
  asPhone,
  asPlace,
  asText,
  type Counts,
  isCabinet,
  serverOrigin,
  type ToPart,
} from './messages'
import { words } from './words'

const SERVER = serverOrigin()
const CABINETS = chrome.runtime.getManifest().content_scripts[0]!.matches
const EXTENSION = new URL(chrome.runtime.getURL('')).origin
/** A bearer that ends sooner than this is not handed out. */
const SPARE_MS = 60_000
const ANSWER_MS = 10_000

void chrome.storage.local.setAccessLevel({ accessLevel: 'TRUSTED_CONTEXTS' })
void chrome.storage.session.setAccessLevel({ accessLevel: 'TRUSTED_CONTEXTS' })

type Session = Record<string, unknown>
type Entered = { session: Session } | { not_paired: true } | { away: true }

// --- our server

async function ask(path: string, body: unknown): Promise<{ status: number; told: Session }> {
  const answer = await fetch(`${SERVER}/workplace/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const told = asObject(await answer.json().catch(() => null))
  return { status: answer.status, told }
}

/** Keeps the secret, hands out the rest. */
async function keep(told: Session): Promise<Session> {
  const { secret, ...session } = told
  await chrome.storage.local.set({
    secret,
    person: asObject(session.person).person_id,
    locale: session.locale,
  })
  await chrome.storage.session.set({ session })
  return session
}

async function forget(): Promise<void> {
  await chrome.storage.local.remove(['secret'])
  await chrome.storage.session.remove('session')
}

function queue(): <T>(work: () => Promise<T>) => Promise<T> {
  let turn: Promise<unknown> = Promise.resolve()
  return (work) => {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }
}
/** Renewals go one after the other: each makes the secret before it void. */
const inTurn = queue()
/** What tabs say is noted one after the other, too. */
const noting = queue()

/** The session for a frame. `anew`: the bearer it had is no longer taken; `askedAt`: when it said so. */
async function enter(anew: boolean, askedAt: number): Promise<Entered> {
  const { session, at } = await chrome.storage.session.get(['session', 'at'])
  const known = asObject(session)
  const lives = Date.parse(asText(known.until, 40)) - Date.now() > SPARE_MS
  // Several frames are refused at once: one renewal after the refusal is enough for all.
  if (lives && (!anew || (typeof at === 'number' && at > askedAt))) return { session: known }
  const { secret } = await chrome.storage.local.get('secret')
  if (typeof secret !== 'string') return { not_paired: true }
  try {
    const { status, told } = await ask('renew', { secret })
    if (status === 401) {
      await forget()
      return { not_paired: true }
    }
    if (status !== 200) return { away: true }
    await chrome.storage.session.set({ at: Date.now() })
    return { session: await keep(told) }
  } catch {
    return { away: true }
  }
}

async function pair(code: string): Promise<{ paired: boolean; refused?: boolean }> {
  try {
    const { status, told } = await ask('pair', { code, kind: 'extension' })
    if (status !== 200) return { paired: false, refused: status === 401 }
    await keep(told)
    return { paired: true }
  } catch {
    return { paired: false, refused: false }
  }
}

// --- tabs with a workplace in them

async function tabs(): Promise<Record<string, Counts>> {
  const { tabs } = await chrome.storage.session.get('tabs')
  return asObject(tabs) as Record<string, Counts>
}

function note(tab: number, counts: Counts | null): Promise<void> {
  return noting(async () => {
    const known = await tabs()
    if (counts) known[tab] = counts
    else delete known[tab]
    await chrome.storage.session.set({ tabs: known })
    await badge(Object.values(known))
  })
}

/** What has been missed, as the best-informed frame says; nothing where none is connected. */
async function badge(all: Counts[]): Promise<void> {
  const { locale } = await chrome.storage.local.get('locale')
  const word = words(asText(locale, 5))
  const on = all.filter((one) => one.link === 'on')
  const missed = Math.max(0, ...on.map((one) => one.missed + one.waiting))
  const unpaired = on.length === 0 && all.some((one) => one.link === 'unpaired')
  await chrome.action.setBadgeText({
    text: unpaired ? '!' : missed === 0 ? '' : missed > 99 ? '99+' : String(missed),
  })
  await chrome.action.setBadgeBackgroundColor({ color: unpaired ? '#8a6100' : '#b3261e' })
  const more = unpaired ? `: ${word('unpaired')}` : missed ? `: ${word('missed')} — ${missed}` : ''
  await chrome.action.setTitle({ title: word('dock') + more })
}

/** To the parts of one tab; a tab that has none of them hears nothing. */
function toTab(tab: number, ...messages: ToPart[]): void {
  for (const message of messages) chrome.tabs.sendMessage(tab, message).catch(() => undefined)
}

async function placeOfPerson(): Promise<string> {
  const { person } = await chrome.storage.local.get('person')
  return `place:${asText(person, 60)}`
}

// --- who may say what

type From = 'workplace' | 'screens' | 'cabinet' | 'dock' | null

function partOf(sender: chrome.runtime.MessageSender): From {
  if (sender.id !== chrome.runtime.id || !sender.url) return null
  const address = new URL(sender.url)
  const origin = sender.origin ?? address.origin
  if (origin === EXTENSION) return 'dock'
  if (origin === SERVER) return address.pathname === '/workplace' ? 'workplace' : 'screens'
  return sender.frameId === 0 && isCabinet(origin, CABINETS) ? 'cabinet' : null
}

async function answer(told: Session, from: From, tab: number, origin: string): Promise<unknown> {
  const kind = `${from}.${asText(told.kind, 20)}`
  switch (kind) {
    case 'workplace.session': {
      const askedAt = Date.now()
      toTab(tab, { for: 'cabinet', kind: 'again' }, { for: 'dock', kind: 'heard' })
      return inTurn(() => enter(told.anew === true, askedAt))
    }
    case 'workplace.show_pairing':
      await chrome.tabs.create({ url: `${SERVER}/screens` })
      return
    case 'workplace.leave':
      return inTurn(forget)
    case 'workplace.gone':
      return note(tab, null)
    case 'workplace.state':
      return note(tab, asCounts(told))
    case 'workplace.size':
    case 'dock.size':
      return toTab(tab, { for: 'cabinet', kind: 'size', mode: asMode(told.mode) })
    case 'workplace.open_client':
      return toTab(tab, {
        for: 'cabinet',
        kind: 'open_client',
        company_id: asId(told.company_id),
        client_id: asId(told.client_id),
        phone: asPhone(told.phone),
      })
    case 'dock.side':
      return toTab(tab, { for: 'cabinet', kind: 'side' })
    case 'dock.open_window':
      await chrome.tabs.create({ url: `${SERVER}/workplace?surface=extension` })
      return
    case 'screens.pair': {
      const done = await inTurn(() => pair(asText(told.code, 40)))
      if (done.paired)
        for (const one of Object.keys(await tabs())) toTab(Number(one), { for: 'workplace', kind: 'again' })
      return done
    }
    case 'cabinet.hello':
    case 'dock.hello': {
      if (from === 'dock') toTab(tab, { for: 'cabinet', kind: 'again' })
      const key = await placeOfPerson()
      const { locale, [key]: place } = await chrome.storage.local.get(['locale', key])
      return { locale: asText(locale, 5), place: asPlace(place) }
    }
    case 'cabinet.size': {
      const mode = asMode(told.mode)
      return toTab(tab, { for: 'dock', kind: 'size', mode }, { for: 'workplace', kind: 'size', mode })
    }
    case 'cabinet.placed':
      return chrome.storage.local.set({ [await placeOfPerson()]: asPlace(told.place) })
    case 'cabinet.call':
    case 'cabinet.client': {
      const phone = asPhone(told.phone)
      if (kind === 'cabinet.call' && !phone) return
      const part = kind === 'cabinet.call' ? 'call' : 'client'
      return toTab(tab, { for: 'workplace', kind: part, phone, company_id: asId(told.company_id) })
    }
    case 'cabinet.cabinet': {
      const changed = told.changed === true
      return toTab(
        tab,
        { for: 'workplace', kind: 'cabinet', changed },
        { for: 'dock', kind: 'cabinet', changed },
      )
    }
    case 'cabinet.open_clients': {
      // The cabinet's own list, beside the page the person is in the middle of.
      const company = asId(told.company_id)
      if (company) await chrome.tabs.create({ url: `${origin}/clients/${company}/base/` })
      return
    }
  }
}

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  const told = asObject(message)
  const from = partOf(sender)
  const tab = sender.tab?.id
  if (told.for !== 'worker' || from === null || tab === undefined) return
  answer(told, from, tab, sender.origin ?? '').then(reply, () => reply())
  return true
})

chrome.tabs.onRemoved.addListener((tab) => void note(tab, null))

chrome.action.onClicked.addListener((tab) => {
  const alone = () => chrome.tabs.create({ url: `${SERVER}/workplace?surface=extension` })
  if (tab.id === undefined) return
  chrome.tabs.sendMessage(tab.id, { for: 'cabinet', kind: 'toggle' }).then(
    (heard) => (heard ? undefined : alone()),
    () => alone(),
  )
})

chrome.runtime.onInstalled.addListener(({ reason }) => {
  if (reason === 'install') void chrome.tabs.create({ url: `${SERVER}/screens` })
})
