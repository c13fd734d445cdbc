/**
 * Shared by both scripts: guards, storage, ids, the visit, and a queue that survives the page.
 *
 * Promises: nothing thrown here reaches the page; nothing is stored or sent without consent; an event is dropped
 * only after the server has it, has refused it for good, or three days have passed.
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
export const config = yclickConfig
export const win = window as any
export const doc = document
export const MARK = 'yextrafield_yclick'

// Taken before the page can replace them.
const nativeFetch: typeof fetch | undefined = win.fetch
const later = setTimeout

/** Runs `work`; whatever it throws stays here. */
export const guard = <T>(work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    if (config.debug) console.debug('yclick', error)
    return undefined
  }
}

export const soon = (work: () => void, ms: number): number =>
  later(() => guard(work), ms) as unknown as number

export const listen = (target: EventTarget, name: string, handle: (event: any) => void): void => {
  guard(() => target.addEventListener(name, (event) => guard(() => handle(event)), true))
}

/** Puts `around` in the place of a method, once; the page keeps what the method answers and throws. */
export const wrap = (
  owner: any,
  name: string,
  around: (call: () => any, args: any[], self: any) => any,
): void => {
  guard(() => {
    const original = owner[name]
    if (typeof original !== 'function' || original.yclick) return
    const wrapped = function (this: any, ...args: any[]): any {
      return around(() => original.apply(this, args), args, this)
    }
    ;(wrapped as any).yclick = 1
    owner[name] = wrapped
  })
}

/** JSON of our own: pages replace JSON.stringify, or add toJSON to every array. */
export const json = (value: any): string => {
  if (typeof value === 'string') {
    return `"${value.replace(/[\\"\u0000-\u001f\u2028\u2029\ud800-\udfff]/g, (sign) => `\\u${`000${sign.charCodeAt(0).toString(16)}`.slice(-4)}`)}"`
  }
  if (value && typeof value === 'object') {
    const parts: string[] = []
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) parts[i] = json(value[i])
      return `[${parts.join(',')}]`
    }
    for (const key of Object.keys(value)) parts[parts.length] = `${json(key)}:${json(value[key])}`
    return `{${parts.join(',')}}`
  }
  return typeof value === 'number' && isFinite(value)
    ? `${value}`
    : value === true
      ? 'true'
      : value === false
        ? 'false'
        : 'null'
}

/** 22 random letters and digits: 130 bits. */
export const randomId = (): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  let text = ''
  while (text.length < 22) {
    const bytes = new Uint8Array(32)
    if (!guard(() => crypto.getRandomValues(bytes)))
      for (let i = 0; i < 32; i++) bytes[i] = Math.random() * 256
    for (let i = 0; i < 32 && text.length < 22; i++) {
      const place = bytes[i]! & 63
      if (place < 62) text += alphabet[place]
    }
  }
  return text
}

// --- storage: localStorage, else memory; the visit also in a cookie of the site

const memory: Record<string, string> = Object.create(null)
const PREFIX = 'yclick.'
const COOKIE = 'yclick_v'

export const recall = (key: string): string | null => {
  const kept = guard(() => localStorage.getItem(PREFIX + key))
  return kept != null ? kept : memory[key] || null
}
export const keep = (key: string, value: string): void => {
  memory[key] = value
  guard(() => localStorage.setItem(PREFIX + key, value))
}
export const forget = (key: string): void => {
  delete memory[key]
  guard(() => localStorage.removeItem(PREFIX + key))
}
const keptKeys = (): string[] => {
  const keys = Object.keys(memory)
  guard(() => {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i)!
      if (key.indexOf(PREFIX) === 0 && keys.indexOf(key.slice(PREFIX.length)) < 0)
        keys[keys.length] = key.slice(PREFIX.length)
    }
  })
  return keys
}
const cookie = (value?: string): string => {
  if (value !== undefined) {
    guard(() => {
      doc.cookie = `${COOKIE}=${encodeURIComponent(value)};path=/;max-age=${value ? 31536000 : 0};SameSite=Lax`
    })
    return ''
  }
  return guard(() => decodeURIComponent((doc.cookie.match(`(?:^|; )${COOKIE}=([^;]*)`) || [])[1] || '')) || ''
}

// --- consent

const controlled =
  config.consent === 'required' ||
  (config.gpc === 'respect' && (navigator as any).globalPrivacyControl === true)
let allowed = !controlled
let starts: (() => void)[] = []

/** Runs `work` now, or when the visitor agrees. */
export const whenAllowed = (work: () => void): void => {
  if (allowed) guard(work)
  else starts[starts.length] = work
}
export const isAllowed = (): boolean => allowed

