// The page of the workplace begins here.

import { effect } from '@preact/signals'
import { render } from 'preact'
import * as acts from './acts'
import { news, watch } from './alerts'
import { readPlace } from './door'
import { type Action, actionOf } from './keys'
import { unlock } from './sound'
import * as s from './state'
import { Screen } from './view/Screen'
import { speak } from './words'

// What the panel's address carries shall stand neither in it nor in what is read from it later.
const told = { ...document.body.dataset }
delete document.body.dataset.phone
try {
  const kept = new URLSearchParams(location.search).get('surface') === 'extension' ? '?surface=extension' : ''
  history.replaceState(null, '', location.pathname + kept)
} catch {
  // a page that may not change its address
}
s.place.value = readPlace(told)

async function begin(): Promise<void> {
  await speak(s.choices.value.lang || s.place.value.locale)
  effect(() => void speak(s.wanted.value))
  const main = document.getElementById('app')!
  main.textContent = ''
  render(<Screen />, main)
  watch()
  await acts.start(news)
}
void begin()

// --- keys

const mac = /Mac|iPhone|iPad/.test(navigator.platform)

function typing(): boolean {
  const at = document.activeElement
  return (
    !!at &&
    (/^(TEXTAREA|SELECT)$/.test(at.tagName) ||
      (at.tagName === 'INPUT' && !/^(checkbox|range|button)$/.test((at as HTMLInputElement).type)))
  )
}

const DO: Record<Action, () => void> = {
  next: () => acts.step(1),
  previous: () => acts.step(-1),
  take: () => withCurrent((subject) => s.rights.value.has('act') && void acts.takeItem(subject)),
  call: () => withCurrent((subject) => s.rights.value.has('call') && void acts.callBack(subject)),
  open: () => withCurrent((subject) => void acts.openClient(subject)),
  note: () => {
    const field = document.querySelector<HTMLElement>('[data-reply], [data-note]')
    field?.focus()
  },
  calls: () => acts.goTo('calls'),
  missed: () => acts.goTo('missed'),
  chats: () => acts.goTo('chats'),
  forms: () => acts.goTo('forms'),
  mute: () => acts.choose({ muted: !s.choices.value.muted }),
  collapse: () => {
    if (s.place.value.surface === 'extension') acts.setStrip(!s.strip.value)
  },
  help: () => {
    s.dialog.value = s.dialog.value === 'keys' ? null : 'keys'
  },
}

function withCurrent(then: (subject: string) => void): void {
  const item = acts.current()
  if (item) then(item.subject)
}

addEventListener('keydown', (event) => {
  void unlock()
  const { keysOn, keys } = s.choices.value
  if (!keysOn || s.door.value !== 'in') return
  const { code, key, altKey, ctrlKey, metaKey, shiftKey } = event
  const pressed = {
    code,
    key,
    altKey,
    ctrlKey,
    metaKey,
    shiftKey,
    altGraph: event.getModifierState('AltGraph'),
  }
  const action = actionOf(keys, pressed, typing(), mac)
  if (!action || (s.dialog.value && action !== 'help')) return
  event.preventDefault()
  DO[action]()
})
addEventListener('pointerdown', () => void unlock(), true)
