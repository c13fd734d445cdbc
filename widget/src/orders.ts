// Commands on their way: each keeps its id until it has an answer, so that a lost line repeats nothing.

import type { Refusal } from './wire'

export interface Order {
  id: string
  name: string
  args: Record<string, unknown>
}
interface Waiting {
  order: Order
  sent: number
  tries: number
  done: (answer: Answer) => void
}
export type Answer = { ok: true; result: any } | { ok: false; error: Refusal }

/** After these the same id may be sent again; after `uncertain` only a new one, and only by the person's decision. */
const AGAIN = ['refused', 'limit', 'unavailable', 'not_connected', 'no_employee', 'no_number']
export function mayRepeat(code: string): boolean {
  return AGAIN.indexOf(code) >= 0
}

const PATIENCE_MS = 30_000
const TRIES_MOST = 4

export class Orders {
  private waiting = new Map<string, Waiting>()

  /** `send` puts an order on the line and answers whether there is one. */
  constructor(
    private readonly send: (order: Order) => boolean,
    private readonly clock: () => number,
  ) {}

  place(order: Order): Promise<Answer> {
    return new Promise((done) => {
      const waiting: Waiting = { order, sent: 0, tries: 0, done }
      this.waiting.set(order.id, waiting)
      this.put(waiting)
    })
  }

  private put(waiting: Waiting): void {
    if (!this.send(waiting.order)) return
    waiting.sent = this.clock()
    waiting.tries += 1
  }

  answered(id: string, answer: Answer): void {
    const waiting = this.waiting.get(id)
    if (!waiting) return
    if (!answer.ok && answer.error.code === 'under_way') {
      waiting.sent = this.clock() - PATIENCE_MS + 1500 // the first one is still being done: ask for its answer soon
      waiting.tries -= 1
      return
    }
    this.waiting.delete(id)
    waiting.done(answer)
  }

  /** The line is there again: what has no answer is said again, under its own id. */
  resume(): void {
    this.waiting.forEach((waiting) => {
      waiting.tries = 0
      this.put(waiting)
    })
  }

  /** Looks after those without an answer; called now and then while the line is there. */
  look(): void {
    const now = this.clock()
    this.waiting.forEach((waiting, id) => {
      if (!waiting.sent || now - waiting.sent < PATIENCE_MS) return
      if (waiting.tries < TRIES_MOST) this.put(waiting)
      else this.answered(id, { ok: false, error: { code: 'unavailable' } })
    })
  }

  /** Nobody waits any more: the session is over. */
  drop(): void {
    const all = [...this.waiting.keys()]
    for (const id of all) this.answered(id, { ok: false, error: { code: 'not_paired' } })
  }

  get count(): number {
    return this.waiting.size
  }
}

export function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16)) // pages over plain http have no randomUUID
  bytes[6] = (bytes[6]! & 15) | 64
  bytes[8] = (bytes[8]! & 63) | 128
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
}
