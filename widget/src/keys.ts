// Shortcuts: Alt and one letter, by the place of the key and not by what the layout prints on it. Own mapping; all off by one switch.

export const ACTIONS = [
  'next', 'previous', 'take', 'call', 'open', 'note', 'calls', 'missed', 'chats', 'forms', 'mute', 'collapse', 'help',
] as const // biome-ignore format: one list
export type Action = (typeof ACTIONS)[number]
export type Mapping = Record<Action, string>

export const FIRST: Mapping = {
  next: 'KeyJ',
  previous: 'KeyK',
  take: 'KeyY',
  call: 'KeyR',
  open: 'KeyO',
  note: 'KeyN',
  calls: 'KeyI',
  missed: 'KeyM',
  chats: 'KeyC',
  forms: 'KeyL',
  mute: 'KeyU',
  collapse: 'KeyW',
  help: 'Slash',
}

/** Alt with these belongs to browsers: menus (D, E, F, and B, H, S, T, V in Firefox). */
const BROWSERS = ['KeyB', 'KeyD', 'KeyE', 'KeyF', 'KeyH', 'KeyS', 'KeyT', 'KeyV']

export interface Pressed {
  code: string
  key: string
  altKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  shiftKey: boolean
  altGraph: boolean
}

export type Verdict = 'ok' | 'bad' | 'browser' | { twice: Action }

/** Whether an action may have this key. */
export function judge(mapping: Mapping, action: Action, code: string): Verdict {
  if (!/^(Key[A-Z]|Slash|Comma|Period|Semicolon)$/.test(code)) return 'bad'
  if (BROWSERS.indexOf(code) >= 0) return 'browser'
  const other = ACTIONS.find((one) => one !== action && mapping[one] === code)
  return other ? { twice: other } : 'ok'
}

/** A stored mapping as far as it is one; what is missing or clashes is as at first. */
export function readMapping(value: unknown): Mapping {
  const mapping: Mapping = { ...FIRST }
  if (typeof value !== 'object' || value === null) return mapping
  for (const action of ACTIONS) {
    const code = (value as Record<string, unknown>)[action]
    if (typeof code === 'string' && judge(mapping, action, code) === 'ok') mapping[action] = code
  }
  return mapping
}

/** The action of a key press. `?` alone is the list, unless somebody types. On a Mac Alt prints signs, so not while typing. */
export function actionOf(mapping: Mapping, pressed: Pressed, typing: boolean, mac: boolean): Action | null {
  if (pressed.ctrlKey || pressed.metaKey || pressed.altGraph) return null
  if (!pressed.altKey) return pressed.key === '?' && !typing ? 'help' : null
  if (pressed.shiftKey || (typing && mac)) return null
  return ACTIONS.find((action) => mapping[action] === pressed.code) ?? null
}

/** `KeyJ` → `J`. */
export function shown(code: string): string {
  const signs: Record<string, string> = { Slash: '/', Comma: ',', Period: '.', Semicolon: ';' }
  return signs[code] ?? code.replace('Key', '')
}
