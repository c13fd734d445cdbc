/**
 * Shared by both scripts: guards, storage, consent, the visit, and a queue that survives the page.
 *
 * Promises: nothing thrown here reaches the page; nothing is stored or sent without consent; an event is dropped
 * only after the server has it, has refused it for good, or three days have passed.
 * Every byte is paid by each visitor (budget.json): say things once, here, and let the server do the rest.
 */

export interface Config {
  endpoint: string
  form_hosts: string[]
  consent: 'granted' | 'required'
  gpc: 'respect' | 'ignore'
  visit_timeout_s: number
  debug: boolean
}

/** The server renders this object beside the script (templates/snippet.js.j2). */
declare const yclickConfig: Config
declare const __SCRIPT__: string
export const config = yclickConfig
export const win = window as any
export const doc = document

// Taken before the page, or our own form script, puts something else in its place.
const nativeFetch: typeof fetch = win.fetch

/** Runs `work`; whatever it throws stays here. */
export const guard = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    if (config.debug) console.debug('yclick', error)
  }
}

export const soon = (work: () => void, ms = 0): number => setTimeout(() => guard(work), ms) as any

/** Runs `work` now and every half second for half a minute: for what the page loads late. */
export const poll = (work: () => void, left = 60): void => {
  guard(work)
  if (left) soon(() => poll(work, left - 1), 500)
}

export const listen = (target: EventTarget, name: string, handle: (event: any) => void): void =>
  target.addEventListener(name, (event) => guard(() => handle(event)), true)

/**
 * Calls `before` with the arguments (which it may change) ahead of each call of a method, and what `before` gave with
 * the answer after it. The page keeps what the method answers and throws. Twice wrapped is once.
 */
export const wrap = (owner: any, name: string, before: (args: any[], self: any) => any): void => {
  guard(() => {
    const original = owner[name]
    if (original.yclick) return
    const wrapped = function (this: any, ...args: any[]): any {
      const after = guard(() => before(args, this))
      const answer = original.apply(this, args)
      if (after) guard(() => after(answer))
      return answer
    }
    wrapped.yclick = 1
    owner[name] = wrapped
  })
}

/** JSON of our own: pages replace JSON.stringify, or add toJSON to every array. */
export const json = (value: any): string => {
  if (typeof value === 'string') {
    const escaped = (sign: string): string => `\\u${(65536 + sign.charCodeAt(0)).toString(16).slice(1)}`
    return `"${value.replace(/[^ !#-[\]-\ud7ff\ue000-\uffff]/g, escaped)}"`
  }
  if (value && typeof value === 'object') {
    return Array.isArray(value)
      ? `[${value.map((one) => json(one))}]`
      : `{${Object.keys(value).map((key) => `${json(key)}:${json(value[key])}`)}}`
  }
  return isFinite(value) ? `${value}` : 'null'
}

/** 22 random letters and digits: 113 bits. */
export const randomId = (): string => {
  let text = ''
  for (const byte of crypto.getRandomValues(new Uint8Array(22))) text += (byte % 36).toString(36)
  return text
}

/** Of what a form tells us, the ids and times only, at any depth: it may hold what a visitor typed. */
export const idsOf = (value: any): any => {
  if (!value || typeof value !== 'object') return value
  const kept: any = Array.isArray(value) ? [] : {}
  for (const key of Object.keys(value)) {
    if (
      /^(\d+|id|appointments|services?|staff|(service|staff|master|record|activity)_?id|datetime|companyId)$/i.test(
        key,
      )
    )
      kept[key] = idsOf(value[key])
  }
  return kept
}

// --- the mark in an address

const MARK = 'yextrafield_yclick'

export const markIn = (address: string): string => (address.match(`[?&]${MARK}=(\\w{22})`) || [])[1] || ''

/** The same address without a mark; everything else stays byte for byte. */
export const unmark = (address: string): string =>
  address.replace(new RegExp(`([?&])${MARK}=\\w*(&?)`), (_, sign, more) => more && sign)

