// Before a screen is connected: why it is not, and the one thing to do about it.

import { useState } from 'preact/hooks'
import * as acts from '../acts'
import * as s from '../state'
import { Note } from './parts'
import { r } from './rareWords'

export function Enter() {
  const state = s.door.value
  const { surface } = s.place.value
  return (
    <section class="enter">
      <h1>{r('enter')}</h1>
      {state === 'away' && <Note kind="warn">{s.t('link_off_more')}</Note>}
      {state === 'other_account' && <Note kind="bad">{r('other_account')}</Note>}
      {surface === 'extension' ? (
        <>
          <p>{r('enter_extension')}</p>
          <button type="button" class="first" onClick={acts.pairExtension}>
            {r('enter_button')}
          </button>
        </>
      ) : (
        <>
          <p>{r(surface === 'tab' ? 'enter_tab' : 'enter_code')}</p>
          {surface === 'tab' && (
            <p>
              <a class="button" href="/login" target="_blank" rel="noopener">
                {r('enter_cabinet')}
              </a>
            </p>
          )}
          <Code />
        </>
      )}
    </section>
  )
}

function Code() {
  const [code, setCode] = useState('')
  const [wrong, setWrong] = useState('')
  const [busy, setBusy] = useState(false)
  const send = async () => {
    setBusy(true)
    const problem = await acts.pair(code)
    setBusy(false)
    if (problem === 'bad_code' || problem === 'too_many' || problem === 'other_account') setWrong(r(problem))
    else if (problem) setWrong(s.t('no_line'))
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      <label>
        <span>{r('code')}</span>
        <input
          value={code}
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          placeholder="ABCD-EFGH-JKLM"
          maxLength={20}
          aria-invalid={!!wrong}
          aria-describedby="code-wrong"
          onInput={(event) => {
            setCode(event.currentTarget.value)
            setWrong('')
          }}
        />
      </label>
      <p id="code-wrong" class="wrong" role="alert">
        {wrong}
      </p>
      <button type="submit" class="first" disabled={busy || code.replace(/[^a-z0-9]/gi, '').length !== 12}>
        {r('enter_button')}
      </button>
    </form>
  )
}
