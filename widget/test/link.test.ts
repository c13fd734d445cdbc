import { expect, test } from 'vitest'
import { Link, type LinkState, pause } from '../src/link'
import type { Session, Told } from '../src/wire'

class Socket {
  readyState = 1
  sent: any[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  send(text: string) {
    this.sent.push(JSON.parse(text))
  }
  close() {
    this.readyState = 3
  }
  says(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
}

const WELCOME = { type: 'welcome', seq: 0, beat_s: 15, person_id: 'p', now: '2026-11-25T10:00:00Z' }
const soon = () => new Promise((done) => setTimeout(done, 0))

function line(
  answers: {
    ticket?: () => Response | Promise<Response>
    events?: () => Response
    renewed?: boolean | null
  } = {},
) {
  const sockets: Socket[] = []
  const asked: string[] = []
  const states: LinkState[] = []
  const told: Told[] = []
  const timers: (() => void)[] = []
  const clock = { now: 1_000_000 }
  const owner = {
    session: () => ({ token: 'bearer' }) as Session,
    renew: async () => (answers.renewed === undefined ? true : answers.renewed),
    seq: () => 7,
    told: (message: Told) => void told.push(message),
    state: (state: LinkState) => void states.push(state),
  }
  const link = new Link(owner, {
    fetch: async (path, init) => {
      asked.push(path)
      if (path.endsWith('/ticket')) {
        return answers.ticket ? answers.ticket() : new Response('{"ticket":"t"}')
      }
      if (path.endsWith('/events')) {
        asked.push((init.headers as Record<string, string>)['Last-Event-ID'] ?? '')
        return answers.events!()
      }
      return new Response(
        JSON.stringify({ type: 'result', id: JSON.parse(String(init.body)).id, ok: true, result: 5 }),
      )
    },
    socket: () => {
      const socket = new Socket()
      sockets.push(socket)
      return socket as unknown as WebSocket
    },
    clock: () => clock.now,
    random: () => 0.5,
    after: (_, then) => {
      timers.push(then)
      return () => timers.splice(timers.indexOf(then), 1)
    },
  })
  const nextTry = async () => {
    timers.shift()?.()
    await soon()
  }
  return { link, sockets, asked, states, told, timers, clock, nextTry }
}

async function connected(answers = {}) {
  const made = line(answers)
  made.link.start()
  await soon()
  made.sockets[0]!.onopen!()
  made.sockets[0]!.says(WELCOME)
  return made
}

test('says hello with a ticket and its number, never in the address', async () => {
  const { sockets, states } = await connected()
  expect(sockets[0]!.sent).toEqual([{ type: 'hello', ticket: 't', after: 7 }])
  expect(states).toEqual(['connecting', 'on'])
})

test('comes back with its number after a loss, and says again what has no answer', async () => {
  const { link, sockets, nextTry, states } = await connected()
  const answer = link.command('take', { subject: 'call:1' }, 'id-1')
  sockets[0]!.onclose!({ code: 1001 })
  expect(states[states.length - 1]).toBe('off')
  await nextTry()
  sockets[1]!.onopen!()
  sockets[1]!.says(WELCOME)
  const again = sockets[1]!.sent
  expect(again).toEqual([
    { type: 'hello', ticket: 't', after: 7 },
    { type: 'command', id: 'id-1', name: 'take', args: { subject: 'call:1' } },
  ])
  sockets[1]!.says({ type: 'result', id: 'id-1', ok: true, result: {} })
  expect((await answer).ok).toBe(true)
})

test('a session that is over is asked for anew; refused, the screen is unpaired', async () => {
  const { sockets, states, nextTry, timers } = await connected()
  sockets[0]!.onclose!({ code: 4401 })
  await soon()
  expect(timers.length).toBe(1)
  await nextTry()
  expect(sockets.length).toBe(2)
  const refused = await connected({ renewed: false })
  refused.sockets[0]!.onclose!({ code: 4401 })
  await soon()
  expect([refused.states[refused.states.length - 1], refused.timers.length]).toEqual(['unpaired', 0])
  expect(states).not.toContain('unpaired')
})

test('sockets that never say a word give way to a stream, with the number in a header and commands by post', async () => {
  let push: (text: string) => void = () => {}
  const events = () =>
    new Response(
      new ReadableStream({
        start(control) {
          push = (text) => control.enqueue(new TextEncoder().encode(text))
        },
      }),
    )
  const { link, sockets, asked, states, told, nextTry } = line({ events })
  link.start()
  await soon()
  sockets[0]!.onclose!({ code: 1006 })
  await nextTry()
  sockets[1]!.onclose!({ code: 1006 })
  await nextTry()
  expect(asked.slice(-2)).toEqual(['/workplace/events', '7'])
  push(`data: ${JSON.stringify(WELCOME)}\n\ndata: {"type":"reset","seq":8,"items":[]}\n\n`)
  await soon()
  expect(states[states.length - 1]).toBe('on')
  expect(told.map((one) => one.type)).toEqual(['welcome', 'reset'])
  expect(await link.command('take', { subject: 'call:1' })).toEqual({ ok: true, result: 5 })
})

test('a server that cannot be reached does not count against sockets', async () => {
  const { link, sockets, asked, nextTry } = line({ ticket: () => Promise.reject(new TypeError('network')) })
  link.start()
  await soon()
  for (let turn = 0; turn < 4; turn += 1) await nextTry()
  expect([sockets.length, asked.filter((path) => path.endsWith('events')).length]).toEqual([0, 0])
})

test('a line that fell silent is given up, beats are answered, a gap is asked for once', async () => {
  const { link, sockets, clock, states } = await connected()
  const socket = sockets[0]!
  socket.says({ type: 'beat', seq: 7 })
  link.ask(7)
  link.ask(7)
  expect(socket.sent.slice(1)).toEqual([{ type: 'beat' }, { type: 'after', seq: 7 }])
  clock.now += 41_000
  link.tick()
  expect(states[states.length - 1]).toBe('off')
})

test('waits longer the longer it lasts, and not everybody at the same moment', () => {
  const waits = [0, 1, 2, 5, 9].map((failures) => pause(1001, failures, 0))
  expect(waits).toEqual([...waits].sort((one, other) => one - other))
  expect(Math.max(...waits)).toBeLessThanOrEqual(15_000)
  expect(pause(1001, 0, 0)).toBeGreaterThanOrEqual(500)
  expect(pause(1001, 0, 1)).not.toBe(pause(1001, 0, 0))
  expect(pause(4429, 0, 0)).toBe(10_000)
})
