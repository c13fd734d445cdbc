// What this browser remembers: choices in localStorage, drafts and reminders in sessionStorage. Never a phone or a secret of
// ours; in a frame of another site there may be no storage at all, and everything works without.

import { FIRST, type Mapping, readMapping } from './keys'
import { isObject } from './wire'

export type Tone = 'bell' | 'soft' | 'pulse'
export interface Choices {
  lang: '' | 'ru' | 'en'
  tone: Tone
  volume: number
  muted: boolean
  notices: boolean
  named: boolean
  flash: boolean
  grow: boolean
  blur: boolean
  keysOn: boolean
  keys: Mapping
  strip: boolean
  quick: string[] | null
}

export const firstChoices: Choices = {
  lang: '',
  tone: 'bell',
  volume: 60,
  muted: false,
  notices: false,
  named: false,
  flash: true,
  grow: true,
  blur: false,
  keysOn: true,
  keys: FIRST,
  strip: false,
  quick: null,
}

const PLACE = 'yclick.workplace'

function read(kind: 'localStorage' | 'sessionStorage', key: string): unknown {
  try {
    return JSON.parse(window[kind].getItem(key) ?? 'null')
  } catch {
    return null
  }
}

function write(kind: 'localStorage' | 'sessionStorage', key: string, value: unknown): void {
  try {
    window[kind].setItem(key, JSON.stringify(value))
  } catch {
    // no storage here, or it is full
  }
}

/** Stored choices as far as they are of the right kind. */
export function readChoices(value: unknown): Choices {
  const choices: Choices = { ...firstChoices }
  if (!isObject(value)) return choices
  for (const key of Object.keys(firstChoices) as (keyof Choices)[]) {
    if (key !== 'keys' && key !== 'quick' && typeof value[key] === typeof firstChoices[key]) {
      ;(choices as any)[key] = value[key]
    }
  }
  if (['bell', 'soft', 'pulse'].indexOf(choices.tone) < 0) choices.tone = 'bell'
  if (['', 'ru', 'en'].indexOf(choices.lang) < 0) choices.lang = ''
  choices.volume = Math.min(100, Math.max(0, Number(choices.volume) || 0))
  choices.keys = readMapping(value.keys)
  if (Array.isArray(value.quick)) {
    choices.quick = value.quick.filter((one): one is string => typeof one === 'string').slice(0, 50)
  }
  return choices
}

export const loadChoices = (): Choices => readChoices(read('localStorage', PLACE))
export const saveChoices = (choices: Choices): void => write('localStorage', PLACE, choices)

/** Drafts by subject. They live as long as the tab: a draft may hold what a client said. */
export function loadDrafts(): Record<string, string> {
  const stored = read('sessionStorage', `${PLACE}.drafts`)
  if (!isObject(stored)) return {}
  const drafts: Record<string, string> = {}
  for (const key of Object.keys(stored)) if (typeof stored[key] === 'string') drafts[key] = stored[key]
  return drafts
}
export const saveDrafts = (drafts: Record<string, string>): void =>
  write('sessionStorage', `${PLACE}.drafts`, drafts)

/** When to call back, by subject. */
export function loadReminders(): Record<string, number> {
  const stored = read('localStorage', `${PLACE}.reminders`)
  if (!isObject(stored)) return {}
  const reminders: Record<string, number> = {}
  for (const key of Object.keys(stored)) if (typeof stored[key] === 'number') reminders[key] = stored[key]
  return reminders
}
export const saveReminders = (reminders: Record<string, number>): void =>
  write('localStorage', `${PLACE}.reminders`, reminders)
