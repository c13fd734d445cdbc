import { describe, expect, it } from 'vitest'
import { nextVisit } from '../src/visit'

const NOW = 1_795_404_533_123
const MINUTE = 60_000
const AD = 'https://salon.test/?utm_source=yandex&utm_campaign=spring'
const BACK = 'https://ya.ru/'

const visit = (text: string, now: number, address: string, look = true) =>
  nextVisit(text, now, address, BACK, look)
const first = visit('', NOW, AD)
const stored = first.join('\n')

const ids = ([visitor, id]: readonly unknown[]) => [visitor, id]

describe('nextVisit', () => {
  it('begins with a visitor, the address and the referrer', () => {
    const [visitor, id, started, seen, campaign, landing, referrer] = first
    expect(visitor).toMatch(/^\w{22}$/)
    expect(id).toMatch(/^\w{22}$/)
    expect(id).not.toBe(visitor)
    expect([started, seen]).toEqual([NOW, NOW])
    expect([campaign, landing, referrer]).toEqual(['?utm_source=yandex&utm_campaign=spring', AD, BACK])
  })

  it('goes on through 30 minutes of silence, counted from the last sign of life', () => {
    const later = visit(stored, NOW + 30 * MINUTE, 'https://salon.test/price')
    expect(ids(later)).toEqual(ids(first))
    expect([+later[2], later[5], later[6]]).toEqual([NOW, AD, BACK])
    const muchLater = visit(later.join('\n'), NOW + 59 * MINUTE, 'https://salon.test/team')
    expect(ids(muchLater)).toEqual(ids(first))
  })

  it('ends after more silence; the visitor stays', () => {
    const [visitor, id, started, , campaign, landing] = visit(
      stored,
      NOW + 30 * MINUTE + 1,
      'https://salon.test/price',
    )
    expect(visitor).toBe(first[0])
    expect(id).not.toBe(first[1])
    expect([started, campaign, landing]).toEqual([NOW + 30 * MINUTE + 1, '', 'https://salon.test/price'])
  })

  it('ends with another campaign', () => {
    const other = visit(stored, NOW + MINUTE, 'https://salon.test/?utm_source=vk')
    expect(other[0]).toBe(first[0])
    expect(other[1]).not.toBe(first[1])
    expect(other[4]).toBe('?utm_source=vk')
  })

  it('goes on with the same campaign, with none, and where the address was looked at before', () => {
    expect(ids(visit(stored, NOW + MINUTE, AD))).toEqual(ids(first))
    expect(ids(visit(stored, NOW + MINUTE, 'https://salon.test/?page=2'))).toEqual(ids(first))
    expect(ids(visit(stored, NOW + MINUTE, 'https://salon.test/?utm_source=vk', false))).toEqual(ids(first))
  })

  it.each([
    'x',
    '\n\n\n\n\n\n',
    stored.slice(3),
    stored.replace(/\n/g, ' '),
    `${stored}\nmore\nlines`,
    stored.replace(String(NOW), 'soon'),
    '{"visitor":"a"}',
    'undefined',
  ])('begins anew where the stored text is broken: %j', (text) => {
    const made = visit(text, NOW, AD)
    expect(ids(made)).not.toEqual(ids(first))
    expect(made.join('\n')).toMatch(/^\w{22}\n\w{22}\n\d+\n\d+\n.*\n.*\n.*$/)
    expect(made[2]).toBe(NOW)
  })
})
