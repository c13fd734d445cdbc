// What happens on the screen: what the server tells is taken in, what the person does becomes commands.

import { batch } from '@preact/signals'
import * as bridge from './bridge'
import * as doors from './door'
import { take as fold, talked, talkFrom } from './feed'
import { isMasked } from './format'
import { type Choices, saveChoices, saveDrafts, saveReminders } from './keep'
import { Link } from './link'
import { mayRepeat, newId } from './orders'
import * as s from './state'
import type { Item, Refusal, Session, Told } from './wire'
import { isKey } from './words'

export const STAYS_MS = 30_000
const RENEW_BEFORE_MS = 120_000
const ANSWERING_EVERY_MS = 8000

let around = ''
let newsTaken: (kind: string, item: Item, at: number) => void = () => {}

const line = new Link(
  {
    session: () => s.session.value,
    renew,
    seq: () => s.feed.value.seq,
    told,
    state: (state) => {
      s.link.value = state
      if (state === 'unpaired' && s.door.value === 'in') s.door.value = 'not_paired'
    },
  },
  {
    fetch: (path, init) => fetch(path, init),
    socket: () => new WebSocket(`${location.origin.replace(/^http/, 'ws')}/workplace/ws`),
    clock: () => Date.now(),
    random: () => Math.random(),
    after: (ms, then) => {
      const timer = setTimeout(then, ms)
      return () => clearTimeout(timer)
    },
  },
)

// --- coming in

let asked: ((entered: doors.Entered) => void) | null = null

/** `news` is told of each new event, once. */
export async function start(news: typeof newsTaken): Promise<void> {
  newsTaken = news
  const { surface, phone } = s.place.value
  around = bridge.aroundOrigin()
  if (surface === 'extension') {
    bridge.hearExtension({
      session: (session) => came(session),
      notPaired: () => came('not_paired'),
      away: () => came('away'),
      call: (number, company) => void callPhone(number, company),
      client: showClient,
      cabinet: (changed) => {
        s.cabinetChanged.value = changed
      },
      size: (mode) => {
        s.strip.value = mode === 'strip'
      },
    })
  }
  if (surface === 'panel') {
    bridge.hearPanel(around, (number) => showClient(number, s.place.value.company))
    const number = bridge.readPhone(phone)
    if (number) showClient(number, s.place.value.company)
  }
  s.strip.value = surface === 'extension' && s.choices.value.strip
  settle(await request())
  setInterval(tick, 1000)
  addEventListener('online', back)
  addEventListener('focus', back)
  document.addEventListener('visibilitychange', back)
}

/** Whoever was asked to log in to the cabinet comes back to this tab. */
function back(): void {
  if (s.door.value === 'not_paired' && s.place.value.surface === 'tab') void request().then(settle)
  else line.now()
}

/** A session by the way of this surface. Who asks while another waits for the answer gets the same one. */
function request(): Promise<doors.Entered> {
  requested ??= ask().finally(() => {
    requested = null
  })
  return requested
}

let requested: Promise<doors.Entered> | null = null
function ask(): Promise<doors.Entered> {
  if (s.place.value.surface !== 'extension') return doors.enter(s.place.value)
  return new Promise((done) => {
    asked = done
    const say = () => bridge.toExtension({ type: s.session.value ? 'renew' : 'ready' })
    say()
    const again = setInterval(say, 1000)
    // Who had a session has an extension, which waits for a server that is slow to answer.
    const most = setTimeout(() => came(s.session.value ? 'away' : 'not_paired'), 6000)
    asked = (entered) => {
      clearInterval(again)
      clearTimeout(most)
      asked = null
      done(entered)
    }
  })
}

/** What the extension answered, or a session it got by itself after pairing. */
function came(entered: doors.Entered): void {
  if (asked) asked(entered)
  else if (typeof entered !== 'string') settle(entered)
  else if (entered === 'not_paired') {
    line.stop()
    settle(entered)
  }
}

function settle(entered: doors.Entered): void {
  if (typeof entered !== 'string') {
    const other = s.session.value?.person.person_id !== entered.person.person_id
    batch(() => {
      s.session.value = entered
      s.door.value = 'in'
      if (other) forget()
      // Not before: the form that asks for a code would lie under it.
      if (other && s.place.value.surface === 'settings') s.dialog.value = 'settings'
    })
    line.stop()
    line.start()
  } else if (entered === 'other_account' || entered === 'not_paired') {
    s.door.value = entered
    s.link.value = 'unpaired'
  } else {
    s.door.value = 'away'
    s.link.value = 'off'
    setTimeout(
      async () => {
        if (s.door.value === 'away') settle(await request())
      },
      3000 + Math.random() * 2000,
    )
  }
}

