// A chat: what was said, how far each reply came, and the field to answer in.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import * as acts from '../acts'
import * as f from '../format'
import { mayRepeat } from '../orders'
import * as s from '../state'
import type { Attachment, Item, Message } from '../wire'
import { Buttons } from './Call'
import { Client } from './Client'
import { Icon, Phone, Words } from './parts'
import { r } from './rareWords'

export function Chat({ item }: { item: Item }) {
  const answering = s.who(item.subject)
  return (
    <article class="chat" data-subject={item.subject} aria-label={`${s.t('chats')}: ${s.nameOf(item)}`}>
      <details class="about" open={window.innerHeight > 700 || undefined}>
        <summary>
          <h2>{s.nameOf(item)}</h2>
          <span class="faint small">
            {item.channel} <Phone value={item.phone} />
          </span>
        </summary>
        <Client of={item.subject} advert={item.advert} />
        <Buttons item={item} />
      </details>
      {item.taken_by && item.taken_by.person_id !== s.me.value && (
        <p class="tag taken">{s.t('taken_by', { name: item.taken_by.name })}</p>
      )}
      <Talk item={item} />
      {answering && <p class="tag lock">{s.t('answers', { name: answering.name })}</p>}
      {why(item) ? <p class="closed">{why(item)}</p> : <Composer item={item} />}
    </article>
  )
}

/** Why nothing can be written; empty: it can. */
function why(item: Item): string {
  if (item.state === 'ended') return r(item.lost ? 'chat_lost' : 'chat_ended')
  if (!s.rights.value.has('write')) return r('no_write_right')
  return item.channel_id ? '' : r('no_reply_way')
}

function Talk({ item }: { item: Item }) {
  const talk = s.talks.value[item.subject]
  const waiting = s.outbox.value[item.subject] ?? []
  const list = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  const count = (talk?.messages.length ?? 0) + waiting.length
  useLayoutEffect(() => {
    const box = list.current
    if (box && atEnd.current) box.scrollTop = box.scrollHeight
  }, [count, item.subject])
  return (
    <div
      class="talk"
      ref={list}
      role="log"
      aria-label={r('messages')}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reached by keyboard
      tabIndex={0}
      onScroll={(event) => {
        const box = event.currentTarget
        atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40
      }}
    >
      {!talk && <p class="faint">{s.t('chat_loading')}</p>}
      {talk && !count && <p class="faint">{r('chat_empty')}</p>}
      {talk?.messages.map((message) => (
        <Said key={message.message_id} message={message} />
      ))}
      {waiting.map((message) => (
        <Waiting key={message.id} subject={item.subject} message={message} />
      ))}
    </div>
  )
}

function Said({ message }: { message: Message }) {
  const ours = message.author === 'operator'
  const name =
    message.author_name || r(ours ? 'operator' : message.author === 'visitor' ? 'client' : 'system')
  const at = message.sent_at
    ? f.moment(s.locale.value, s.zone.value, Date.parse(message.sent_at), s.now.peek())
    : ''
  return (
    <div class={`said ${ours ? 'ours' : message.author === 'visitor' ? 'theirs' : 'system'}`}>
      <span class="small faint">
        {name}
        {at && ` · ${at}`}
      </span>
      {message.text && (
        <p>
          <Words text={message.text} />
        </p>
      )}
      {(message.files ?? []).map((file, index) => (
        <File key={index} file={file} />
      ))}
      {ours && (
        <span class={`small delivered ${message.delivered}`}>
          {message.delivered === 'failed' ? r('d_failed') : r(`d_${message.delivered}`)}
          {message.error ? `: ${message.error}` : ''}
        </span>
      )}
    </div>
  )
}

function File({ file }: { file: Attachment }) {
  const url = f.safeUrl(file?.url)
  const name = String(file?.name || r('file', { name: '' }))
  if (!url) return <span class="faint">{r('file', { name })}</span>
  const picture =
    /^image\/(png|jpe?g|gif|webp|avif)$/.test(String(file.content_type)) && url.startsWith('https:')
  return (
    <a href={url} target="_blank" rel="noopener noreferrer nofollow" class={picture ? 'picture' : 'file'}>
      {picture ? (
        <img src={url} alt={r('picture', { name })} loading="lazy" referrerpolicy="no-referrer" />
      ) : (
        r('file', { name })
      )}
    </a>
  )
}

