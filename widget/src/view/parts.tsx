// Small pieces that several views show.

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { isMasked, pieces, phone as shownPhone } from '../format'
import * as s from '../state'

const PATHS = {
  call: 'M6.6 10.8a15 15 0 0 0 6.6 6.6l2.2-2.2a1 1 0 0 1 1-.25c1.1.37 2.3.57 3.6.57a1 1 0 0 1 1 1V20a1 1 0 0 1-1 1A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.5a1 1 0 0 1 1 1c0 1.25.2 2.45.57 3.57a1 1 0 0 1-.25 1z',
  missed: 'M19.6 7 12 14.6 6.4 9H11V7H3v8h2v-4.6l7 7 9-9z',
  chat: 'M4 3h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H8l-5 4.5V5a2 2 0 0 1 1-2z',
  form: 'M6 2h9l5 5v15H6a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm8 1.5V8h4.5zM8 12v2h8v-2zm0 4v2h6v-2z',
  gear: 'M19.4 13a7.5 7.5 0 0 0 0-2l2.1-1.6-2-3.5-2.5 1a7.6 7.6 0 0 0-1.7-1L15 3.3h-4l-.4 2.6a7.6 7.6 0 0 0-1.7 1l-2.5-1-2 3.5L6.6 11a7.5 7.5 0 0 0 0 2l-2.2 1.6 2 3.5 2.5-1c.5.4 1.1.8 1.7 1l.4 2.6h4l.4-2.6c.6-.2 1.2-.6 1.7-1l2.5 1 2-3.5zM13 15.5a3.5 3.5 0 1 1 0-7 3.5 3.5 0 0 1 0 7z',
  back: 'M20 11H7.8l5.6-5.6L12 4l-8 8 8 8 1.4-1.4L7.8 13H20z',
  close: 'M19 6.4 17.6 5 12 10.6 6.4 5 5 6.4 10.6 12 5 17.6 6.4 19l5.6-5.6 5.6 5.6 1.4-1.4-5.6-5.6z',
  fold: 'M10 6 8.6 7.4 13.2 12l-4.6 4.6L10 18l6-6z',
  send: 'M2 21 23 12 2 3v7l15 2-15 2z',
  loud: 'M3 9v6h4l5 5V4L7 9zm13.5 3A4.5 4.5 0 0 0 14 8v8a4.5 4.5 0 0 0 2.5-4zM14 3.2v2.1a7 7 0 0 1 0 13.4v2.1a9 9 0 0 0 0-17.6z',
  still:
    'M3 9v6h4l5 5V4L7 9zm18.5.9L20.1 8.5 17.5 11l-2.6-2.5-1.4 1.4 2.6 2.6-2.6 2.6 1.4 1.4 2.6-2.6 2.6 2.6 1.4-1.4-2.6-2.6z',
  person: 'M12 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zm0 2c-4 0-9 2-9 5.5V21h18v-1.5c0-3.5-5-5.5-9-5.5z',
} as const
export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}

export function IconButton(props: { icon: IconName; label: string; onPress: () => void; pressed?: boolean }) {
  return (
    <button
      type="button"
      class="round"
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      onClick={props.onPress}
    >
      <Icon name={props.icon} />
    </button>
  )
}

/** A phone: as the server lets this role see it, and blurred until pressed for who wants that. */
export function Phone({ value }: { value?: string }) {
  const [bare, setBare] = useState(false)
  if (!value) return null
  const shown = shownPhone(value)
  if (isMasked(value)) return <span class="phone masked">{shown}</span>
  if (!s.choices.value.blur || bare) return <span class="phone">{shown}</span>
  return (
    <button type="button" class="phone blurred" aria-label={s.t('show_phone')} onClick={() => setBare(true)}>
      <span aria-hidden="true">{shown.replace(/\d/g, '0')}</span>
    </button>
  )
}

/** What a stranger wrote: text, with addresses that are safe to follow. */
export function Words({ text }: { text: string }) {
  return (
    <>
      {pieces(text).map((piece, index) =>
        piece.href ? (
          <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ) : (
          piece.text
        ),
      )}
    </>
  )
}

export function Empty(props: { icon: IconName; title: string; more: string }) {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <p class="strong">{props.title}</p>
      <p>{props.more}</p>
    </div>
  )
}

export function Count({ value, label }: { value: number; label: string }) {
  if (!value) return null
  return (
    <span class="count">
      <span aria-hidden="true">{value > 99 ? '99+' : value}</span>
      <span class="unseen">{label}</span>
    </span>
  )
}

export function Note(props: { kind: 'warn' | 'bad' | 'info'; children: ComponentChildren }) {
  return <p class={`banner ${props.kind}`}>{props.children}</p>
}