function forget(): void {
  s.feed.value = { seq: null, items: {}, people: [], answering: [] }
  s.cards.value = {}
  s.talks.value = {}
  s.outbox.value = {}
  s.staying.value = {}
  s.opened.value = null
}

async function renew(): Promise<boolean | null> {
  const entered = await request()
  if (typeof entered !== 'string') {
    s.session.value = entered
    return true
  }
  if (entered !== 'not_paired' && entered !== 'other_account') return null
  s.door.value = entered
  return false
}

/** With a code of the cabinet. Answers what is wrong, or nothing. */
export async function pair(code: string): Promise<doors.Entered | null> {
  const entered = await doors.pair(s.place.value, code)
  if (typeof entered === 'string') return entered
  settle(entered)
  return null
}

export async function leave(): Promise<void> {
  const session = s.session.value
  line.stop()
  if (session) await doors.leave(session)
  if (s.place.value.surface === 'extension') bridge.toExtension({ type: 'leave' })
  batch(() => {
    s.session.value = null
    s.door.value = 'not_paired'
    s.link.value = 'unpaired'
    s.dialog.value = null
    forget()
    s.drafts.value = {}
    saveDrafts({})
  })
}

export const pairExtension = (): void => bridge.toExtension({ type: 'pair' })

// --- what the server tells

function told(message: Told): void {
  if (message.type === 'welcome') {
    s.skew.value = Date.parse(message.now) - Date.now() || 0
    s.now.value = Date.now() + s.skew.value
    return
  }
  const before = s.feed.value
  const { feed, ask, event } = fold(before, message)
  batch(() => {
    s.feed.value = feed
    if (message.type === 'reset') started(Object.keys(s.talks.value))
    if (event && message.type === 'event') {
      const talk = s.talks.value[event.subject]
      if (talk) {
        s.talks.value = {
          ...s.talks.value,
          [event.subject]: talked(talk, message.seq, event.kind, event.told),
        }
      }
      if (event.kind === 'chat.message') arrived(event.subject, String(event.told.command_id || ''))
      const item = feed.items[event.subject]!
      stay(before.items[event.subject], item)
      newsTaken(event.kind, item, Date.parse(event.at))
    }
  })
  for (const item of s.ringingCalls.value) if (!s.cards.value[item.subject]) void showCard(item.subject)
  if (ask !== null) line.ask(ask)
}

/** After a snapshot the talks that were open are asked for anew. */
function started(subjects: string[]): void {
  s.talks.value = {}
  for (const subject of subjects) void loadTalk(subject)
}

/** A call that ends before our eyes keeps its card for a while. */
function stay(before: Item | undefined, item: Item): void {
  const was = before?.state === 'ringing' || before?.state === 'talking'
  const over = item.state === 'ended' || item.state === 'missed'
  if (item.kind !== 'call' || !was || !over) return
  if (item.direction === 'out' && !ordered.has(item.external_id ?? '')) return // somebody else's business
  s.staying.value = { ...s.staying.value, [item.subject]: s.now.value + STAYS_MS }
}

/** The person works with the card: it waits. */
export function holdOn(subject: string): void {
  if (s.staying.value[subject]) {
    s.staying.value = { ...s.staying.value, [subject]: Date.now() + s.skew.value + STAYS_MS }
  }
}

export function foldUp(subject: string): void {
  const { [subject]: _, ...rest } = s.staying.value
  s.staying.value = rest
}

function tick(): void {
  s.now.value = Date.now() + s.skew.value
  line.tick()
  for (const subject of Object.keys(s.staying.value)) {
    if (s.staying.value[subject]! <= s.now.value) foldUp(subject)
  }
  const session = s.session.value
  if (session && s.door.value === 'in' && !renewing && soon(session)) void renewEarly()
}

let renewing = false
function soon(session: Session): boolean {
  return Date.parse(session.until) - s.now.value < RENEW_BEFORE_MS
}
async function renewEarly(): Promise<void> {
  renewing = true
  const done = await renew().catch(() => null)
  if (done === false) line.stop()
  setTimeout(() => {
    renewing = false
  }, 10_000)
}

