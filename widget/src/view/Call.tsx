// A call: who calls and from where, who answers, and what is left to do when it is over. Forms share its lower part.

import { useState } from 'preact/hooks'
import * as acts from '../acts'
import * as f from '../format'
import * as s from '../state'
import type { Item } from '../wire'
import { Client } from './Client'
import { Icon, IconButton, Phone, Words } from './parts'

export function stateOf(item: Item): string {
  const by = item.answered_by?.name
  switch (item.state) {
    case 'ringing':
      return s.t(item.direction === 'out' ? 'ringing_out' : 'ringing_in')
    case 'talking':
      return by ? s.t('talking_by', { name: by }) : s.t('talking')
    case 'missed':
      return item.called_back_by ? s.t('called_back', { name: item.called_back_by.name }) : s.t('missed_one')
    case 'lapsed':
      return s.t('lapsed')
    case 'ended':
      return item.direction === 'out' ? s.t('ended_out') : by ? s.t('ended_by', { name: by }) : s.t('ended')
    default:
      return s.t('form_one')
  }
}

/** `compact`: on top of the list, where the list must stay in sight. */
export function Call({ item, top }: { item: Item; top?: boolean }) {
  const until = s.staying.value[item.subject]
  const live = item.state === 'ringing' || item.state === 'talking'
  return (
    <article
      class={`call ${item.state}${item.kind === 'form' ? ' form' : ''}`}
      data-subject={item.subject}
      aria-label={`${stateOf(item)}: ${s.nameOf(item)}`}
      onFocusIn={() => acts.holdOn(item.subject)}
      onInput={() => acts.holdOn(item.subject)}
    >
      <header>
        <span class="state">
          <Icon name={item.kind === 'form' ? 'form' : item.state === 'missed' ? 'missed' : 'call'} />
          {stateOf(item)}
        </span>
        <Clock item={item} />
        {until && <IconButton icon="close" label={s.t('fold')} onPress={() => acts.foldUp(item.subject)} />}
      </header>
      <h2>{s.nameOf(item)}</h2>
      <p class="under">
        <Phone value={item.phone} />
        {item.email && <span class="faint">{item.email}</span>}
      </p>
      <Others item={item} />
      {item.text && (
        <blockquote aria-label={s.t('form_text')}>
          <Words text={item.text} />
        </blockquote>
      )}
      <Client of={item.subject} advert={item.advert} />
      {(item.virtual_number || item.scenario) && !(top && live) && (
        <p class="faint small route">
          {item.virtual_number && (
            <span>
              {s.t('to_number')}: {f.phone(item.virtual_number.replace(/^\d/, '+$&'))}
            </span>
          )}
          {item.scenario && (
            <span>
              {s.t('scenario')}: {item.scenario}
            </span>
          )}
        </p>
      )}
      <Buttons item={item} />
      {!live && <After item={item} />}
      {until && (
        <p class="faint small" aria-hidden="true">
          {s.n('folds_n', Math.max(0, Math.ceil((until - s.now.value) / 1000)))}
        </p>
      )}
    </article>
  )
}

function Clock({ item }: { item: Item }) {
  if (item.state === 'ringing') return <Running from={item.started_at || item.at} />
  if (item.state === 'talking') return <Running from={item.answered_at || item.at} />
  const at = f.moment(s.locale.value, s.zone.value, Date.parse(item.at), s.now.peek())
  return <span class="faint small time">{item.talk_s ? `${at} · ${f.duration(item.talk_s)}` : at}</span>
}

function Running({ from }: { from: string }) {
  return (
    <span class="time running" aria-hidden="true">
      {f.duration((s.now.value - Date.parse(from)) / 1000)}
    </span>
  )
}

/** Who else has to do with it: whose phone rings, who took it, who answers right now. */
function Others({ item }: { item: Item }) {
  const answering = s.who(item.subject)
  const employees = (item.employees ?? []).map((one) => one.name).filter(Boolean)
  return (
    <>
      {item.state === 'ringing' && employees.length > 0 && (
        <p class="small faint">{s.t('rings_at', { names: employees.join(', ') })}</p>
      )}
      {item.taken_by && (
        <p class="tag taken">
          {item.taken_by.person_id === s.me.value
            ? s.t('taken_me')
            : s.t('taken_by', { name: item.taken_by.name })}
        </p>
      )}
      {answering && <p class="tag lock">{s.t('answers', { name: answering.name })}</p>}
    </>
  )
}

