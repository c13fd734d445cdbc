// Phones, dates, money and durations as people of a language read them.

import type { Locale } from './words'

const TAG: Record<Locale, string> = { ru: 'ru-RU', en: 'en-GB' }

/** `+79161234567` → `+7 916 123-45-67`; what is masked or foreign is grouped the same careful way. */
export function phone(value: string): string {
  const groups = /^(\+7|•{2})([\d•]{3})([\d•]{3})([\d•]{2})([\d•]{2})$/.exec(value)
  if (groups) return `${groups[1]} ${groups[2]} ${groups[3]}-${groups[4]}-${groups[5]}`
  const foreign = /^(\+(?:1|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}))(\d{4,})$/.exec(
    value,
  )
  if (!foreign) return value
  return `${foreign[1]} ${foreign[2]!.replace(/(\d{3})(?=\d{2})/g, '$1 ').trim()}`
}

export function isMasked(value: string): boolean {
  return value.indexOf('•') >= 0
}

/** Whether what stands for a name may be a number, however it is written: many clients are saved under their phone. */
export const hasNumber = (name: string): boolean => name.replace(/\D/g, '').length > 4

const made: Record<string, Intl.DateTimeFormat> = {}

function date(locale: Locale, zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = JSON.stringify([locale, zone, options])
  let found = made[key]
  if (!found) {
    try {
      found = new Intl.DateTimeFormat(TAG[locale], { ...options, timeZone: zone || undefined })
    } catch {
      found = new Intl.DateTimeFormat(TAG[locale], options) // a zone the browser does not know
    }
    made[key] = found
  }
  return found
}

export function time(locale: Locale, zone: string, at: number): string {
  return isFinite(at) ? date(locale, zone, { hour: '2-digit', minute: '2-digit' }).format(at) : ''
}

export function day(locale: Locale, zone: string, at: number, now: number): string {
  if (!isFinite(at)) return ''
  const year = date(locale, zone, { year: 'numeric' })
  const other = year.format(at) !== year.format(now)
  return date(locale, zone, { day: 'numeric', month: 'short', ...(other ? { year: 'numeric' } : {}) }).format(
    at,
  )
}

/** Only the time today, else the day with it. */
export function moment(locale: Locale, zone: string, at: number, now: number): string {
  const same = date(locale, zone, { day: 'numeric', month: 'numeric', year: 'numeric' })
  if (!isFinite(at)) return ''
  if (same.format(at) === same.format(now)) return time(locale, zone, at)
  return `${day(locale, zone, at, now)}, ${time(locale, zone, at)}`
}

export function money(locale: Locale, amount: string | null, currency: string | null): string {
  const value = Number(amount)
  if (amount === null || !isFinite(value)) return ''
  try {
    const options: Intl.NumberFormatOptions = {
      style: 'currency',
      currency: currency || 'RUB',
      minimumFractionDigits: value % 1 ? 2 : 0,
    }
    return new Intl.NumberFormat(TAG[locale], options).format(value)
  } catch {
    return new Intl.NumberFormat(TAG[locale]).format(value)
  }
}

export function percent(locale: Locale, share: number): string {
  return new Intl.NumberFormat(TAG[locale], { style: 'percent', maximumFractionDigits: 0 }).format(share)
}

/** `75` → `1:15`; hours only when there are some. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

// --- links in what strangers write

export type Piece = { text: string; href?: string }
const LINK = /\bhttps?:\/\/[^\s<>"'«»]+/gi

/** A text in pieces; a piece with `href` is an address by http or https without a login in it. All the rest is text. */
export function pieces(value: string): Piece[] {
  const found: Piece[] = []
  let from = 0
  for (const match of value.matchAll(LINK)) {
    const shown = match[0].replace(/[.,;:!?)\]}]+$/, '')
    const href = safeUrl(shown)
    if (!href) continue
    if (match.index! > from) found.push({ text: value.slice(from, match.index) })
    found.push({ text: shown, href })
    from = match.index! + shown.length
  }
  if (from < value.length) found.push({ text: value.slice(from) })
  return found
}

/** The address when it is one by http or https that hides no login; else null. */
export function safeUrl(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 2000) return null
  try {
    const url = new URL(value)
    return /^https?:$/.test(url.protocol) && !url.username && !url.password ? url.href : null
  } catch {
    return null
  }
}

/** A page's address as people read it: no scheme, no query, nothing after 60 signs. */
export function shortPage(value: string): string {
  const short = value
    .replace(/^https?:\/\/(www\.)?/, '')
    .replace(/[?#].*$/, '')
    .replace(/\/$/, '')
  return short.length > 60 ? `${short.slice(0, 59)}…` : short
}
