// The line to the server: a socket, or a stream of events where sockets do not pass. Comes back by itself, for ever.

import { type Answer, newId, type Order, Orders } from './orders'
import { eventStream, readTold, type Session, type Told } from './wire'

export type LinkState = 'connecting' | 'on' | 'off' | 'unpaired'
export interface Surroundings {
  fetch: (path: string, init: RequestInit) => Promise<Response>
  socket: () => WebSocket
  clock: () => number
  random: () => number
  after: (ms: number, then: () => void) => () => void
}
export interface Owner {
  /** The session as it is; null: none. */
  session: () => Session | null
  /** Gets another session; answers whether there is one. `false` is final until somebody pairs; `null`: try again later. */
  renew: () => Promise<boolean | null>
  seq: () => number | null
  told: (told: Told) => void
  state: (state: LinkState) => void
}

const SILENT_MOST_MS = 40_000
const BEAT_MS = 15_000
const FIRST_WORD_MS = 10_000
/** So many sockets in a row that never said a word: a proxy lets none through. */
const DEAF_SOCKETS = 2

export class Link {
  readonly orders: Orders
  private socket: WebSocket | null = null
  private streaming: AbortController | null = null
  private heard = 0
  private beaten = 0
  private failures = 0
  private deaf = 0
  private welcomed = false
  private started = false
  private busy = false
  private entering = false
  private cancel: () => void = () => {}
  private asked: number | null = null

  constructor(
    private readonly owner: Owner,
    private readonly around: Surroundings,
  ) {
    this.orders = new Orders((order) => this.put(order), around.clock)
  }

  start(): void {
    this.started = true
    this.failures = 0
    this.now()
  }

  stop(): void {
    this.started = false
    this.cancel()
    this.hangUp()
    this.orders.drop()
  }

  /** The network came back, or the person looks at the page: no reason to wait any longer. */
  now(): void {
    if (!this.started || this.busy || this.entering || this.socket || this.streaming) return
    this.cancel()
    void this.connect()
  }

  command(name: string, args: Record<string, unknown>, id = newId()): Promise<Answer> {
    return this.orders.place({ id, name, args })
  }

  /** Asks for what is after this number; asked once, until something comes. */
  ask(seq: number): void {
    if (this.asked === seq) return
    this.asked = seq
    if (this.socket) this.say({ type: 'after', seq })
    else this.lost(1001) // a stream begins where its header says: begin anew
  }

  /** Called every second: beats, and a line that fell silent. */
  tick(): void {
    if (!this.welcomed) {
      if ((this.socket || this.streaming) && this.around.clock() - this.heard > FIRST_WORD_MS) this.lost(1006)
      return
    }
    const now = this.around.clock()
    if (now - this.heard > SILENT_MOST_MS) this.lost(4408)
    else if (this.socket && now - this.beaten > BEAT_MS) this.beat()
    this.orders.look()
  }

  private beat(): void {
    this.beaten = this.around.clock()
    this.say({ type: 'beat' })
  }

  private say(message: unknown): boolean {
    if (!this.socket || this.socket.readyState !== 1) return false
    this.socket.send(JSON.stringify(message))
    return true
  }

  private put(order: Order): boolean {
    if (!this.welcomed) return false
    if (this.socket) return this.say({ type: 'command', ...order })
    void this.post(order)
    return true
  }

  private async post(order: Order): Promise<void> {
    try {
      const answer = await this.around.fetch('/workplace/commands', {
        method: 'POST',
        headers: this.headers(),
        body: JSON.stringify(order),
      })
      if (answer.status === 200 || answer.status === 422) this.hear(await answer.text())
      else if (answer.status === 401) this.lost(4401)
    } catch {
      this.orders.look() // said again by `look`, or when the line is back
    }
  }