export function Buttons({ item }: { item: Item }) {
  const rights = s.rights.value
  const hidden = !item.phone
  const live = item.state === 'ringing' || item.state === 'talking'
  const surface = s.place.value.surface
  const mine = item.taken_by?.person_id === s.me.value
  return (
    <div class="buttons">
      {rights.has('act') && !mine && (item.state !== 'ended' || item.kind === 'chat') && (
        <button
          type="button"
          class={item.state === 'ringing' ? 'first' : ''}
          onClick={() => acts.takeItem(item.subject)}
        >
          {s.t('take')}
        </button>
      )}
      {rights.has('call') && !hidden && !live && (
        <button
          type="button"
          class={item.state === 'missed' ? 'first' : ''}
          onClick={() => acts.callBack(item.subject)}
        >
          <Icon name="call" />
          {s.t(item.state === 'missed' ? 'call_back' : 'call')}
        </button>
      )}
      {!hidden && (surface === 'extension' || surface === 'panel') && (
        <button type="button" onClick={() => acts.openClient(item.subject)}>
          {s.t('open_client')}
        </button>
      )}
      {!hidden && surface !== 'extension' && rights.has('phones') && !f.isMasked(item.phone!) && (
        <button
          type="button"
          class="quiet"
          aria-label={`${s.t('copy_phone')}: ${f.phone(item.phone!)}`}
          onClick={() => acts.copyPhone(item.phone!)}
        >
          {s.t('copy_phone')}
        </button>
      )}
    </div>
  )
}

const RESULTS = ['booked', 'question', 'moved', 'refused', 'spam'] as const
const DELAYS: [number, 'in_5' | 'in_15' | 'in_60' | 'in_day'][] = [
  [5, 'in_5'],
  [15, 'in_15'],
  [60, 'in_60'],
  [1440, 'in_day'],
]

/** Result, note, call back in … */
function After({ item }: { item: Item }) {
  if (!s.rights.value.has('act')) {
    return item.note ? <p class="note">{item.note}</p> : null
  }
  const reminder = s.reminders.value[item.subject]
  return (
    <div class="after">
      <fieldset>
        <legend>{s.t('result')}</legend>
        {RESULTS.map((result) => (
          <button
            key={result}
            type="button"
            class="chip"
            aria-pressed={item.result === result}
            onClick={() => acts.setResult(item.subject, result)}
          >
            {s.t(`r_${result}`)}
          </button>
        ))}
      </fieldset>
      <NoteField item={item} />
      {item.phone && (
        <fieldset>
          <legend>{s.t('remind')}</legend>
          {reminder ? (
            <>
              <span class="tag">{remindWords(reminder)}</span>
              <button type="button" class="chip" onClick={() => acts.setReminder(item.subject, null)}>
                {s.t('remind_off')}
              </button>
            </>
          ) : (
            DELAYS.map(([minutes, key]) => (
              <button
                key={key}
                type="button"
                class="chip"
                onClick={() => acts.setReminder(item.subject, s.now.value + minutes * 60_000)}
              >
                {s.t(key)}
              </button>
            ))
          )}
        </fieldset>
      )}
    </div>
  )
}

export function remindWords(at: number): string {
  if (at <= s.now.value) return s.t('remind_due')
  return s.t('remind_at', { time: f.moment(s.locale.value, s.zone.value, at, s.now.value) })
}

/** Its draft is kept like that of a chat. */
function NoteField({ item }: { item: Item }) {
  const [busy, setBusy] = useState(false)
  const key = `note:${item.subject}`
  const draft = s.drafts.value[key]
  const value = draft ?? item.note ?? ''
  const save = async () => {
    setBusy(true)
    if (await acts.setNote(item.subject, value)) acts.setDraft(key, '')
    setBusy(false)
  }
  return (
    <form
      class="note-field"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <label>
        <span>{item.noted_by ? s.t('note_by', { name: item.noted_by.name }) : s.t('note')}</span>
        <textarea
          rows={2}
          maxLength={2000}
          data-note={item.subject}
          value={value}
          onInput={(event) => acts.setDraft(key, event.currentTarget.value)}
        />
      </label>
      {draft !== undefined && draft !== (item.note ?? '') && (
        <button type="submit" disabled={busy}>
          {s.t('save')}
        </button>
      )}
    </form>
  )
}
