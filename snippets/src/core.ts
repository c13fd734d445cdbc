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

/** Runs `work` now and every half second for half a minute, or until it says it is done: for what the page loads late. */
export const poll = (work: () => unknown, left = 60): void => {
  if (!guard(work) && left) soon(() => poll(work, left - 1), 500)
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

/**
 * JSON of our own: pages replace JSON.stringify, or add toJSON to every array. Strings are cut at 2,000 characters;
 * half a surrogate pair is replaced by the browser when it sends.
 */
export const json = (value: any): string => {
  if (typeof value === 'string') {
    const escaped = (sign: string): string => `\\u${(65536 + sign.charCodeAt(0)).toString(16).slice(1)}`
    return `"${value.slice(0, 2000).replace(/[^ !#-[\]-\uffff]/g, escaped)}"`
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
    if (/^(\d+|appointments|services?|staff|(\w+_)?id|companyId|datetime)$/.test(key))
      kept[key] = idsOf(value[key])
  }
  return kept
}

// --- storage: localStorage, or memory where the browser refuses it

const PREFIX = 'yclick.'
let store: Record<string, string> = {}
guard(() => {
  store = (localStorage as any) || store
})

export const recall = (key: string): string => guard(() => store[PREFIX + key]) || ''
export const keep = (key: string, value: string): void => {
  try {
    store[PREFIX + key] = value
  } catch {
    store = Object.assign({}, store, { [PREFIX + key]: value })
  }
}
const keysOf = (prefix: string, from = store): string[] =>
  Object.keys(from)
    .filter((key) => key.indexOf(PREFIX + prefix) === 0)
    .sort()
const drop = (keys: string[], from = store): void => {
  for (const key of keys) delete from[key]
}

// --- consent

let allowed = false
let begin: (() => void) | undefined

export const isAllowed = (): boolean => allowed

/** From here on the visitor may be followed. */
const allow = (): void => {
  const work = begin
  allowed = true
  begin = undefined
  if (work) guard(work)
}

/**
 * Opens `yclick('consent', 'granted' | 'denied')`, heeds calls from before this script came, and starts if it may.
 * `agreed`: the mark of a form, by which the site says it had consent; the visitor's own choice comes before it.
 * `tab`: what else is stored, and goes with a denial.
 */
export const start = (work: () => void, agreed?: string, tab: Record<string, string> = {}): void => {
  const calls = win.yclick
  const api = (name: string, value: string): void => {
    if (name !== 'consent') return
    if (value === 'granted') allow()
    else {
      allowed = false
      drop(keysOf(''))
      drop(keysOf('', tab), tab)
    }
    keep('c', value)
  }
  begin = work
  guard(() => {
    // Something of the page's own under this name stays the page's.
    if (!calls || calls.q) win.yclick = (name: string, value: string) => guard(() => api(name, value))
    for (const call of calls.q) api(call[0], call[1])
  })
  const choice = recall('c')
  const ask =
    config.consent === 'required' || (config.gpc === 'respect' && (navigator as any).globalPrivacyControl)
  if (choice ? choice === 'granted' : agreed || !ask) allow()
}

// --- the queue: one stored item for each event, so that tabs cannot lose each other's

let timer = 0
let delay = 0
let busyUntil = 0

/** `fields` hold the visit, or a mark that says whose event it is. `urgent`: the page may be gone in the next moment. */
export const push = (kind: string, fields: Record<string, any>, urgent?: boolean): void => {
  if (!allowed) return
  const at = Date.now()
  const id = randomId()
  keep(`q${at}${id}`, json(Object.assign({ id, kind, at }, fields)))
  drop(keysOf('q').slice(0, -200))
  if (urgent) flush()
  else plan(300)
}

const plan = (ms: number): void => {
  clearTimeout(timer)
  timer = soon(flush, ms)
}

/**
 * Sends what is kept, ≤ 10,000 characters a request: with over 200 in each event that is fewer than 50 of them.
 * `leaving`: by a beacon, also what is under way; it stays kept, and the server takes an event once.
 */
export const flush = (leaving?: boolean): void => {
  const now = Date.now()
  let size = 0
  const keys = keysOf('q').filter((key, index) => {
    size += store[key]!.length
    return +key.slice(8, 21) < now - 259200000 ? drop([key]) : !index || size < 10000
  })
  if (!allowed || !keys[0]) return
  const body = `{"v":1,"script":"${__SCRIPT__}","sent_at":${now},"events":[${keys.map((key) => store[key])}]}`
  if (leaving) navigator.sendBeacon(config.endpoint, body)
  else if (now > busyUntil) {
    busyUntil = now + 20000 // a server that never answers must not silence us
    nativeFetch
      .call(win, config.endpoint, {
        method: 'POST',
        body,
        keepalive: true,
        credentials: 'omit',
      })
      .then((answer) => answer.status)
      .catch(() => 0)
      .then((status) => {
        busyUntil = 0
        // 400, 404 and 413 are for good; all else is tried again, ever more seldom.
        delay = /2..|40[04]|413/.test(`${status}`) ? 0 : Math.min(delay * 2 || 1000, 64000)
        if (!delay) drop(keys)
        if (keysOf('q')[0]) plan(delay)
      })
  }
}

export const startQueue = (): void => {
  listen(win, 'pagehide', () => flush(true))
  listen(doc, 'visibilitychange', () => {
    if (doc.hidden) flush(true)
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
