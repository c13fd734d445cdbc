import { describe, expect, it } from 'vitest'
import { bookingCall, campaignOf, decorate, isFormHost, markIn, unmark } from '../src/addresses'

const MARK = 'a1b2c3d4e5f6g7h8i9j0kl'
const OTHER = 'zzzzzzzzzzzzzzzzzzzzzz'
const P = `yextrafield_yclick=${MARK}`

describe('decorate', () => {
  it.each([
    ['https://n1.yclients.com/', `https://n1.yclients.com/?${P}`],
    ['https://n1.yclients.com', `https://n1.yclients.com?${P}`],
    ['https://n1.yclients.com/?', `https://n1.yclients.com/?${P}`],
    ['https://n1.yclients.com/?a=1&', `https://n1.yclients.com/?a=1&${P}`],
    ['https://n1.yclients.com/?o=&b', `https://n1.yclients.com/?o=&b&${P}`],
    ['https://n1.yclients.com/#top', `https://n1.yclients.com/?${P}#top`],
    ['https://n1.yclients.com/?o=m1s2#top?x=1', `https://n1.yclients.com/?o=m1s2&${P}#top?x=1`],
    ['https://n1.yclients.com/#/company/1/menu?o=', `https://n1.yclients.com/?${P}#/company/1/menu?o=`],
    ['/company:1', `/company:1?${P}`],
    ['?x=%20+%D1%8F', `?x=%20+%D1%8F&${P}`],
    ['', `?${P}`],
  ])('%s', (address, expected) => {
    expect(decorate(address, MARK)).toBe(expected)
    expect(markIn(expected)).toBe(MARK)
  })

  it.each([
    [`https://n1.yclients.com/?yextrafield_yclick=${OTHER}`, `https://n1.yclients.com/?${P}`],
    [`https://n1.yclients.com/?yextrafield_yclick=${OTHER}&o=1#x`, `https://n1.yclients.com/?o=1&${P}#x`],
    [`https://n1.yclients.com/?a=1&yextrafield_yclick=&o=1`, `https://n1.yclients.com/?a=1&o=1&${P}`],
  ])('puts a new mark in the place of an old one: %s', (address, expected) => {
    expect(decorate(address, MARK)).toBe(expected)
  })
})

describe('unmark', () => {
  it.each([
    [`/?${P}`, '/'],
    [`/?${P}#top`, '/#top'],
    [`/?${P}&o=&x=%2F+a`, '/?o=&x=%2F+a'],
    [`/?o=&${P}&x=1#y`, '/?o=&x=1#y'],
    [`/?o=&x=1&${P}`, '/?o=&x=1'],
    ['/?o=%D1%8F&&=&utm_source=ya+ru#a?b&c', '/?o=%D1%8F&&=&utm_source=ya+ru#a?b&c'],
    [`/?xyextrafield_yclick=${MARK}`, `/?xyextrafield_yclick=${MARK}`],
  ])('%s', (address, expected) => {
    expect(unmark(address)).toBe(expected)
  })

  it('undoes decorate', () => {
    for (const address of ['/', '/a?b', '/a?b=1&c#d', '/#/x?y=1'])
      expect(unmark(decorate(address, MARK))).toBe(address)
  })
})

describe('markIn', () => {
  it.each([
    ['/', ''],
    ['/?yextrafield_yclick=', ''],
    ['/?yextrafield_yclick=short', ''],
    ['/?xyextrafield_yclick=a1b2c3d4e5f6g7h8i9j0kl', ''],
    [`/?a=1&${P}&b=2`, MARK],
    [`/?${P}`, MARK],
  ])('%s', (address, expected) => {
    expect(markIn(address)).toBe(expected)
  })
})

describe('campaignOf', () => {
  it.each([
    ['https://s.test/', ''],
    ['https://s.test/?page=2&ref=1', ''],
    ['https://s.test/?utm_source=&yclid=', ''],
    ['https://s.test/?utm_source=a&p=1&utm_medium=b', '?utm_source=a&utm_medium=b'],
    ['https://s.test/?UTM_Source=A', '?UTM_Source=A'],
    ['https://s.test/#utm_source=a&x=1', '#utm_source=a'],
    ['https://s.test/?yclid=1', '?yclid=1'],
    ['https://s.test/?gclid=1&wbraid=2&gbraid=3', '?gclid=1&wbraid=2&gbraid=3'],
    ['https://s.test/?ysclid=q&fbclid=2&msclkid=3', '?ysclid=q&fbclid=2&msclkid=3'],
    ['https://s.test/?_openstat=x', '?_openstat=x'],
  ])('%s', (address, expected) => {
    expect(campaignOf(address)).toBe(expected)
  })
})

describe('isFormHost', () => {
  const own = ['zapis.salon.ru', 'form.test:8081']

  it.each([
    'n1.yclients.com',
    'b822081.yclients.com',
    'w1.yclients.ru',
    'y5.yclients.com',
    'o77.yclients.com',
    'n958200.alteg.io',
    'n1.yclients.com:8443',
    'zapis.salon.ru',
    'zapis.salon.ru:443',
    'm.zapis.salon.ru',
    'form.test:8081',
    'a.form.test:8081',
  ])('%s is one', (host) => {
    expect(isFormHost(host, own)).toBe(true)
  })

  it.each([
    'yclients.com',
    'www.yclients.com',
    'support.yclients.com',
    'n.yclients.com',
    'n1x.yclients.com',
    'z1.yclients.com',
    'n1.yclients.com.evil.tld',
    'n1.yclients.comx',
    'evil-yclients.com',
    'n1.evil-yclients.com',
    'xn1.yclients.com',
    'a.n1.yclients.com',
    'n1-yclients.com',
    'n1.yclientsxcom',
    'n1.yclients.ru.com',
    'n1.alteg.io.evil',
    'salon.ru',
    'xzapis.salon.ru',
    'zapis.salon.ru.evil.tld',
    'form.test',
    'form.test:80',
    'form.test:80811',
    '',
  ])('%s is none', (host) => {
    expect(isFormHost(host, own)).toBe(false)
  })
})

describe('bookingCall', () => {
  it.each([
    ['POST', 'https://n1.yclients.com/api/v1/book_record/4564', '4564', undefined],
    ['post', '/api/v1/book_record/4564/', '4564', undefined],
    ['POST', '/api/v1/book_record/4564?x=1', '4564', undefined],
    ['POST', '/api/v1/activity/4564/9001/book', undefined, '4564'],
    ['POST', new URL('https://n1.alteg.io/api/v1/activity/4564/9001/book/#a'), undefined, '4564'],
  ])('%s %s books', (method, url, single, group) => {
    const [, one, two] = bookingCall(method, url) || []
    expect([one, two]).toEqual([single, group])
  })

  it.each([
    ['GET', '/api/v1/book_record/4564'],
    ['POST', '/api/v1/book_record/'],
    ['POST', '/api/v1/book_record/4564/check'],
    ['POST', '/api/v1/xbook_record'],
    ['POST', '/api/v1/activity/4564/book'],
    ['POST', '/api/v1/activity/4564/9001/booking'],
    ['POST', undefined],
    [undefined, '/api/v1/book_record/4564'],
  ])('%s %s does not', (method, url) => {
    expect(bookingCall(method, url)).toBeFalsy()
  })
})
