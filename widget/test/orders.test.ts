import { expect, test } from 'vitest'
import { mayRepeat, newId, type Order, Orders } from '../src/orders'

function place() {
  const sent: Order[] = []
  const state = { on: true, now: 1000 }
  const orders = new Orders(
    (order) => {
      if (state.on) sent.push(order)
      return state.on
    },
    () => state.now,
  )
  return { sent, state, orders }
}
const order = (id: string): Order => ({ id, name: 'call_back', args: { subject: 'call:1' } })

test('an order without a line is said when the line comes, under its own id', async () => {
  const { sent, state, orders } = place()
  state.on = false
  const answer = orders.place(order('a'))
  expect(sent).toEqual([])
  state.on = true
  orders.resume()
  orders.resume()
  expect(sent.map((one) => one.id)).toEqual(['a', 'a'])
  orders.answered('a', { ok: true, result: 1 })
  expect(await answer).toEqual({ ok: true, result: 1 })
  orders.resume()
  expect(sent.length).toBe(2)
})

test('what is still under way is asked for again, and is no failure', async () => {
  const { sent, state, orders } = place()
  const answer = orders.place(order('a'))
  orders.answered('a', { ok: false, error: { code: 'under_way' } })
  expect(orders.count).toBe(1)
  state.now += 2000
  orders.look()
  expect(sent.length).toBe(2)
  orders.answered('a', { ok: false, error: { code: 'refused' } })
  expect(await answer).toEqual({ ok: false, error: { code: 'refused' } })
})

test('an answer that never comes ends after some tries', async () => {
  const { sent, state, orders } = place()
  const answer = orders.place(order('a'))
  for (let turn = 0; turn < 6; turn += 1) {
    state.now += 31_000
    orders.look()
  }
  expect(await answer).toEqual({ ok: false, error: { code: 'unavailable' } })
  expect(sent.length).toBe(4)
})

test('an unknown or second answer hurts nobody', () => {
  const { orders } = place()
  orders.answered('nobody', { ok: true, result: 1 })
  void orders.place(order('a'))
  orders.answered('a', { ok: true, result: 1 })
  orders.answered('a', { ok: true, result: 2 })
  expect(orders.count).toBe(0)
})

test('only what was surely not done keeps its id', () => {
  expect(['refused', 'limit', 'unavailable', 'uncertain', 'taken'].map(mayRepeat)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
})

test('ids are UUIDs, with and without randomUUID', () => {
  const real = crypto.randomUUID
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  expect(newId()).toMatch(shape)
  Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true })
  expect(newId()).toMatch(shape)
  Object.defineProperty(crypto, 'randomUUID', { value: real, configurable: true })
})
