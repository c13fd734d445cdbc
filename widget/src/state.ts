// What the page shows, as signals; what follows from them is computed. Nothing here talks to the server.

import { computed, signal } from '@preact/signals'
import type { Place } from './door'
import { answering, empty, type Feed, live, missed, ofKind, rings, type Talk, untouched, waits } from './feed'
import { type Choices, loadChoices, loadDrafts, loadReminders } from './keep'
import type { LinkState } from './link'
import type { Card, Item, Refusal, Session } from './wire'
import { type Key, type Locale, plural, quick, text, there } from './words'

export type Tab = 'calls' | 'missed' | 'chats' | 'forms'
export const TABS: Tab[] = ['calls', 'missed', 'chats', 'forms']
export interface CardShown {
  card: Card | null
  asking: boolean
  failed: boolean
}
export interface Outgoing {
  id: string
  text: string
  at: number
  error: Refusal | null
}
export type Door = 'opening' | 'in' | 'not_paired' | 'other_account' | 'away'

export const place = signal<Place>({ surface: 'tab', locale: 'ru', company: null, phone: '' })
export const door = signal<Door>('opening')
export const session = signal<Session | null>(null)
export const link = signal<LinkState>('connecting')
export const feed = signal<Feed>(empty)
export const choices = signal<Choices>(loadChoices())

/** Our clock set to the server's, stepping once a second. */
export const skew = signal(0)
export const now = signal(Date.now())

export const tab = signal<Tab>('calls')
export const opened = signal<string | null>(null)
export const dialog = signal<'keys' | 'settings' | null>(null)
export const strip = signal(false)
export const cabinetChanged = signal(false)
/** The client whose card is open in the cabinet. */
export const beside = signal<{ phone: string; company: number | null } | null>(null)

export const cards = signal<Record<string, CardShown>>({})
export const talks = signal<Record<string, Talk>>({})
export const outbox = signal<Record<string, Outgoing[]>>({})
export const drafts = signal<Record<string, string>>(loadDrafts())
export const reminders = signal<Record<string, number>>(loadReminders())
/** Calls that ended before our eyes: until when the card stays, by subject. */
export const staying = signal<Record<string, number>>({})
export const toast = signal<{ words: string; bad: boolean } | null>(null)
/** What a screen reader says next. */
export const spoken = signal('')

/** The language the person wants; `locale` is the one that is there. */
export const wanted = computed<Locale>(() => {
  const asked = choices.value.lang || session.value?.locale || place.value.locale
  return asked === 'en' ? 'en' : 'ru'
})
export const locale = computed<Locale>(() => there(wanted.value))
export const zone = computed(() => session.value?.account.timezone ?? '')
export const me = computed(() => session.value?.person.person_id ?? '')
export const rights = computed(() => new Set<string>(session.value?.rights ?? []))

export const t = (key: Key, facts?: Record<string, string | number>): string => text(locale.value, key, facts)
export const n = (key: string, count: number): string => plural(locale.value, key, count)

export const liveCalls = computed(() => live(feed.value, now.value))
export const ringingCalls = computed(() => liveCalls.value.filter(rings))
export const missedCalls = computed(() => missed(feed.value))
export const waitingChats = computed(() => ofKind(feed.value, 'chat').filter(waits))
export const newForms = computed(() => ofKind(feed.value, 'form').filter(untouched))
/** On top: what rings or is talked, then what has just ended. */
export const onTop = computed<Item[]>(() => {
  const shown = [...liveCalls.value]
  for (const subject of Object.keys(staying.value)) {
    const item = feed.value.items[subject]
    if (item && shown.indexOf(item) < 0) shown.push(item)
  }
  return shown
})
export const dueReminders = computed(() =>
  Object.keys(reminders.value).filter(
    (subject) => reminders.value[subject]! <= now.value && feed.value.items[subject],
  ),
)
export const listed = computed<Item[]>(() => {
  switch (tab.value) {
    case 'missed': {
      const due = dueReminders.value.map((subject) => feed.value.items[subject]!)
      return [...due, ...missedCalls.value.filter((item) => due.indexOf(item) < 0)]
    }
    case 'chats': {
      const all = ofKind(feed.value, 'chat')
      return [...all.filter(waits), ...all.filter((item) => !waits(item))]
    }
    case 'forms':
      return ofKind(feed.value, 'form')
    default:
      return ofKind(feed.value, 'call')
  }
})

export function who(subject: string) {
  return answering(feed.value, subject, me.value, now.value)
}

export const quickAnswers = (): string[] => choices.value.quick ?? quick(locale.value)

export function nameOf(item: Item): string {
  const card = cards.value[item.subject]?.card
  return (
    card?.name ||
    item.name ||
    (item.phone ? t('unknown') : item.kind === 'call' ? t('hidden') : t('nameless'))
  )
}
