// The whole screen: where what is shown. What rings is on top; what the person opened is never taken away from them.

import { signal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import * as acts from '../acts'
import { locked, unlock } from '../sound'
import * as s from '../state'
import type { Item } from '../wire'
import { Call, stateOf } from './Call'
import { Client } from './Client'
import { List } from './List'
import { Count, Icon, IconButton, type IconName, Note, Phone } from './parts'

const WIDE = '(min-width: 760px)'

function useWide(): boolean {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches)
  useEffect(() => {
    const query = matchMedia(WIDE)
    const look = () => setWide(query.matches)
    query.addEventListener('change', look)
    return () => query.removeEventListener('change', look)
  }, [])
  return wide
}

export function Screen() {
  const wide = useWide()
  const rares = useRare()
  useRingInSight()
  const item = s.opened.value ? (s.feed.value.items[s.opened.value] ?? null) : null
  const inside = s.door.value === 'in'
  if (s.strip.value) return <Strip />
  return (
    <div class={`app ${wide ? 'wide' : 'narrow'}`}>
      <Top />
      <div class="unseen" role="status" aria-live="polite">
        {s.spoken.value}
      </div>
      <Banners />
      {inside ? (
        <main>
          {wide ? (
            <>
              <section class="aside" aria-label={s.t(s.tab.value)}>
                <Tabs />
                <List />
              </section>
              <section class="pane">
                {item ? <Bars but={item.subject} /> : <Cards />}
                {item ? (
                  <Opened item={item} wide />
                ) : (
                  !s.onTop.value.length && !s.beside.value && <p class="faint pad choose">{s.t('choose')}</p>
                )}
              </section>
            </>
          ) : item ? (
            <section class="pane">
              <Bars but={item.subject} />
              <Opened item={item} wide={false} />
            </section>
          ) : (
            <section class="pane">
              <Cards />
              <Tabs />
              <List />
            </section>
          )}
        </main>
      ) : (
        <main>
          {rares && s.door.value !== 'opening' ? <rares.Enter /> : <p class="faint pad">{s.t('loading')}</p>}
        </main>
      )}
      <Toast />
      {rares && s.dialog.value === 'keys' && <rares.Keys />}
      {rares && s.dialog.value === 'settings' && <rares.Settings />}
    </div>
  )
}

type Rare = typeof import('./rare')
const rare = signal<Rare | null>(null)
let asking = false

/** What is not needed for the first sight. It is asked for at once all the same, so that it is there when somebody wants it. */
function useRare(): Rare | null {
  if (!rare.value && !asking) {
    asking = true
    import('./rare').then(
      (loaded) => {
        rare.value = loaded
      },
      () =>
        setTimeout(() => {
          asking = false
          rare.value = null
        }, 3000),
    )
  }
  return rare.value
}

/** A call that begins to ring is scrolled into sight, unless somebody writes just then. */
function useRingInSight(): void {
  const ringing = s.ringingCalls.value.map((item) => item.subject).join()
  useEffect(() => {
    if (ringing && document.activeElement?.tagName !== 'TEXTAREA') {
      document.querySelector('.call.ringing, .bar.ringing')?.scrollIntoView()
    }
  }, [ringing])
}

function Top() {
  const people = s.feed.value.people.filter((one) => one.person_id !== s.me.value).map((one) => one.name)
  const muted = s.choices.value.muted
  return (
    <header class="top">
      <Light />
      {people.length > 0 && s.door.value === 'in' && (
        <span class="people small" title={s.t('here', { names: people.join(', ') })}>
          <Icon name="person" />
          <span aria-hidden="true">{people.length + 1}</span>
          <span class="unseen">{s.t('here', { names: people.join(', ') })}</span>
        </span>
      )}
      <span class="tools">
        {s.door.value === 'in' && (
          <>
            <IconButton
              icon={muted ? 'still' : 'loud'}
              label={s.t(muted ? 'unmute' : 'mute')}
              onPress={() => acts.choose({ muted: !muted })}
            />
            <button
              type="button"
              class="round"
              aria-label={s.t('keys')}
              title={s.t('keys')}
              onClick={() => {
                s.dialog.value = 'keys'
              }}
            >
              <span aria-hidden="true">?</span>
            </button>
          </>
        )}
        <IconButton
          icon="gear"
          label={s.t('settings')}
          onPress={() => {
            s.dialog.value = 'settings'
          }}
        />
        {s.place.value.surface === 'extension' && (
          <IconButton icon="fold" label={s.t('collapse')} onPress={() => acts.setStrip(true)} />
        )}
      </span>
    </header>
  )
}