// --- commands

export function say(words: string, bad = false): void {
  s.toast.value = { words, bad }
  const mine = s.toast.value
  setTimeout(
    () => {
      if (s.toast.value === mine) s.toast.value = null
    },
    bad ? 9000 : 4000,
  )
}

export function sentence(error: Refusal): string {
  const said = error.said?.[s.locale.value === 'ru' ? 0 : 1]
  if (said) return said
  const key = `e_${error.code}`
  return isKey(key) ? s.t(key, { name: error.by?.name ?? '' }) : s.t('e_other', { code: error.code })
}

async function act(name: string, args: Record<string, unknown>, id?: string): Promise<any> {
  const answer = await line.command(name, args, id)
  if (answer.ok) return answer.result ?? {}
  say(sentence(answer.error), true)
  return null
}

export const takeItem = (subject: string): Promise<any> => act('take', { subject })
export const setResult = (subject: string, result: string): Promise<any> => act('result', { subject, result })
export async function setNote(subject: string, note: string): Promise<boolean> {
  const done = await act('note', { subject, note })
  if (done) say(s.t('saved'))
  return !!done
}

const calling = new Set<string>()
/** Calls that were ordered at this screen, by the id of the command. */
const ordered = new Set<string>()
async function order(key: string, args: Record<string, unknown>): Promise<void> {
  if (calling.has(key)) return // a second press is no second call
  calling.add(key)
  say(s.t('calling'))
  const id = newId()
  ordered.add(id)
  const done = await act('call_back', args, id)
  if (done && typeof args.subject === 'string') setReminder(args.subject, null)
  setTimeout(() => calling.delete(key), 3000)
}
export const callBack = (subject: string): Promise<void> => order(subject, { subject })
export function callPhone(phone: string, company: number | null): Promise<void> {
  if (!phone) return Promise.resolve()
  if (!s.rights.value.has('call')) {
    say(s.t('e_no_right'), true)
    return Promise.resolve()
  }
  showClient(phone, company)
  return order(phone, { phone, ...(company ? { company_id: company } : {}) })
}

export async function openClient(subject: string): Promise<void> {
  const answer = await act('open_client', { subject })
  if (!answer) return
  const { company_id, client_id, phone } = answer
  const { surface } = s.place.value
  const number = typeof phone === 'string' && !isMasked(phone) ? phone : ''
  if (surface === 'panel' && number) bridge.loadClient(around, number)
  else if (surface === 'extension')
    bridge.toExtension({ type: 'open_client', company_id, client_id, phone: number })
  if (!client_id) say(s.t('not_in_yclients'))
}

export async function copyPhone(phone: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(phone)
    say(s.t('copied'))
  } catch {
    say(s.t('e_unavailable'), true)
  }
}

// --- cards

/** At once from the server's memory, then what YCLIENTS says. `key` is a subject or a phone. */
export async function showCard(key: string): Promise<void> {
  const known = s.cards.value[key]
  if (known?.asking) return
  const args = /^(call|chat|form):/.test(key) ? { subject: key } : { phone: key }
  const put = (change: Partial<s.CardShown>) => {
    const before = s.cards.value[key] ?? { card: null, asking: false, failed: false }
    s.cards.value = { ...s.cards.value, [key]: { ...before, ...change } }
  }
  put({ asking: true, failed: false })
  const cached = await line.command('card', args)
  if (cached.ok && cached.result?.card) put({ card: cached.result.card })
  const fresh = await line.command('card', { ...args, fresh: true })
  if (fresh.ok && fresh.result?.card) put({ card: fresh.result.card, asking: false })
  else put({ asking: false, failed: !cached.ok })
}

export function showClient(phone: string, company: number | null): void {
  s.beside.value = phone ? { phone, company } : null
}

// --- looking around

export function open(subject: string | null): void {
  s.opened.value = subject
  const item = subject ? s.feed.value.items[subject] : null
  if (!item) return
  void showCard(item.subject)
  if (item.kind === 'chat' && !s.talks.value[item.subject]) void loadTalk(item.subject)
}

export function goTo(tab: s.Tab): void {
  s.tab.value = tab
  s.opened.value = null
}

export function step(by: 1 | -1): void {
  const list = s.listed.value
  const at = list.findIndex((item) => item.subject === s.opened.value)
  const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(list.length - 1, Math.max(0, at + by))]
  if (next) open(next.subject)
}

