import { describe, expect, it } from 'vitest'
import { asE164, phonesIn } from '../src/phones'

const found = (text: string) => phonesIn(text).map((one) => one.phone)

describe('phones in a text', () => {
  it.each([
    '+7 916 123-45-67',
    '+7 (916) 123-45-67',
    '8 (916) 123 45 67',
    '89161234567',
    '79161234567',
    '+79161234567',
    '8-916-123-45-67',
    '+7\u00a0916\u00a0123\u00a045\u00a067',
  ])('%s', (written) => {
    expect(found(`тел. ${written}, Анна`)).toEqual(['+79161234567'])
  })

  it('says where each stands', () => {
    const text = 'дом 8 495 000-00-01, моб. +375 29 123-45-67.'
    expect(phonesIn(text).map((one) => text.slice(one.start, one.end))).toEqual([
      '8 495 000-00-01',
      '+375 29 123-45-67',
    ])
    expect(found(text)).toEqual(['+74950000001', '+375291234567'])
  })

  it.each([
    '2026-11-27 05:00:00',
    '1 916 123 45 67',
    'заказ 891612345678',
    '12345678901234567890',
    '8 000 123-45-67',
    '4 200,00 ₽ 2 500,00 ₽',
    'ИНН 7712345678',
    '192.168.100.200',
    '',
  ])('no phone: %s', (text) => {
    expect(found(text)).toEqual([])
  })

  it('a text of nothing but digits and brackets is read in no time at all', () => {
    expect(found('+7 (('.repeat(800))).toEqual([])
    expect(found('8 9'.repeat(1300)).length).toBeLessThan(400)
  })

  it('a field may hold ten digits', () => {
    expect(asE164('9161234567')).toBe('+79161234567')
    expect(asE164('8 916 123-45-67')).toBe('+79161234567')
    expect(asE164('')).toBe('')
  })
})
