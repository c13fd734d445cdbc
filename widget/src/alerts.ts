// How the page calls for attention: sound, title, desktop notice, a sentence for screen readers. None of them takes the focus,
// and none says a phone; title and notices say nobody's name unless the person asked for it.

import { effect } from '@preact/signals'
import { setStrip, tellState } from './acts'
import { hasNumber } from './format'
import * as sound from './sound'
import * as s from './state'
import type { Item } from './wire'
import type { Key } from './words'

/** What is older than this came by catching up: it is shown, and makes no noise. */
const NEWS_MS = 20_000

export function watch(): void {
  effect(() => {
    const { muted, volume, tone } = s.choices.value
    const wanted = s.ringingCalls.value.length > 0 && !muted && volume > 0
    if (wanted) sound.ring(tone, volume)
    else sound.hush()
  })
  effect(() => {
    if (s.ringingCalls.value.length && s.strip.peek() && s.choices.peek().grow) setStrip(false)
  })
  effect(() =>
    tellState(s.ringingCalls.value.length, s.missedCalls.value.length, s.waitingChats.value.length),
  )
  flashTitle()
  announceCalls()
  announceReminders()
}

function flashTitle(): void {
  let timer: ReturnType<typeof setInterval> | undefined
  let shown = false
  effect(() => {
    clearInterval(timer)
    const count = s.missedCalls.value.length + s.waitingChats.value.length
    const still = `${count ? `(${count}) ` : ''}${s.t('title')}`
    const ringing = s.ringingCalls.value.length
    document.title = still
    document.documentElement.lang = s.locale.value
    if (!ringing || !s.choices.value.flash) return
    const loud = `● ${s.n('ringing_n', ringing)}`
    document.title = loud
    timer = setInterval(() => {
      shown = !shown
      document.title = shown ? still : loud
    }, 1000)
  })
}

/** Each ringing call is said once, when its client is known or soon after. */
function announceCalls(): void {
  const said = new Set<string>()
  effect(() => {
    for (const item of s.ringingCalls.value) {
      const shown = s.cards.value[item.subject]
      const patient = s.now.value - Date.parse(item.at) < 1500 && (!shown || (shown.asking && !shown.card))
      if (said.has(item.subject) || patient) continue
      said.add(item.subject)
      const source = sourceOf(item)
      const name = s.nameOf(item)
      speak(source ? s.t('said_ringing', { name, source }) : s.t('said_ringing_plain', { name }))
      notify('notice_call', item)
    }
  })
}

function announceReminders(): void {
  const said = new Set<string>()
  effect(() => {
    for (const subject of s.dueReminders.value) {
      if (said.has(subject)) continue
      said.add(subject)
      speak(s.t('remind_due'))
      if (!s.choices.peek().muted) sound.play('ping', s.choices.peek().volume)
    }
  })
}

/** A new event of the feed. */
export function news(kind: string, item: Item, at: number): void {
  const { now, choices } = s
  if (now.peek() - at > NEWS_MS) return
  const name = s.nameOf(item)
  const ping = () => {
    if (!choices.peek().muted) sound.play('ping', choices.peek().volume)
  }
  if (kind === 'chat.message' && item.last_message?.author === 'visitor') {
    ping()
    speak(s.t('said_message', { name }))
    notify('notice_chat', item)
  } else if (kind === 'form.sent') {
    ping()
    speak(s.t('said_form', { name }))
    notify('notice_form', item)
  } else if (kind === 'call.missed') speak(s.t('said_missed', { name }))
}

function sourceOf(item: Item): string {
  const brought = s.cards.value[item.subject]?.card?.brought_by ?? item.advert
  return brought ? [brought.source, brought.campaign].filter(Boolean).join(', ') : ''
}

function speak(words: string): void {
  s.spoken.value = s.spoken.peek() === words ? `${words}\u00a0` : words // the same again is said again
}

export function canNotify(): boolean {
  return 'Notification' in window && window.top === window
}

function notify(title: Key, item: Item): void {
  const { notices, named } = s.choices.peek()
  if (!notices || !canNotify() || Notification.permission !== 'granted') return
  if (document.visibilityState === 'visible' && document.hasFocus()) return
  const name = s.nameOf(item)
  try {
    const notice = new Notification(s.t(title), {
      body: named && !hasNumber(name) ? name : '',
      tag: item.subject,
      silent: true,
    })
    notice.onclick = () => {
      window.focus()
      notice.close()
    }
  } catch {
    // some browsers have the word and not the thing
  }
}
