// The page's neighbours: the extension's script in this same window, and YCLIENTS around the panel's frame.
// Each is heard only from its own window and origin; each is spoken to by a named origin.

import { isObject, readSession, type Session } from './wire'

export interface Neighbours {
  session: (session: Session) => void
  notPaired: () => void
  away: () => void
  call: (phone: string, company: number | null) => void
  client: (phone: string, company: number | null) => void
  cabinet: (changed: boolean) => void
  size: (mode: 'strip' | 'full') => void
}

export function toExtension(message: Record<string, unknown>): void {
  window.postMessage({ yclick: 'page', ...message }, location.origin)
}

/** Listens to the extension; it is known by our own window and origin. */
export function hearExtension(neighbours: Neighbours): void {
  window.addEventListener('message', (event) => {
    if (event.source !== window || event.origin !== location.origin) return
    const told = event.data
    if (!isObject(told) || told.yclick !== 'extension') return
    const session = told.type === 'session' ? readSession(told.session) : null
    if (session) neighbours.session(session)
    else if (told.type === 'not_paired') neighbours.notPaired()
    else if (told.type === 'away') neighbours.away()
    else if (told.type === 'call' || told.type === 'client') {
      const phone = readPhone(told.phone)
      if (phone !== null) neighbours[told.type as 'call' | 'client'](phone, readCompany(told.company_id))
    } else if (told.type === 'cabinet') neighbours.cabinet(told.changed === true)
    else if (told.type === 'size' && (told.mode === 'strip' || told.mode === 'full'))
      neighbours.size(told.mode)
  })
}

/** The origin of the window around us; empty: it does not say, and then nothing is said to it. */
export function aroundOrigin(): string {
  const ancestors = (location as unknown as { ancestorOrigins?: DOMStringList }).ancestorOrigins
  if (ancestors && ancestors.length) return ancestors[0]!
  try {
    return window.parent === window || !document.referrer ? '' : new URL(document.referrer).origin
  } catch {
    return ''
  }
}

/** `phone_change` of YCLIENTS' journal, from the window around us alone. */
export function hearPanel(origin: string, phoneChanged: (phone: string) => void): void {
  if (!origin) return
  window.addEventListener('message', (event) => {
    if (event.source !== window.parent || event.source === window || event.origin !== origin) return
    const told = event.data
    if (!isObject(told) || told.action !== 'phone_change' || !isObject(told.payload)) return
    const phone =
      readPhone(`${text(told.payload.phone_code)}${text(told.payload.phone)}`) ??
      readPhone(told.payload.phone)
    if (phone !== null) phoneChanged(phone)
  })
}

export function loadClient(origin: string, phone: string): void {
  if (origin) window.parent.postMessage({ action: 'load_client', payload: phone }, origin)
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** Digits with a plus before them; empty for none; null for what is no phone. */
export function readPhone(value: unknown): string | null {
  const digits = text(value).replace(/[\s()+-]/g, '')
  if (!digits) return ''
  return /^\d{5,15}$/.test(digits) ? `+${digits}` : null
}

function readCompany(value: unknown): number | null {
  return typeof value === 'number' && value > 0 && value % 1 === 0 ? value : null
}