export const decorate = (address: string, mark: string): string => {
  const [, base, fragment] = /^([^#]*)(.*)/.exec(unmark(address))!
  return `${base + (/[?&]$/.test(base!) ? '' : /\?/.test(base!) ? '&' : '?') + MARK}=${mark}${fragment}`
}

// --- storage: localStorage, or memory where the browser refuses it

const PREFIX = 'yclick.'
let store: Record<string, string> = Object.create(null)
guard(() => {
  store = (localStorage as any) || store
})

export const recall = (key: string): string => guard(() => store[PREFIX + key]) || ''
export const keep = (key: string, value: string): void => {
  try {
    store[PREFIX + key] = value
  } catch {
    store = Object.assign(Object.create(null), store, { [PREFIX + key]: value })
  }
}
const keysOf = (prefix: string): string[] =>
  Object.keys(store)
    .filter((key) => key.indexOf(PREFIX + prefix) === 0)
    .sort()
const drop = (keys: string[]): void => {
  for (const key of keys) delete store[key]
}

// --- consent

let allowed = false
let begin: (() => void) | null

export const isAllowed = (): boolean => allowed

/** From here on the visitor may be followed. A mark in the form's address says so too: the site had consent. */
export const allow = (): void => {
  const work = begin
  allowed = true
  begin = null
  if (work) guard(work)
}

/** Opens `yclick('consent', 'granted' | 'denied')`, heeds calls from before this script came, and starts if it may. */
export const start = (work: () => void, agreed?: string): void => {
  const calls = win.yclick
  const api = (name: string, value: string): void => {
    if (name !== 'consent') return
    if (value === 'granted') {
      keep('c', '1')
      allow()
    } else {
      allowed = false
      drop(keysOf(''))
      keep('c', '0')
    }
  }
  begin = work
  guard(() => {
    for (const call of calls.q) api(call[0], call[1])
  })
  win.yclick = (name: string, value: string) => guard(() => api(name, value))
  const choice = recall('c')
  const ask =
    config.consent === 'required' || (config.gpc === 'respect' && (navigator as any).globalPrivacyControl)
  if (agreed || choice === '1' || (!choice && !ask)) allow()
}

// --- the visit: visitor, id, started, last seen, campaign, landing, referrer

export type Visit = [string, string, number, number, string, string, string]

/** What of an address makes it a campaign: its marks and click ids, in order. */
export const campaignOf = (address: string): string =>
  (address.match(/[?&#](utm_\w+|_openstat|\w*cl(ic)?k?id|[gw]braid|li_fat_id)=[^&#]+/gi) || [])
    .join('')
    .slice(0, 2000)

/** The visit that `text` describes goes on; after silence, or with `look` by another campaign, a new one begins. */
export const nextVisit = (
  text: string,
  now: number,
  address: string,
  referrer: string,
  look: boolean,
  fresh: () => string,
): Visit => {
  const old = /^(\w{22}\n){2}(\d+\n){2}.*\n.*\n.*$/.test(text) ? text.split('\n') : []
  const campaign = campaignOf(address)
  return now - (old[3] as any) <= config.visit_timeout_s * 1000 && !(look && campaign && campaign !== old[4])
    ? [old[0]!, old[1]!, +old[2]!, now, old[4]!, old[5]!, old[6]!]
    : [old[0] || fresh(), fresh(), now, now, campaign, address.slice(0, 2000), referrer.slice(0, 2000)]
}

let looked = ''

/** The visit, kept alive; all tabs of a site share it. A campaign is looked at once per address. */
export const touchVisit = (): Visit => {
  const address = location.href
  const visit = nextVisit(recall('v'), Date.now(), address, doc.referrer, address !== looked, randomId)
  looked = address
  keep('v', visit.join('\n'))
  return visit
}

// --- the queue: one stored item for each event, so that tabs cannot lose each other's

let timer = 0
let failures = 0
let busy = false

/** `urgent`: the page may be gone in the next moment. `visitless`: the mark says whose event it is. */
export const push = (
  kind: string,
  fields: Record<string, any>,
  urgent?: boolean,
  visitless?: boolean,
): void => {
  if (!allowed) return
  const at = Date.now()
  const id = randomId()
  const [visitor, visit, started_at, , , landing, referrer] = touchVisit()
  const about = visitless ? null : { id: visit, visitor, started_at, landing, referrer }
  keep(`q${at}${id}`, json(Object.assign({ id, kind, at, visit: about }, fields)))
  drop(keysOf('q').slice(0, -200))
  if (urgent) flush()
  else plan(300)
}

const plan = (ms: number): void => {
  clearTimeout(timer)
  timer = soon(flush, ms)
}

/** What one request carries: ≤ 50 events and ≤ 20,000 characters, which are ≤ 60 KB. */
const batch = (): { keys: string[]; body: string } => {
  const now = Date.now()
  const keys: string[] = []
  const events: string[] = []
  let size = 0
  for (const key of keysOf('q')) {
    size += store[key]!.length
    if (+key.slice(8, 21) < now - 259200000) drop([key])
    else if (!keys[0] || (!keys[49] && size < 20000)) {
      keys[keys.length] = key
      events[events.length] = store[key]!
    }
  }
  return { keys, body: `{"v":1,"script":"${__SCRIPT__}","sent_at":${now},"events":[${events}]}` }
}

export const flush = (): void => {
  const { keys, body } = batch()
  if (busy || !allowed || !keys[0]) return
  busy = true
  nativeFetch
    .call(win, config.endpoint, { method: 'POST', body, keepalive: true, credentials: 'omit' })
    .then(
      (answer) => answer.status,
      () => 0,
    )
    .then((status) => {
      busy = false
      // 400, 404 and 413 are for good; all else is tried again, ever more seldom.
      if ((status >= 200 && status < 300) || /40[04]|413/.test(`${status}`)) {
        failures = 0
        drop(keys)
      } else failures++
      if (keysOf('q')[0]) plan(failures ? 1000 * 2 ** Math.min(failures, 6) : 0)
    })
}

/** The page goes: what is not confirmed leaves by a beacon and stays stored; the server takes an event once. */
const farewell = (): void => {
  const { keys, body } = batch()
  if (allowed && keys[0]) navigator.sendBeacon(config.endpoint, body)
}

export const startQueue = (): void => {
  listen(win, 'pagehide', farewell)
  listen(doc, 'visibilitychange', () => {
    if (doc.hidden) farewell()
  })
  plan(1000)
}

/** Calls back after every change of the address that no page load announces. */
export const onRoute = (changed: () => void): void => {
  const told = (): void => {
    soon(changed)
  }
  wrap(history, 'pushState', told)
  wrap(history, 'replaceState', told)
  listen(win, 'popstate', told)
}