  private headers(): Record<string, string> {
    return {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${this.owner.session()?.token ?? ''}`,
    }
  }

  private async connect(): Promise<void> {
    this.busy = true
    this.owner.state('connecting')
    try {
      if (this.deaf >= DEAF_SOCKETS) await this.openStream()
      else await this.openSocket()
    } catch {
      this.later(1001)
    } finally {
      this.busy = false
    }
  }

  private async openSocket(): Promise<void> {
    const answer = await this.around.fetch('/workplace/ticket', {
      method: 'POST',
      headers: this.headers(),
      body: '{}',
    })
    if (!this.started) return
    if (answer.status === 401) return this.later(4401)
    if (!answer.ok) return this.later(answer.status === 429 ? 4429 : 1001)
    const { ticket } = await answer.json()
    if (!this.started) return
    const socket = this.around.socket()
    this.socket = socket
    this.welcomed = false
    this.heard = this.around.clock()
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', ticket, after: this.owner.seq() }))
    socket.onmessage = (event) => {
      if (socket === this.socket) this.hear(event.data)
    }
    socket.onclose = (event) => {
      if (socket === this.socket) this.lost(event.code)
    }
  }

  private async openStream(): Promise<void> {
    const streaming = new AbortController()
    this.streaming = streaming
    this.welcomed = false
    this.heard = this.around.clock()
    const seq = this.owner.seq()
    const headers: Record<string, string> = this.headers()
    if (seq !== null) headers['Last-Event-ID'] = String(seq)
    let code = 1001
    try {
      const answer = await this.around.fetch('/workplace/events', { headers, signal: streaming.signal })
      if (!answer.ok || !answer.body) {
        code = answer.status === 401 ? 4401 : answer.status === 429 ? 4429 : 1001
      } else {
        void this.read(answer.body, streaming)
        return
      }
    } catch {
      // a line that cannot be opened is a lost line
    }
    if (streaming === this.streaming) this.lost(code)
  }

  private async read(body: ReadableStream<Uint8Array>, streaming: AbortController): Promise<void> {
    const reader = body.getReader()
    const decoder = new TextDecoder()
    const feed = eventStream((data) => {
      if (streaming === this.streaming) this.hear(data)
    })
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done || streaming !== this.streaming) break
        feed(decoder.decode(value, { stream: true }))
      }
    } catch {
      // as above
    }
    if (streaming === this.streaming) this.lost(1001)
  }

  private hear(text: unknown): void {
    this.heard = this.around.clock()
    const told = readTold(text)
    if (!told) return
    if (told.type === 'closed') {
      this.lost(told.code)
      return
    }
    if (told.type === 'result') {
      const answer: Answer = told.ok
        ? { ok: true, result: told.result }
        : { ok: false, error: told.error ?? { code: 'internal' } }
      this.orders.answered(told.id, answer)
      return
    }
    if (told.type === 'event' || told.type === 'reset') this.asked = null
    if (told.type === 'welcome') {
      this.welcomed = true
      this.failures = 0
      if (this.socket) this.deaf = 0
      this.asked = null
      this.owner.told(told)
      this.owner.state('on')
      this.orders.resume()
      return
    }
    if (told.type === 'beat') {
      this.asked = null
      if (this.socket) this.beat()
    }
    this.owner.told(told)
  }

  private hangUp(): void {
    const { socket, streaming } = this
    this.socket = this.streaming = null
    this.welcomed = false
    if (socket) {
      socket.onclose = socket.onmessage = null
      try {
        socket.close()
      } catch {
        // it was never open
      }
    }
    if (streaming) streaming.abort()
  }

  private lost(code: number): void {
    if (this.socket && !this.welcomed && (code === 1006 || code === 1000)) this.deaf += 1
    else if (this.streaming && this.welcomed) this.deaf = 0 // sockets may pass by now
    this.hangUp()
    this.later(code)
  }

  private later(code: number): void {
    if (!this.started) return
    this.hangUp()
    this.owner.state('off')
    if (code === 4401) {
      void this.enterAnew()
      return
    }
    this.wait(code)
  }

  private wait(code: number): void {
    this.cancel()
    this.cancel = this.around.after(pause(code, this.failures++, this.around.random()), () => this.now())
  }

  private async enterAnew(): Promise<void> {
    if (this.entering) return
    this.entering = true
    const renewed = await this.owner.renew().catch(() => null)
    this.entering = false
    if (!this.started) return
    if (renewed === false) {
      this.started = false
      this.owner.state('unpaired')
      this.orders.drop()
    } else this.wait(renewed && this.failures < 1 ? 4401 : 1001)
  }
}

/** How long to wait before the next try: at once after one loss, slower the longer it lasts, never all together. */
export function pause(code: number, failures: number, random: number): number {
  if (code === 4401) return 0 // there is a new session
  if (code === 4429) return 10_000 + random * 5000
  const most = Math.min(15_000, 500 * 2 ** Math.min(failures, 5))
  return most / 2 + random * most + (failures ? 0 : 250)
}
