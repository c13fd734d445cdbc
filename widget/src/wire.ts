// What the server says and how it is read. docs/workplace.md is the source of these shapes.
// A message that is none is dropped here; fields are taken as they are and shown as text only.

export interface Advert {
  campaign: string
  source: string
  site: string
  page: string
}
export interface By {
  person_id: string
  name: string
}
export interface Employee {
  employee_id?: number | null
  name: string
}
export type Delivered = 'sent' | 'delivered' | 'read' | 'failed'
export interface Attachment {
  name: string
  url: string
  content_type: string
}
export interface Message {
  message_id: string
  author: 'visitor' | 'operator' | 'system'
  author_name: string
  text: string
  files?: Attachment[]
  delivered: Delivered
  command_id?: string
  sent_at?: string | null
  error?: string
}
export type State = 'ringing' | 'talking' | 'ended' | 'missed' | 'lapsed' | 'open' | 'sent' | ''
export interface Item {
  subject: string
  kind: 'call' | 'chat' | 'form'
  id: string
  state: State
  at: string
  direction?: 'in' | 'out'
  phone?: string
  name?: string
  email?: string
  text?: string
  company_id?: number
  client_id?: number
  virtual_number?: string
  scenario?: string
  employees?: Employee[]
  advert?: Advert
  external_id?: string
  answered_by?: Employee
  started_at?: string
  answered_at?: string
  ended_at?: string
  talk_s?: number
  wait_s?: number
  channel?: string
  channel_id?: number
  last_message?: Message
  lost?: boolean
  taken_by?: By
  note?: string
  noted_by?: By
  result?: string
  result_by?: By
  called_back_by?: By
  back_call_id?: string
}
export interface Answering extends By {
  subject: string
  until: string
}
export interface Refusal {
  code: string
  detail?: string
  said?: string[]
  by?: By
}
export type Told =
  | { type: 'welcome'; seq: number; beat_s: number; person_id: string; now: string }
  | {
      type: 'event'
      seq: number
      kind: string
      subject: string
      at: string
      event: Record<string, unknown>
      item: Item
    }
  | { type: 'reset'; seq: number; items: Item[] }
  | { type: 'present'; people: By[]; answering: Answering[] }
  | { type: 'beat'; seq: number }
  | { type: 'result'; id: string; ok: boolean; result?: any; error?: Refusal }
  | { type: 'error'; error: Refusal }
  | { type: 'closed'; code: number }

export interface Booking {
  starts_at: string
  master: string
  services: string[]
  amount: string | null
  currency: string | null
}
export interface Card {
  subject: string
  phone: string
  name: string
  company_id: number | null
  client_id: number | null
  known: boolean
  visits: number
  no_shows: number
  no_show_rate: number | null
  next_booking: Booking | null
  last_booking: Booking | null
  unpaid: Booking[]
  brought_by: (Advert & { by: 'event' | 'booking' }) | null
  fresh: boolean
  as_of: string
  why_not_fresh: string
}
export type Right = 'see' | 'phones' | 'act' | 'call' | 'write'
export interface Session {
  token: string
  until: string
  person: { person_id: string; name: string; role: string }
  rights: Right[]
  locale: string
  account: {
    name: string
    currency: string
    timezone: string
    branches: { company_id: number; title: string; timezone: string }[]
  }
}

const TYPES = ['welcome', 'event', 'reset', 'present', 'beat', 'result', 'error', 'closed']

export function isObject(value: unknown): value is Record<string, any> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A message of the server, or null for what is none. */
export function readTold(text: unknown): Told | null {
  if (typeof text !== 'string') return null
  let told: unknown
  try {
    told = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(told) || TYPES.indexOf(told.type) < 0) return null
  if ((told.type === 'event' || told.type === 'reset' || told.type === 'beat') && !isNumber(told.seq))
    return null
  if (told.type === 'event' && !isItem(told.item)) return null
  if (told.type === 'reset' && !Array.isArray(told.items)) return null
  if (told.type === 'reset') told.items = told.items.filter(isItem)
  if (told.type === 'present' && !(Array.isArray(told.people) && Array.isArray(told.answering))) return null
  return told as Told
}

/** A session, or null for what is none. */
export function readSession(value: unknown): Session | null {
  if (!isObject(value) || typeof value.token !== 'string' || !isObject(value.person)) return null
  if (!Array.isArray(value.rights) || !isObject(value.account)) return null
  const { token, until, person, rights, locale, account } = value
  return { token, until, person, rights, locale, account } as Session
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && isFinite(value)
}

function isItem(value: unknown): boolean {
  return isObject(value) && typeof value.subject === 'string' && /^(call|chat|form)$/.test(value.kind)
}

/** The messages of a stream of server-sent events, fed piece by piece. */
export function eventStream(take: (data: string) => void): (piece: string) => void {
  let rest = ''
  return (piece) => {
    rest += piece
    let end = rest.indexOf('\n\n')
    while (end >= 0) {
      const data = rest
        .slice(0, end)
        .split('\n')
        .filter((line) => line.indexOf('data:') === 0)
        .map((line) => line.slice(5).replace(/^ /, ''))
      rest = rest.slice(end + 2)
      if (data.length) take(data.join('\n'))
      end = rest.indexOf('\n\n')
    }
  }
}
