// The list of a tab. One line says who, what state, what brought them; the newest is first, what waits is above it.

import { useEffect, useRef } from 'preact/hooks'
import * as acts from '../acts'
import { rings, untouched, waits } from '../feed'
import * as f from '../format'
import * as s from '../state'
import type { Item } from '../wire'
import { remindWords, stateOf } from './Call'
import { Empty, Icon, type IconName, Phone } from './parts'

const EMPTY: Record<s.Tab, [IconName, 'no_calls' | 'no_missed' | 'no_chats' | 'no_forms']> = {
  calls: ['call', 'no_calls'],
  missed: ['missed', 'no_missed'],
  chats: ['chat', 'no_chats'],
  forms: ['form', 'no_forms'],
}

/** Where the focus returns to when what was opened is closed on a narrow screen. */
let left: string | null = null

export function List() {
  const list = useRef<HTMLUListElement>(null)
  useEffect(() => {
    const row = left && list.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(left)}"]`)
    if (row && document.activeElement === document.body) row.focus()
    left = null
  }, [])
  const items = s.listed.value
  if (!items.length) {
    if (s.feed.value.seq === null) return <p class="faint pad">{s.t('loading')}</p>
    const [icon, key] = EMPTY[s.tab.value]
    return <Empty icon={icon} title={s.t(key)} more={s.t(`${key}_more`)} />
  }
  return (
    <ul class="list" ref={list}>
      {items.map((item) => (
        <Row key={item.subject} item={item} />
      ))}
    </ul>
  )
}

function Row({ item }: { item: Item }) {
  const strong = waits(item) || untouched(item) || rings(item)
  const advert = item.advert
  const reminder = s.reminders.value[item.subject]
  const answering = s.who(item.subject)
  return (
    <li>
      <button
        type="button"
        class={`line of-${item.kind} is-${item.state}${strong ? ' waits' : ''}`}
        data-row={item.subject}
        aria-current={s.opened.value === item.subject ? 'true' : undefined}
        onClick={() => {
          left = item.subject
          acts.open(item.subject)
        }}
      >
        <Icon name={item.kind === 'call' ? (item.state === 'missed' ? 'missed' : 'call') : item.kind} />
        <span class="main">
          <span class="name">{title(item)}</span>
          <span class="sub">{second(item)}</span>
          {(advert?.source || advert?.campaign) && (
            <span class="sub ad">{[advert.source, advert.campaign].filter(Boolean).join(' · ')}</span>
          )}
          {reminder && <span class="tag">{remindWords(reminder)}</span>}
          {answering && <span class="tag lock">{s.t('answers', { name: answering.name })}</span>}
        </span>
        <span class="side">
          <span class="small faint">
            {f.moment(s.locale.value, s.zone.value, Date.parse(item.at), s.now.peek())}
          </span>
          {waits(item) && <span class="dot-new">{s.t('waits')}</span>}
          {item.result && <span class="tag">{resultWords(item.result)}</span>}
        </span>
      </button>
    </li>
  )
}

function known(item: Item): string {
  return s.cards.value[item.subject]?.card?.name || item.name || ''
}

/** The name; of a nameless caller the phone says more than «unknown». */
function title(item: Item): string {
  if (known(item) || !item.phone || s.choices.value.blur) return s.nameOf(item)
  return f.phone(item.phone)
}

function resultWords(result: string): string {
  const known = ['booked', 'question', 'moved', 'refused', 'spam'] as const
  const found = known.find((one) => one === result)
  return found ? s.t(`r_${found}`) : result
}

/** The second line: state and phone of a call, the last words of a chat or a form. */
function second(item: Item) {
  const draft = s.drafts.value[item.subject]
  if (draft) return s.t('draft', { text: draft })
  if (item.kind === 'chat') {
    const last = item.last_message
    if (!last) return item.channel ?? ''
    return last.author === 'operator' && last.author_name === s.session.value?.person.name
      ? s.t('you_said', { text: last.text })
      : last.text
  }
  if (item.kind === 'form') return item.text || f.phone(item.phone ?? '')
  // No button within a button: here a phone that is to be blurred is left out.
  const named = !!known(item) && item.phone && !s.choices.value.blur
  return (
    <>
      {stateOf(item)} {named && <Phone value={item.phone} />}
    </>
  )
}