function Light() {
  const state = s.door.value === 'opening' ? 'connecting' : s.link.value
  return (
    <span class={`light ${state}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="words">{s.t(`link_${state}`)}</span>
    </span>
  )
}

function Banners() {
  const lost = s.door.value === 'in' && s.link.value === 'off'
  return (
    <>
      {lost && <Note kind="warn">{s.t('link_off_more')}</Note>}
      {s.cabinetChanged.value && <Note kind="warn">{s.t('cabinet_changed')}</Note>}
      {locked.value && !s.choices.value.muted && s.ringingCalls.value.length > 0 && (
        <Note kind="info">
          {s.t('sound_locked')}{' '}
          <button type="button" class="link" onClick={() => void unlock()}>
            {s.t('sound_unlock')}
          </button>
        </Note>
      )}
    </>
  )
}

function Tabs() {
  const counts: Record<s.Tab, [number, string]> = {
    calls: [0, ''],
    missed: [s.missedCalls.value.length, 'missed_n'],
    chats: [s.waitingChats.value.length, 'chats_n'],
    forms: [s.newForms.value.length, 'forms_n'],
  }
  return (
    <nav class="tabs" aria-label={s.t('title')}>
      {s.TABS.map((tab) => (
        <button
          key={tab}
          type="button"
          aria-current={s.tab.value === tab ? 'page' : undefined}
          onClick={() => acts.goTo(tab)}
        >
          {s.t(tab)}
          <Count value={counts[tab][0]} label={counts[tab][1] ? s.n(counts[tab][1], counts[tab][0]) : ''} />
        </button>
      ))}
    </nav>
  )
}

/** Calls on top, whole; and the client whose card is open in the cabinet. */
function Cards() {
  const beside = s.beside.value
  return (
    <>
      {s.onTop.value.map((item) => (
        <Call key={item.subject} item={item} top />
      ))}
      {beside && s.rights.value.has('phones') && !s.onTop.value.length && (
        <article class="call beside" aria-label={s.t('card_open')}>
          <header>
            <span class="state">
              <Icon name="person" />
              {s.t('card_open')}
            </span>
            <IconButton icon="close" label={s.t('close')} onPress={() => acts.showClient('', null)} />
          </header>
          <h2>{s.cards.value[beside.phone]?.card?.name || s.t('unknown')}</h2>
          <p class="under">
            <Phone value={beside.phone} />
          </p>
          <Client of={beside.phone} />
          {s.rights.value.has('call') && (
            <div class="buttons">
              <button type="button" onClick={() => void acts.callPhone(beside.phone, beside.company)}>
                <Icon name="call" />
                {s.t('call')}
              </button>
            </div>
          )}
        </article>
      )}
    </>
  )
}

/** Calls on top as one line each, while something else is open. */
function Bars({ but }: { but: string }) {
  return (
    <>
      {s.onTop.value
        .filter((item) => item.subject !== but)
        .map((item) => (
          <button
            key={item.subject}
            type="button"
            class={`bar ${item.state}`}
            onClick={() => acts.open(item.subject)}
          >
            <Icon name={item.state === 'missed' ? 'missed' : 'call'} />
            <span>
              <strong>{s.nameOf(item)}</strong>
              <span class="small">
                {stateOf(item)}
                {item.advert &&
                  ` · ${[item.advert.source, item.advert.campaign].filter(Boolean).join(' · ')}`}
              </span>
            </span>
          </button>
        ))}
    </>
  )
}

function Opened({ item, wide }: { item: Item; wide: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  const rares = useRare()
  useEffect(() => {
    if (!wide) box.current?.focus() // the list that had the focus is gone
  }, [item.subject, wide])
  return (
    <div class="opened" tabIndex={-1} ref={box}>
      <button type="button" class="back" onClick={() => acts.open(null)}>
        <Icon name={wide ? 'close' : 'back'} />
        {s.t(wide ? 'close' : 'back')}
      </button>
      {item.kind !== 'chat' ? (
        <Call key={item.subject} item={item} />
      ) : rares ? (
        <rares.Chat key={item.subject} item={item} />
      ) : (
        <p class="faint pad">{s.t('loading')}</p>
      )}
    </div>
  )
}

/** Collapsed: a few signs, as wide as a finger. */
function Strip() {
  const ringing = s.ringingCalls.value
  const state = s.door.value === 'in' ? s.link.value : s.door.value === 'opening' ? 'connecting' : 'unpaired'
  const rows: [IconName, number, string, s.Tab][] = [
    ['call', ringing.length, 'ringing_n', 'calls'],
    ['missed', s.missedCalls.value.length, 'missed_n', 'missed'],
    ['chat', s.waitingChats.value.length, 'chats_n', 'chats'],
    ['form', s.newForms.value.length, 'forms_n', 'forms'],
  ]
  return (
    <div class="strip">
      <div class="unseen" role="status" aria-live="polite">
        {s.spoken.value}
      </div>
      <button
        type="button"
        class="round"
        aria-label={s.t('expand')}
        title={s.t('expand')}
        onClick={() => acts.setStrip(false)}
      >
        <span class="turn">
          <Icon name="fold" />
        </span>
      </button>
      <span class={`light ${state}`} role="status" title={s.t(`link_${state}`)}>
        <span class="dot" aria-hidden="true" />
        <span class="unseen">{s.t(`link_${state}`)}</span>
      </span>
      {rows.map(([icon, count, key, tab]) => (
        <button
          key={icon}
          type="button"
          class={`round${icon === 'call' && count ? ' ring' : ''}`}
          aria-label={count ? s.n(key, count) : s.t(tab)}
          title={count ? s.n(key, count) : s.t(tab)}
          onClick={() => {
            acts.goTo(tab)
            acts.setStrip(false)
          }}
        >
          <Icon name={icon} />
          <Count value={count} label="" />
        </button>
      ))}
    </div>
  )
}

function Toast() {
  const toast = s.toast.value
  return (
    <div class="toasts" role={toast?.bad ? 'alert' : 'status'}>
      {toast && <p class={toast.bad ? 'bad' : ''}>{toast.words}</p>}
    </div>
  )
}
