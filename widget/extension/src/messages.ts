/** What the parts of the extension say to each other, and how a message from outside is told from rubbish. */

export type Mode = 'strip' | 'full'
export type Side = 'left' | 'right'
/** Where a person keeps the dock. `top`: of the strip, as a part of the window's height. */
export interface Place {
  side: Side
  mode: Mode
  top: number
}
export const FIRST_PLACE: Place = { side: 'right', mode: 'full', top: 0.4 }

export interface Counts {
  link: 'on' | 'off' | 'unpaired'
  ringing: number
  missed: number
  waiting: number
}

/** From a part of the extension to its service worker. */
export type ToWorker =
  | { for: 'worker'; kind: 'session'; anew: boolean }
  | { for: 'worker'; kind: 'pair'; code: string }
  | { for: 'worker'; kind: 'show_pairing' }
  | { for: 'worker'; kind: 'open_window' }
  | { for: 'worker'; kind: 'leave' }
  | { for: 'worker'; kind: 'gone' }
  | ({ for: 'worker'; kind: 'state' } & Counts)
  | { for: 'worker'; kind: 'size'; mode: Mode }
  | { for: 'worker'; kind: 'side' }
  | { for: 'worker'; kind: 'open_client'; company_id: number | null; client_id: number | null; phone: string }
  | { for: 'worker'; kind: 'open_clients'; company_id: number }
  | { for: 'worker'; kind: 'hello' }
  | { for: 'worker'; kind: 'placed'; place: Place }
  | { for: 'worker'; kind: 'call'; phone: string; company_id: number | null }
  | { for: 'worker'; kind: 'client'; phone: string; company_id: number | null }
  | { for: 'worker'; kind: 'cabinet'; changed: boolean }

/** From the service worker to one part of one tab. */
export type ToPart =
  | { for: 'workplace'; kind: 'call' | 'client'; phone: string; company_id: number | null }
  | { for: 'workplace'; kind: 'cabinet'; changed: boolean }
  | { for: 'workplace' | 'dock'; kind: 'size'; mode: Mode }
  | { for: 'workplace'; kind: 'again' }
  | { for: 'dock'; kind: 'heard' }
  | { for: 'dock'; kind: 'cabinet'; changed: boolean }
  | { for: 'cabinet'; kind: 'size'; mode: Mode }
  | { for: 'cabinet'; kind: 'side' | 'toggle' | 'again' }
  | {
      for: 'cabinet'
      kind: 'open_client'
      company_id: number | null
      client_id: number | null
      phone: string
    }

type Told = Record<string, unknown>

export const asObject = (value: unknown): Told =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Told) : {}
export const asText = (value: unknown, most: number): string =>
  typeof value === 'string' && value.length <= most ? value : ''
/** A whole number of an id, or null. */
export const asId = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null
export const asCount = (value: unknown): number =>
  typeof value === 'number' && value > 0 && Number.isFinite(value) ? Math.min(Math.floor(value), 999) : 0
export const asMode = (value: unknown): Mode => (value === 'full' ? 'full' : 'strip')
export const asPhone = (value: unknown): string => {
  const text = asText(value, 20)
  return /^\+[1-9]\d{7,14}$/.test(text) ? text : ''
}

export function asCounts(value: unknown): Counts {
  const told = asObject(value)
  return {
    link: told.link === 'on' || told.link === 'unpaired' ? told.link : 'off',
    ringing: asCount(told.ringing),
    missed: asCount(told.missed),
    waiting: asCount(told.waiting),
  }
}

export function asPlace(value: unknown): Place {
  const told = asObject(value)
  const top = typeof told.top === 'number' && told.top >= 0 && told.top <= 1 ? told.top : FIRST_PLACE.top
  return { side: told.side === 'left' ? 'left' : 'right', mode: asMode(told.mode ?? FIRST_PLACE.mode), top }
}

/** The server this copy of the extension belongs to; it stands in the manifest alone. */
export function serverOrigin(): string {
  return new URL(chrome.runtime.getManifest().host_permissions[0]!.replace('/*', '/')).origin
}

/** Whether an origin is one of the cabinet's, as the manifest's patterns say. */
export function isCabinet(origin: string, patterns: string[]): boolean {
  if (!URL.canParse(origin)) return false
  return patterns.some((pattern) => {
    const found = /^(https?):\/\/(\*\.)?([^/]+)\/\*$/.exec(pattern)
    if (!found) return false
    const [, scheme, any, host] = found
    const address = new URL(origin)
    if (address.protocol !== `${scheme}:`) return false
    return address.host === host || (any !== undefined && address.host.endsWith(`.${host}`))
  })
}

/** To the service worker. An extension that was updated under an open page answers nothing any more. */
export async function tell(message: ToWorker): Promise<Record<string, unknown>> {
  try {
    return asObject(await chrome.runtime.sendMessage(message))
  } catch {
    return {}
  }
}
