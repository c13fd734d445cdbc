// Choices of the person at this browser, and the list of keys.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import * as acts from '../acts'
import { canNotify } from '../alerts'
import type { Choices, Tone } from '../keep'
import { ACTIONS, type Action, FIRST, judge, shown } from '../keys'
import { play, unlock } from '../sound'
import * as s from '../state'
import { IconButton, Note } from './parts'
import { r } from './rareWords'

function Dialog({ title, children }: { title: string; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null)
  const close = () => {
    s.dialog.value = null
  }
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    box.current?.showModal()
    return () => before?.focus?.()
  }, [])
  return (
    <dialog ref={box} aria-label={title} onClose={close}>
      <header>
        <h1>{title}</h1>
        <IconButton icon="close" label={s.t('close')} onPress={close} />
      </header>
      {children}
    </dialog>
  )
}

function Tick({ name, label }: { name: keyof Choices; label: string }) {
  return (
    <label class="tick">
      <input
        type="checkbox"
        checked={!!s.choices.value[name]}
        onChange={(event) => acts.choose({ [name]: event.currentTarget.checked })}
      />
      {label}
    </label>
  )
}

const TONES: Tone[] = ['bell', 'soft', 'pulse']

export function Settings() {
  const { tone, volume, lang } = s.choices.value
  return (
    <Dialog title={s.t('settings')}>
      <fieldset>
        <legend>{s.t('sound')}</legend>
        <label class="tick">
          <input
            type="checkbox"
            checked={!s.choices.value.muted}
            onChange={(event) => acts.choose({ muted: !event.currentTarget.checked })}
          />
          {s.t('sound')}
        </label>
        <label>
          <span>{r('sound_choice')}</span>
          <select value={tone} onChange={(event) => acts.choose({ tone: event.currentTarget.value as Tone })}>
            {TONES.map((one) => (
              <option key={one} value={one}>
                {r(`s_${one}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{r('volume')}</span>
          <input
            type="range"
            min="0"
            max="100"
            step="5"
            value={volume}
            onInput={(event) => acts.choose({ volume: Number(event.currentTarget.value) })}
          />
        </label>
        <button type="button" onClick={() => void unlock().then(() => play(tone, volume))}>
          {r('test')}
        </button>
      </fieldset>
      <Notices />
      <fieldset>
        <legend>{s.t('title')}</legend>
        <Tick name="flash" label={r('flash')} />
        {s.place.value.surface === 'extension' && <Tick name="grow" label={r('grow')} />}
        <Tick name="blur" label={r('blur')} />
        <label>
          <span>{r('language')}</span>
          <select
            value={lang}
            onChange={(event) => acts.choose({ lang: event.currentTarget.value as Choices['lang'] })}
          >
            <option value="">{r('language_mine')}</option>
            <option value="ru" lang="ru">
              Русский
            </option>
            <option value="en" lang="en">
              English
            </option>
          </select>
        </label>
      </fieldset>
      <Quick />
      {s.door.value === 'in' && s.place.value.surface !== 'tab' && <Leave />}
    </Dialog>
  )
}

function Notices() {
  const [state, setState] = useState(canNotify() ? Notification.permission : 'default')
  const { notices } = s.choices.value
  const turn = async (on: boolean) => {
    acts.choose({ notices: on })
    if (on && Notification.permission === 'default') setState(await Notification.requestPermission())
  }
  return (
    <fieldset>
      <legend>{r('notices')}</legend>
      {canNotify() ? (
        <>
          <label class="tick">
            <input
              type="checkbox"
              checked={notices && state !== 'denied'}
              disabled={state === 'denied'}
              onChange={(event) => void turn(event.currentTarget.checked)}
            />
            {r('notices_on')}
          </label>
          {state === 'denied' && <Note kind="warn">{r('notices_denied')}</Note>}
          {notices && state !== 'denied' && <Tick name="named" label={r('notices_named')} />}
        </>
      ) : (
        <p class="faint small">{r('notices_none')}</p>
      )}
    </fieldset>
  )
}

function Quick() {
  const [text, setText] = useState('')
  const answers = s.quickAnswers()
  return (
    <fieldset>
      <legend>{r('quick')}</legend>
      <ul class="answers">
        {answers.map((answer, index) => (
          <li key={index}>
            <span>{answer}</span>
            <IconButton
              icon="close"
              label={r('quick_remove', { text: answer })}
              onPress={() => acts.choose({ quick: answers.filter((_, other) => other !== index) })}
            />
          </li>
        ))}
      </ul>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim()) acts.choose({ quick: [...answers, text.trim()] })
          setText('')
        }}
      >
        <input
          aria-label={r('quick_text')}
          placeholder={r('quick_text')}
          maxLength={1000}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" disabled={!text.trim()}>
          {r('quick_add')}
        </button>
      </form>
      <p class="faint small">{r('quick_more')}</p>
    </fieldset>
  )
}

function Leave() {
  const [sure, setSure] = useState(false)
  return (
    <fieldset>
      {sure ? (
        <>
          <p>{r('leave_sure')}</p>
          <span class="row">
            <button type="button" class="danger" onClick={() => void acts.leave()}>
              {r('leave')}
            </button>
            <button type="button" onClick={() => setSure(false)}>
              {s.t('cancel')}
            </button>
          </span>
        </>
      ) : (
        <button type="button" onClick={() => setSure(true)}>
          {r('leave')}
        </button>
      )}
    </fieldset>
  )
}

/** The list of shortcuts, where each can be changed. */
export function Keys() {
  const [changing, setChanging] = useState<Action | null>(null)
  const [wrong, setWrong] = useState('')
  const { keys, keysOn } = s.choices.value
  useEffect(() => {
    if (!changing) return
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Alt') return
      event.preventDefault()
      event.stopPropagation()
      if (event.key === 'Escape') return setChanging(null)
      const verdict =
        event.altKey && !event.ctrlKey && !event.metaKey ? judge(keys, changing, event.code) : 'bad'
      if (verdict === 'ok') {
        acts.choose({ keys: { ...keys, [changing]: event.code } })
        setChanging(null)
        setWrong('')
      } else if (verdict === 'bad') setWrong(r('keys_bad'))
      else if (verdict === 'browser') setWrong(r('keys_browser'))
      else setWrong(r('keys_twice', { name: r(`k_${verdict.twice}`) }))
    }
    addEventListener('keydown', onKey, true)
    return () => removeEventListener('keydown', onKey, true)
  }, [changing, keys])
  return (
    <Dialog title={s.t('keys')}>
      <Tick name="keysOn" label={r('keys_on')} />
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <table class="keys">
        <tbody>
          {ACTIONS.map((action) => (
            <tr key={action} class={keysOn ? '' : 'off'}>
              <th scope="row">{r(`k_${action}`)}</th>
              <td>
                {changing === action ? (
                  <em>{r('keys_press')}</em>
                ) : (
                  <>
                    <kbd>Alt</kbd> <kbd>{shown(keys[action])}</kbd>
                    {action === 'help' && (
                      <>
                        {' '}
                        <kbd>?</kbd>
                      </>
                    )}
                  </>
                )}
              </td>
              <td>
                <IconButton
                  icon="gear"
                  label={`${r('keys_change')}: ${r(`k_${action}`)}`}
                  onPress={() => {
                    setWrong('')
                    setChanging(action)
                  }}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <button type="button" onClick={() => acts.choose({ keys: FIRST })}>
        {r('keys_reset')}
      </button>
    </Dialog>
  )
}
