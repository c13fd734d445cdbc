// How a screen comes in and stays in. The bearer lives in memory; what makes a new one is a cookie no script reads, or the
// extension's secret, which never comes here.

import { readSession, type Session } from './wire'

export type Surface = 'tab' | 'extension' | 'panel' | 'settings'
export interface Place {
  surface: Surface
  locale: 'ru' | 'en'
  company: number | null
  phone: string
}
export type Entered = Session | 'not_paired' | 'other_account' | 'away' | 'bad_code' | 'too_many'

export function readPlace(told: DOMStringMap): Place {
  const surfaces: Surface[] = ['tab', 'extension', 'panel', 'settings']
  const company = Number(told.company)
  return {
    surface: surfaces.find((one) => one === told.surface) ?? 'tab',
    locale: told.locale === 'en' ? 'en' : 'ru',
    company: company > 0 && company % 1 === 0 ? company : null,
    phone: told.phone ?? '',
  }
}

async function ask(path: string, body: unknown): Promise<Entered> {
  let answer: Response
  try {
    answer = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (answer.ok) return readSession(await answer.json()) ?? 'away'
    if (answer.status === 429) return 'too_many'
    const { code } = await answer.json()
    return code === 'not_paired' || code === 'other_account' || code === 'bad_code' ? code : 'away'
  } catch {
    return 'away'
  }
}

/** By the cookie of a paired frame, or the cabinet's in the same browser. */
export function enter(place: Place): Promise<Entered> {
  return ask('/workplace/session', place.company === null ? {} : { company_id: place.company })
}

export async function pair(place: Place, code: string): Promise<Entered> {
  const entered = await ask('/workplace/pair', { code, kind: 'frame' })
  // The branch is looked at with the session alone: another account's shall not be shown here.
  if (typeof entered === 'string' || place.company === null) return entered
  return entered.account.branches.some((one) => one.company_id === place.company) ? entered : 'other_account'
}

export async function leave(session: Session): Promise<void> {
  try {
    await fetch('/workplace/leave', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${session.token}` },
      body: '{}',
    })
  } catch {
    // the session ends by itself in minutes
  }
}