/** The item that a shortcut means: what is open, else the newest on top. */
export function current(): Item | null {
  const { opened, feed, onTop } = s
  return (opened.value && feed.value.items[opened.value]) || onTop.value[0] || null
}

export function setStrip(on: boolean): void {
  s.strip.value = on
  choose({ strip: on })
  if (s.place.value.surface === 'extension') bridge.toExtension({ type: 'size', mode: on ? 'strip' : 'full' })
}

export function choose(change: Partial<Choices>): void {
  s.choices.value = { ...s.choices.value, ...change }
  saveChoices(s.choices.value)
}

export function setReminder(subject: string, at: number | null): void {
  const { [subject]: _, ...rest } = s.reminders.value
  s.reminders.value = at === null ? rest : { ...rest, [subject]: at }
  saveReminders(s.reminders.value)
}

// --- chats

async function loadTalk(subject: string): Promise<void> {
  const answer = await line.command('messages', { subject })
  if (!answer.ok) return
  s.talks.value = { ...s.talks.value, [subject]: talkFrom(answer.result ?? {}) }
  for (const message of s.outbox.value[subject] ?? []) arrived(subject, message.id)
}

export function setDraft(subject: string, text: string): void {
  const { [subject]: _, ...rest } = s.drafts.value
  s.drafts.value = text ? { ...rest, [subject]: text } : rest
  saveDrafts(s.drafts.value)
  if (!/^chat:/.test(subject)) return // a note is nobody's answer
  if (text) answeringNow(subject)
  else answeringOver(subject)
}

let said: { subject: string; at: number } | null = null
function answeringNow(subject: string): void {
  const at = Date.now()
  if (s.link.value !== 'on' || (said && said.subject === subject && at - said.at < ANSWERING_EVERY_MS)) return
  said = { subject, at }
  void line.command('answering', { subject })
}
export function answeringOver(subject: string): void {
  if (!said || said.subject !== subject) return
  said = null
  if (s.link.value === 'on') void line.command('answering', { subject, stop: true })
}

export function sendMessage(subject: string, text: string): void {
  const clean = text.trim()
  if (!clean) return
  setDraft(subject, '')
  const message: s.Outgoing = { id: newId(), text: clean, at: s.now.value, error: null }
  setOutbox(subject, [...(s.outbox.value[subject] ?? []), message])
  void dispatch(subject, message)
}

async function dispatch(subject: string, message: s.Outgoing): Promise<void> {
  const answer = await line.command('send_message', { subject, text: message.text }, message.id)
  if (answer.ok) arrived(subject, message.id)
  else change(subject, message.id, answer.error)
}

/** A failed message again: under its id where that cannot double it, under a new one where the person decided so. */
export function resend(subject: string, message: s.Outgoing): void {
  const id = message.error && mayRepeat(message.error.code) ? message.id : newId()
  const again = { ...message, id, error: null }
  setOutbox(
    subject,
    (s.outbox.value[subject] ?? []).map((one) => (one.id === message.id ? again : one)),
  )
  void dispatch(subject, again)
}

export function dropMessage(subject: string, id: string): void {
  setOutbox(
    subject,
    (s.outbox.value[subject] ?? []).filter((one) => one.id !== id),
  )
}

/** The server has it: from here on it is a message among the others. */
function arrived(subject: string, id: string): void {
  if (!id || !(s.outbox.value[subject] ?? []).some((one) => one.id === id)) return
  const there = s.talks.value[subject]?.messages.some((one) => one.command_id === id)
  if (there) dropMessage(subject, id)
}

function change(subject: string, id: string, error: Refusal): void {
  setOutbox(
    subject,
    (s.outbox.value[subject] ?? []).map((one) => (one.id === id ? { ...one, error } : one)),
  )
}

function setOutbox(subject: string, messages: s.Outgoing[]): void {
  s.outbox.value = { ...s.outbox.value, [subject]: messages }
}

/** For the badge of the extension. */
export function tellState(ringing: number, missed: number, waiting: number): void {
  if (s.place.value.surface !== 'extension') return
  const link = s.door.value === 'in' ? (s.link.value === 'on' ? 'on' : 'off') : 'unpaired'
  bridge.toExtension({ type: 'state', link, ringing, missed, waiting })
}