function Waiting({ subject, message }: { subject: string; message: s.Outgoing }) {
  const { error } = message
  return (
    <div class={`said ours waiting${error ? ' failed' : ''}`}>
      <p>{message.text}</p>
      {error ? (
        <>
          <span class="small delivered failed" role="alert">
            {acts.sentence(error)}
          </span>
          <span class="row">
            <button type="button" class="chip" onClick={() => acts.resend(subject, message)}>
              {r(mayRepeat(error.code) ? 'retry' : 'retry_sure')}
            </button>
            <button type="button" class="chip" onClick={() => acts.dropMessage(subject, message.id)}>
              {r('drop')}
            </button>
          </span>
        </>
      ) : (
        <span class="small delivered">{r(s.link.value === 'on' ? 'd_sending' : 'd_waiting')}</span>
      )}
    </div>
  )
}

/** The answers that fit what stands after the slash. */
export function fitting(answers: string[], draft: string): string[] | null {
  if (draft[0] !== '/' || draft.indexOf('\n') >= 0) return null
  const wanted = draft.slice(1).trim().toLocaleLowerCase()
  return answers.filter((one) => one.toLocaleLowerCase().indexOf(wanted) >= 0)
}

function Composer({ item }: { item: Item }) {
  const { subject } = item
  const draft = s.drafts.value[subject] ?? ''
  const [chosen, setChosen] = useState(0)
  const [closed, setClosed] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const quick = closed ? null : fitting(s.quickAnswers(), draft)
  const at = quick ? Math.min(chosen, quick.length - 1) : -1
  useEffect(() => () => acts.answeringOver(subject), [subject])
  useLayoutEffect(() => {
    const box = field.current
    if (!box) return
    box.style.height = 'auto'
    box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`
  }, [draft])

  const write = (text: string) => {
    acts.setDraft(subject, text)
    setClosed(false)
    setChosen(0)
  }
  const use = (answer: string) => {
    write(answer)
    field.current?.focus()
  }
  const send = () => {
    acts.sendMessage(subject, draft)
    field.current?.focus()
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.isComposing || event.altKey) return
    if (quick) {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault()
        const by = event.key === 'ArrowDown' ? 1 : -1
        if (quick.length) setChosen((at + by + quick.length) % quick.length)
        return
      }
      if (event.key === 'Escape') {
        event.stopPropagation()
        return setClosed(true)
      }
      if ((event.key === 'Enter' || event.key === 'Tab') && quick[at]) {
        event.preventDefault()
        return use(quick[at]!)
      }
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      send()
    }
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {quick && (
        <div class="quick" id="quick" role="listbox" aria-label={r('quick')}>
          {!quick.length && <p class="faint small">{r('quick_none')}</p>}
          {quick.map((answer, index) => (
            <div
              key={index}
              id={`quick-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              onMouseDown={(event) => {
                event.preventDefault()
                use(answer)
              }}
            >
              {answer}
            </div>
          ))}
        </div>
      )}
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: with `combobox`, which the types of Preact do not allow here, they are */}
      <textarea
        ref={field}
        rows={1}
        maxLength={4000}
        role={'combobox' as 'textbox'}
        aria-label={r('reply')}
        aria-expanded={!!quick}
        aria-controls="quick"
        aria-autocomplete="list"
        aria-activedescendant={quick && quick[at] ? `quick-${at}` : undefined}
        data-reply={subject}
        placeholder={r('reply_hint')}
        value={draft}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={onKey}
        onBlur={() => acts.answeringOver(subject)}
      />
      <IconButtonSend disabled={!draft.trim()} />
    </form>
  )
}

function IconButtonSend({ disabled }: { disabled: boolean }) {
  return (
    <button type="submit" class="round send" aria-label={r('send')} title={r('send')} disabled={disabled}>
      <Icon name="send" />
    </button>
  )
}
