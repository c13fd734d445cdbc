import { afterEach, describe, expect, it } from 'vitest'
import { guard, idsOf, json, randomId, wrap } from '../src/core'

describe('json', () => {
  it.each([
    'plain',
    '',
    'Стрижка «Лён» — 2 500 ₽',
    '"quoted" \\ and \\"both\\"',
    'tab\tnew\nline\r\b\f\u0000\u001f\u007f',
    '\u2028\u2029',
    '</script><!--',
    '😀 emoji 👩‍👩‍👧',
    '__proto__',
  ])('%j comes back as it was', (text) => {
    expect(JSON.parse(json(text))).toBe(text)
  })

  it('writes nested values, and null for what JSON has no word for', () => {
    const value = { a: [1, 'two', null, true, { b: [] }], 'ключ "x"': -1.5, c: {}, d: false }
    expect(JSON.parse(json(value))).toEqual(value)
    expect(json([undefined, Number.NaN, Number.POSITIVE_INFINITY, () => 1])).toBe('[null,null,null,null]')
  })

  it('cuts every string at 2,000 characters', () => {
    expect(JSON.parse(json({ url: 'я'.repeat(5000) })).url).toHaveLength(2000)
  })

  describe('on a page that changed the language', () => {
    const stringify = JSON.stringify
    afterEach(() => {
      JSON.stringify = stringify
      for (const owner of [Array, Object, String, Number, Date] as any[]) delete owner.prototype.toJSON
    })

    it('is not misled by toJSON or by a replaced JSON.stringify', () => {
      for (const owner of [Array, Object, String, Number] as any[]) {
        Object.defineProperty(owner.prototype, 'toJSON', { configurable: true, value: () => 'hostile' })
      }
      JSON.stringify = () => 'hostile'
      expect(json({ a: ['x', { b: 1 }] })).toBe('{"a":["x",{"b":1}]}')
    })

    it('is not misled by names added to every object', () => {
      const shared = Object.prototype as any
      shared.added = 'hostile'
      try {
        expect(json({ a: 1 })).toBe('{"a":1}')
      } finally {
        delete shared.added
      }
    })
  })
})

describe('idsOf', () => {
  it('keeps ids and times at any depth', () => {
    const params = {
      companyId: 4564,
      record_id: 5,
      appointments: [
        { services: [1, 2], staff_id: 3, datetime: '2026-11-24T10:00:00', id: 0 },
        { services: [{ id: 7, title: 'Стрижка' }], staff: { id: 8, name: 'Анна' } },
      ],
    }
    expect(idsOf(params)).toEqual({
      companyId: 4564,
      record_id: 5,
      appointments: [
        { services: [1, 2], staff_id: 3, datetime: '2026-11-24T10:00:00', id: 0 },
        { services: [{ id: 7 }], staff: { id: 8 } },
      ],
    })
  })

  it('lets no name, phone, e-mail or comment out', () => {
    const typed = {
      fullname: 'Мария Иванова',
      name: 'Мария',
      surname: 'Иванова',
      phone: '79161234567',
      email: 'm@example.ru',
      comment: 'позвоните',
      custom_fields: { phone2: '79161234567' },
      client: { id: 9, phone: '79161234567' },
      code: '1234',
      companyName: 'Лён',
    }
    const kept = json(idsOf({ ...typed, appointments: [{ ...typed, services: [{ ...typed, id: 1 }] }] }))
    expect(kept).toBe('{"appointments":[{"services":[{"id":1}]}]}')
  })

  it.each([null, undefined, 5, 'text', true])('%s is itself', (value) => {
    expect(idsOf(value)).toBe(value)
  })
})

describe('randomId', () => {
  it('is 22 letters and digits, another each time', () => {
    const made = new Set(Array.from({ length: 500 }, randomId))
    expect(made.size).toBe(500)
    for (const id of made) expect(id).toMatch(/^[0-9a-z]{22}$/)
  })
})

describe('wrap', () => {
  it('gives the method its arguments, this and answer, and what it throws', () => {
    const owner = {
      base: 2,
      double(value: number) {
        if (value < 0) throw new RangeError('negative')
        return value * this.base
      },
    }
    const answers: number[] = []
    wrap(owner, 'double', (args) => {
      args[0] += 1
      return (answer: number) => answers.push(answer)
    })
    expect(owner.double(4)).toBe(10)
    expect(answers).toEqual([10])
    expect(() => owner.double(-5)).toThrow(RangeError)
  })

  it('keeps to itself what its own work throws', () => {
    const owner = { one: (value: number) => value }
    wrap(owner, 'one', () => {
      throw new Error('ours')
    })
    expect(owner.one(7)).toBe(7)
    const other = { one: (value: number) => value }
    wrap(other, 'one', () => () => {
      throw new Error('ours')
    })
    expect(other.one(7)).toBe(7)
  })

  it('wraps once, and leaves alone what is absent or frozen', () => {
    let calls = 0
    const owner = { one: () => 1 }
    const count = () => {
      calls++
    }
    wrap(owner, 'one', count)
    wrap(owner, 'one', count)
    owner.one()
    expect(calls).toBe(1)
    wrap(undefined, 'one', count)
    wrap({}, 'one', count)
    const frozen = Object.freeze({ one: () => 3 })
    wrap(frozen, 'one', count)
    expect(frozen.one()).toBe(3)
  })
})

describe('guard', () => {
  it('answers what the work answers, and nothing when it throws', () => {
    expect(guard(() => 5)).toBe(5)
    expect(
      guard(() => {
        throw new Error('ours')
      }),
    ).toBeUndefined()
  })
})
