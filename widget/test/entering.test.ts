import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { start } from '../src/acts'
import * as s from '../src/state'

const person = { person_id: 'p', name: 'Olga', role: 'operator' }
const account = { name: 'Salon', currency: 'RUB', timezone: 'Europe/Moscow', branches: [] }

/** What the extension says, as its script in this window says it. */
function extension(message: Record<string, unknown>): void {
  const data = { yclick: 'extension', ...message }
  window.dispatchEvent(new MessageEvent('message', { data, source: window, origin: location.origin } as any))
}

function session(minutes: number): Record<string, unknown> {
  const until = new Date(Date.now() + minutes * 60_000).toISOString()
  return { type: 'session', session: { token: 't', until, person, rights: [], locale: 'ru', account } }
}

let ticket = 401
let loggedIn = false
let asked: string[] = []
const posted = window.postMessage
/** Heard at once: the window's own way takes a moment that the clock of the test does not know. */
function hear(message: any): void {
  if (/ready|renew/.test(message.type)) asked.push(message.type)
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('fetch', async (path: string) =>
    path === '/workplace/session' && loggedIn
      ? new Response(JSON.stringify(session(15).session))
      : new Response('{"code":"not_paired"}', { status: path === '/workplace/session' ? 401 : ticket }),
  )
  asked = []
  window.postMessage = hear as typeof posted
  s.place.value = { surface: 'extension', locale: 'ru', company: null, phone: '' }
})
afterEach(() => {
  window.postMessage = posted
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a bearer that is refused and about to end is asked for once, and a slow answer unpairs nobody', async () => {
  void start(() => {})
  await vi.advanceTimersByTimeAsync(100)
  extension(session(1)) // it ends soon, and the server refuses it: two reasons to renew at once
  await vi.advanceTimersByTimeAsync(2500)
  expect(asked).toContain('renew')
  ticket = 503
  extension(session(15))
  await vi.advanceTimersByTimeAsync(500)
  asked = []
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toEqual([])
  expect(s.door.value).toBe('in')

  ticket = 401 // and now the extension itself waits for the server, longer than the page likes
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toContain('renew')
  expect(s.door.value).toBe('in')
  ticket = 503
  extension(session(15))
  await vi.advanceTimersByTimeAsync(500)
  expect(s.door.value).toBe('in')
})

test('who logs in to the cabinet and comes back to the tab is let in', async () => {
  ticket = 503
  s.place.value = { surface: 'tab', locale: 'ru', company: null, phone: '' }
  s.door.value = 'not_paired'
  dispatchEvent(new Event('focus'))
  await vi.advanceTimersByTimeAsync(500)
  expect(s.door.value).toBe('not_paired')
  loggedIn = true
  dispatchEvent(new Event('focus'))
  await vi.advanceTimersByTimeAsync(500)
  expect(s.door.value).toBe('in')
})