/** A mark in the form's address says that the site had the visitor's consent. */
export const allow = (): void => {
  if (allowed) return
  allowed = true
  const waiting = starts
  starts = []
  for (const work of waiting) guard(work)
}
const deny = (): void => {
  allowed = false
  queue = Object.create(null)
  for (const key of keptKeys()) forget(key)
  cookie('')
}

/** `yclick('consent', 'granted' | 'denied')`, also what was called before this script came. */
export const openApi = (): void => {
  const before = win.yclick
  const api = (name: string, value: string): void => {
    guard(() => {
      if (name !== 'consent') return
      if (value === 'granted') {
        allow()
        keep('c', '1')
        if (visit) push('consent', { state: 'granted' })
      } else if (value === 'denied') deny()
    })
  }
  win.yclick = api
  if (recall('c') === '1') allow()
  guard(() => {
    const calls = before.q
    for (let i = 0; i < calls.length; i++) api(calls[i][0], calls[i][1])
  })
}

// --- the visit

export interface Visit {
  visitor: string
  id: string
  started: number
  seen: number
  campaign: string
  landing: string
  referrer: string
}
export let visit: Visit | null = null

/** What of an address makes it a campaign: its marks and click ids, in order. */
export const campaignOf = (search: string): string =>
  (
    search.match(
      /[?&#](?:utm_\w+|_openstat|(?:y|ym|g|dcl|msc|ys|tw|tt|fb|rb_c|vk)(?:cl?)?l?i(?:ck)?d|gbraid|wbraid|li_fat_id)=[^&#]+/gi,
    ) || []
  )
    .join('')
    .replace(/[?#]/g, '&')

/** A new visit after silence or with another campaign; all tabs of a site share it. */
export const nextVisit = (
  old: Visit | null,
  now: number,
  address: string,
  referrer: string,
  fresh: () => string,
): Visit => {
  const campaign = campaignOf(address)
  const lasts =
    old && now - old.seen <= config.visit_timeout_s * 1000 && (!campaign || campaign === old.campaign)
  if (old && lasts) return { ...old, seen: now }
  const visitor = old ? old.visitor : fresh()
  return {
    visitor,
    id: fresh(),
    started: now,
    seen: now,
    campaign,
    landing: address.slice(0, 2000),
    referrer: referrer.slice(0, 2000),
  }
}

export const readVisit = (text: string | null): Visit | null => {
  const parts = (text || '').split('\n')
  if (
    parts.length !== 7 ||
    !/^\w{22}$/.test(parts[0]!) ||
    !/^\w{22}$/.test(parts[1]!) ||
    !(+parts[2]! > 0) ||
    !(+parts[3]! > 0)
  )
    return null
  return {
    visitor: parts[0]!,
    id: parts[1]!,
    started: +parts[2]!,
    seen: +parts[3]!,
    campaign: parts[4]!,
    landing: parts[5]!,
    referrer: parts[6]!,
  }
}

export const touchVisit = (): Visit => {
  const now = Date.now()
  const old = readVisit(recall('v') || cookie()) || visit
  const current = nextVisit(old, now, location.href, doc.referrer, randomId)
  visit = current
  const text = [
    current.visitor,
    current.id,
    current.started,
    now,
    current.campaign,
    current.landing,
    current.referrer,
  ].join('\n')
  keep('v', text)
  if (guard(() => localStorage.getItem(`${PREFIX}v`)) !== text) cookie(text)
  return current
}

// --- the queue: an item is `visit id \n visit as JSON \n event as JSON`, kept until the server has it

let queue: Record<string, string> = Object.create(null)
let timer = 0
let failures = 0
let busy = false
const DAYS = 3 * 86400000
const MOST = 200
declare const __SCRIPT__: string

export const push = (
  kind: string,
  fields: Record<string, any>,
  urgent?: boolean,
  withoutVisit?: boolean,
): void => {
  if (!allowed) return
  const id = randomId()
  const current = withoutVisit ? null : touchVisit()
  const event = json({ id, kind, at: Date.now(), visit: current && current.id, ...fields })
  const about = current
    ? json({
        visitor: current.visitor,
        started_at: current.started,
        landing: current.landing,
        referrer: current.referrer,
      })
    : ''
  const item = `${Date.now()}\n${(current && current.id) || ''}\n${about}\n${event}`
  queue[id] = item
  const ids = Object.keys(queue)
  if (ids.length > MOST) {
    const spare = ids.filter((one) => queue[one]!.indexOf('"kind":"hit"') > 0)[0] || ids[0]!
    delete queue[spare]
    forget(`q.${spare}`)
  }
  keep(`q.${id}`, item)
  if (urgent) flush()
  else plan(300)
}

const plan = (ms: number): void => {
  clearTimeout(timer)
  timer = soon(flush, ms)
}

/** Reads what earlier pages and other tabs left unsent. */
export const recover = (): void => {
  for (const key of keptKeys()) {
    if (key.indexOf('q.') !== 0) continue
    const item = recall(key) || ''
    if (Date.now() - parseInt(item, 10) < DAYS && item.split('\n').length === 4) queue[key.slice(2)] = item
    else forget(key)
  }
}

export const compose = (items: Record<string, string>, sentAt: number): { ids: string[]; body: string } => {
  const ids: string[] = []
  const visits: string[] = []
  const events: string[] = []
  let size = 200
  for (const id of Object.keys(items)) {
    const parts = items[id]!.split('\n')
    size += items[id]!.length * 2
    if (ids.length >= 50 || (ids.length && size > 60000)) break
    const about = parts[1] ? `${json(parts[1])}:${parts[2]}` : ''
    if (about && !visits.some((one) => one.indexOf(json(parts[1]!)) === 0)) visits[visits.length] = about
    events[events.length] = parts[3]!
    ids[ids.length] = id
  }
  return {
    ids,
    body: `{"v":1,"script":${json(__SCRIPT__)},"sent_at":${sentAt},"visits":{${visits.join(',')}},"events":[${events.join(',')}]}`,
  }
}

const drop = (ids: string[]): void => {
  for (const id of ids) {
    delete queue[id]
    forget(`q.${id}`)
  }
}

export const flush = (): void => {
  if (!allowed || busy || !nativeFetch) return
  const { ids, body } = compose(queue, Date.now())
  if (!ids.length) return
  busy = true
  const done = (status: number, pause: number): void => {
    busy = false
    if ((status >= 200 && status < 300) || status === 400 || status === 404 || status === 413) {
      failures = 0
      drop(ids)
      if (Object.keys(queue).length) plan(0)
    } else if (++failures < 8) plan(pause * 1000 || Math.min(60000, 1000 * 2 ** failures))
  }
  guard(() =>
    nativeFetch
      .call(window, config.endpoint, {
        method: 'POST',
        body,
        keepalive: true,
        credentials: 'omit',
        mode: 'cors',
      })
      .then(
        (answer) => done(answer.status, +(answer.headers.get('Retry-After') || 0)),
        () => done(0, 0),
      ),
  )
}

/** The page goes: what is not confirmed leaves by a beacon and stays stored; the server takes an event once. */
const farewell = (): void => {
  if (!allowed) return
  const { ids, body } = compose(queue, Date.now())
  if (ids.length && navigator.sendBeacon)
    navigator.sendBeacon(config.endpoint, new Blob([body], { type: 'text/plain' }))
}

export const startQueue = (): void => {
  recover()
  listen(win, 'pagehide', farewell)
  listen(doc, 'visibilitychange', () => {
    if (doc.visibilityState === 'hidden') farewell()
  })
  listen(win, 'online', () => {
    failures = 0
    flush()
  })
  if (Object.keys(queue).length) plan(1000)
}

/** Calls back after every change of the address that no page load announces. */
export const onRoute = (changed: () => void): void => {
  const told = (): void => {
    soon(changed, 0)
  }
  for (const name of ['pushState', 'replaceState']) {
    wrap(history, name, (call) => {
      const answer = call()
      told()
      return answer
    })
  }
  listen(win, 'popstate', told)
  listen(win, 'hashchange', told)
}

// --- hosts of forms

const VENDOR = /^[nbwyo]\d+\.(yclients\.(com|ru)|alteg\.io)$/

export const isFormHost = (host: string): boolean => {
  const name = host.replace(/:\d+$/, '')
  if (VENDOR.test(name)) return true
  return config.form_hosts.some((one) => {
    const tail = one.indexOf(':') < 0 ? name : host
    return tail === one || tail.slice(-one.length - 1) === `.${one}`
  })
}

/** The appointments of a form's message, reduced to what names a booking. */
export const appointmentsOf = (list: any): any[] =>
  (Array.isArray(list) ? list : []).slice(0, 20).map((one) => ({
    services: (Array.isArray(one.services) ? one.services : [])
      .slice(0, 50)
      .map((item: any) => +(item && item.id ? item.id : item) || 0),
    staff_id: +(one.staff_id || (one.staff && one.staff.id)) || null,
    datetime: one.datetime ? `${one.datetime}` : null,
  }))
