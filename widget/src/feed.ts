// What is known of the reception, as a function of what the server said. Pure: no clock, no I/O.
// The number decides: an event is applied when it is the next one; nothing is missed and nothing is taken twice.

import type { Answering, By, Delivered, Item, Message, Told } from './wire'

export interface Feed {
  seq: number | null
  items: Record<string, Item>
  people: By[]
  answering: Answering[]
}
export interface Taken {
  feed: Feed
  /** Send `after` with this number: something is missing. */
  ask: number | null
  /** The event was new: `kind`, `subject`, what it told. */
  event: { kind: string; subject: string; at: string; told: Record<string, unknown> } | null
}

export const empty: Feed = { seq: null, items: {}, people: [], answering: [] }

export function take(feed: Feed, told: Told): Taken {
  switch (told.type) {
    case 'reset': {
      const items: Record<string, Item> = {}
      for (const item of told.items) items[item.subject] = item
      return { feed: { ...feed, seq: told.seq, items }, ask: null, event: null }
    }
    case 'event': {
      if (feed.seq === null || told.seq <= feed.seq) return { feed, ask: null, event: null }
      if (told.seq > feed.seq + 1) return { feed, ask: feed.seq, event: null }
      const items = { ...feed.items, [told.item.subject]: told.item }
      const event = { kind: told.kind, subject: told.subject, at: told.at, told: told.event }
      return { feed: { ...feed, seq: told.seq, items }, ask: null, event }
    }
    case 'beat':
      return { feed, ask: feed.seq !== null && told.seq > feed.seq ? feed.seq : null, event: null }
    case 'present':
      return { feed: { ...feed, people: told.people, answering: told.answering }, ask: null, event: null }
    default:
      return { feed, ask: null, event: null }
  }
}

// --- what the screen shows of it

const RINGS_FOR_MS = 90_000

/** When an item happened last, in milliseconds. */
export function when(item: Item): number {
  return Date.parse(item.ended_at || item.answered_at || item.started_at || item.at) || 0
}

function newest(items: Item[]): Item[] {
  return items.sort((one, other) => Date.parse(other.at) - Date.parse(one.at))
}

export function ofKind(feed: Feed, kind: Item['kind']): Item[] {
  return newest(Object.values(feed.items).filter((item) => item.kind === kind))
}

/** Calls that ring or are talked; a ringing that is too old was lost on the way and is not shown as live. */
export function live(feed: Feed, now: number): Item[] {
  return ofKind(feed, 'call').filter(
    (item) =>
      item.state === 'talking' || (item.state === 'ringing' && now - Date.parse(item.at) < RINGS_FOR_MS),
  )
}

export function rings(item: Item): boolean {
  return item.state === 'ringing' && item.direction !== 'out'
}

/** Missed calls nobody has returned yet. */
export function missed(feed: Feed): Item[] {
  return ofKind(feed, 'call').filter(
    (item) => item.state === 'missed' && !item.called_back_by && !item.result,
  )
}

/** A chat that goes on and whose last word is the client's. */
export function waits(item: Item): boolean {
  return (
    item.kind === 'chat' && item.state === 'open' && (item.last_message?.author ?? 'visitor') === 'visitor'
  )
}

/** A form nobody has done anything about. */
export function untouched(item: Item): boolean {
  return item.kind === 'form' && !item.taken_by && !item.result && !item.called_back_by
}

/** Who answers a subject now, but for oneself. */
export function answering(feed: Feed, subject: string, me: string, now: number): Answering | null {
  return (
    feed.answering.find(
      (one) => one.subject === subject && one.person_id !== me && Date.parse(one.until) > now,
    ) ?? null
  )
}

// --- messages of one chat: a page that was asked for, and what came after it

export interface Talk {
  messages: Message[]
  upto: number
}

export function talkFrom(result: { messages?: unknown; seq?: unknown }): Talk {
  const messages = Array.isArray(result.messages) ? (result.messages as Message[]) : []
  return {
    messages: messages.filter((one) => one && typeof one.message_id === 'string'),
    upto: Number(result.seq) || 0,
  }
}

/** The talk after an event of the feed. One that the page already held changes nothing. */
export function talked(talk: Talk, seq: number, kind: string, event: Record<string, unknown>): Talk {
  if (seq <= talk.upto) return talk
  const id = String(event.message_id)
  const known = talk.messages.some((one) => one.message_id === id)
  if (kind === 'chat.message' && !known) {
    return { messages: [...talk.messages, event as unknown as Message], upto: seq }
  }
  if (kind === 'chat.message_status' && known) {
    const { delivered, error } = event as { delivered: Delivered; error?: string }
    const messages = talk.messages.map((one) => (one.message_id === id ? { ...one, delivered, error } : one))
    return { messages, upto: seq }
  }
  return { ...talk, upto: seq }
}
