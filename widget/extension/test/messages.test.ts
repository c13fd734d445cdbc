import { describe, expect, it } from 'vitest'
import { companyOf, isChanged } from '../src/known'
import { asCounts, asId, asPhone, asPlace, FIRST_PLACE, isCabinet } from '../src/messages'

describe('what comes from outside', () => {
  it('is read as nothing when it is nothing', () => {
    for (const value of [
      null,
      undefined,
      7,
      'text',
      [],
      [1],
      { ringing: {}, missed: -1, waiting: Number.NaN, link: 'x' },
    ]) {
      expect(asCounts(value)).toEqual({ link: 'off', ringing: 0, missed: 0, waiting: 0 })
    }
    for (const value of [
      '+79161234567x',
      '79161234567',
      '+7916<img>',
      {},
      '+0123456789',
      '+7 916 123 45 67',
    ]) {
      expect(asPhone(value)).toBe('')
    }
    expect(asPhone('+79161234567')).toBe('+79161234567')
    expect([asId(1.5), asId(-1), asId('7'), asId(7)]).toEqual([null, null, null, 7])
    expect(asPlace({ side: 'up', mode: 7, top: 9 })).toEqual({ ...FIRST_PLACE, mode: 'strip' })
    expect(asPlace(undefined)).toEqual(FIRST_PLACE)
  })

  it('counts for the cabinet only by its origin', () => {
    const patterns = ['https://*.yclients.com/*', 'http://yclients.localhost:8081/*']
    for (const origin of [
      'https://yclients.com',
      'https://www.yclients.com',
      'http://yclients.localhost:8081',
    ]) {
      expect(isCabinet(origin, patterns), origin).toBe(true)
    }
    for (const origin of [
      'http://yclients.com',
      'https://yclients.com.evil.example',
      'https://evilyclients.com',
      'https://yclients.com:444',
      'http://yclients.localhost:8082',
      'null',
      '',
    ]) {
      expect(isCabinet(origin, patterns), origin).toBe(false)
    }
  })
})

describe('pages of the cabinet', () => {
  it('name their branch', () => {
    expect(companyOf('/timetable/4564')).toBe(4564)
    expect(companyOf('/clients/4564/base/')).toBe(4564)
    expect(companyOf('/settings/filial_staff/4564/')).toBe(4564)
    expect(companyOf('/finances/kassa/list/4564')).toBe(4564)
    expect(companyOf('/')).toBeNull()
    expect(companyOf('/timetable/x')).toBeNull()
  })

  it('are changed without their root, or without anything on them', () => {
    const page = (has: boolean, text: string) => ({ has: () => has, text: () => text })
    const text = 'Клиентская база: 120 клиентов'
    expect(isChanged('/clients/4564/base/', page(true, text))).toBe(false)
    expect(isChanged('/clients/4564/base/', page(false, text))).toBe(true)
    expect(isChanged('/timetable/4564', page(false, text))).toBe(false)
    expect(isChanged('/timetable/4564', page(false, ''))).toBe(true)
  })
})
