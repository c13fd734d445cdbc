import { beforeAll, expect, test } from 'vitest'
import * as f from '../src/format'
import { firstChoices, readChoices } from '../src/keep'
import { ACTIONS, actionOf, FIRST, judge, readMapping } from '../src/keys'
import { fitting } from '../src/view/Chat'
import { rare } from '../src/view/rareWords'
import { plural, speak, text } from '../src/words'
import { words as english } from '../src/words.en'
import { words as russian } from '../src/words.ru'

beforeAll(async () => {
  await speak('ru')
  await speak('en')
})

test('Russian counts as Russians do', () => {
  const said = [1, 2, 5, 11, 21, 22, 111].map((n) => plural('ru', 'missed_n', n))
  expect(said).toEqual([
    '1 пропущенный звонок',
    '2 пропущенных звонка',
    '5 пропущенных звонков',
    '11 пропущенных звонков',
    '21 пропущенный звонок',
    '22 пропущенных звонка',
    '111 пропущенных звонков',
  ])
  expect([plural('en', 'chats_n', 1), plural('en', 'chats_n', 2)]).toEqual([
    '1 chat waits for an answer',
    '2 chats wait for an answer',
  ])
})

test('every text stands in both languages, with the same gaps and with every plural form', () => {
  const gaps = (said: string) => (said.match(/\{\w+\}/g) ?? []).sort().join()
  const pairs = [
    [russian.texts, english.texts],
    [rare.RU, rare.EN],
  ] as Record<string, string>[][]
  for (const [ru, en] of pairs) {
    expect(Object.keys(en!)).toEqual(Object.keys(ru!))
    for (const key of Object.keys(ru!)) expect([key, gaps(en![key]!)]).toEqual([key, gaps(ru![key]!)])
  }
  for (const [locale, words] of [
    ['ru', russian],
    ['en', english],
  ] as const) {
    const wanted = new Intl.PluralRules(locale).resolvedOptions().pluralCategories
    for (const forms of Object.values(words.plurals))
      expect(Object.keys(forms)).toEqual(expect.arrayContaining(wanted))
  }
})

test('what fills a text is not read as a text', () => {
  expect(text('ru', 'talking_by', { name: '{name}$&<b>' })).toBe('Разговаривает {name}$&<b>')
})

test.each([
  ['+79161234567', '+7 916 123-45-67'],
  ['••••••••••67', '•• ••• •••-••-67'],
  ['+447911123456', '+44 791 112 3456'],
  ['+375291234567', '+375 291 234 567'],
  ['', ''],
  ['<b>', '<b>'],
])('phone %s reads %s', (value, shown) => {
  expect(f.phone(value)).toBe(shown)
})

test('money, moments and lengths read as in the language', () => {
  const at = Date.parse('2026-11-25T09:30:00Z')
  expect(f.money('ru', '1500.00', 'RUB').replace(/\s/g, ' ')).toBe('1 500 ₽')
  expect([
    f.money('en', '1500.50', 'KZT').includes('1,500.50'),
    f.money('ru', null, 'RUB'),
    f.money('ru', '5', '??'),
  ]).toEqual([true, '', '5'])
  expect(f.moment('ru', 'Europe/Moscow', at, at)).toBe('12:30')
  expect(f.moment('ru', 'Europe/Moscow', at, at + 86_400_000)).toContain('25 нояб.')
  expect(f.moment('ru', 'Nowhere/At all', at, at)).toMatch(/^\d\d:\d\d$/)
  expect(f.moment('ru', 'Europe/Moscow', Number.NaN, at)).toBe('')
  expect([f.duration(5), f.duration(75), f.duration(3671), f.duration(-3)]).toEqual([
    '0:05',
    '1:15',
    '1:01:11',
    '0:00',
  ])
})

test.each([
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'JaVaScRiPt:alert(1)//https://good.example',
  'https://good.example@evil.example/',
  'https://user:secret@evil.example/',
  'vbscript:x',
  'file:///etc/passwd',
  '//evil.example',
  ' ',
])('%s is no address to follow', (value) => {
  expect(f.safeUrl(value)).toBe(null)
  expect(f.pieces(value).some((piece) => piece.href && /evil|javascript/i.test(piece.href))).toBe(false)
})

test('addresses in a text become links without the signs around them, the rest stays as it was', () => {
  const said = 'См. (https://salon.example/price?a=1), или <a href="https://x.example">тут</a>!'
  const found = f.pieces(said)
  expect(found.map((piece) => piece.text).join('')).toBe(said)
  expect(found.filter((piece) => piece.href).map((piece) => piece.text)).toEqual([
    'https://salon.example/price?a=1',
    'https://x.example',
  ])
})

const pressed = (code: string, more = {}) => ({
  code, key: '', altKey: true, ctrlKey: false, metaKey: false, shiftKey: false, altGraph: false, ...more,
}) // biome-ignore format: one press

test('keys are Alt and a letter by its place; typing, AltGr and Ctrl are left alone', () => {
  expect(actionOf(FIRST, pressed('KeyJ', { key: 'о' }), true, false)).toBe('next')
  expect(actionOf(FIRST, pressed('KeyJ'), true, true)).toBe(null)
  expect(actionOf(FIRST, pressed('KeyJ', { altGraph: true }), false, false)).toBe(null)
  expect(actionOf(FIRST, pressed('KeyJ', { ctrlKey: true }), false, false)).toBe(null)
  expect(actionOf(FIRST, pressed('KeyJ', { altKey: false }), false, false)).toBe(null)
  expect(actionOf(FIRST, pressed('Slash', { altKey: false, key: '?' }), false, false)).toBe('help')
  expect(actionOf(FIRST, pressed('Slash', { altKey: false, key: '?' }), true, false)).toBe(null)
})

test('the first mapping clashes with nothing, and a bad one is not taken', () => {
  for (const action of ACTIONS) expect([action, judge(FIRST, action, FIRST[action])]).toEqual([action, 'ok'])
  expect([
    judge(FIRST, 'next', 'KeyD'),
    judge(FIRST, 'next', 'Digit1'),
    judge(FIRST, 'next', 'KeyM'),
  ]).toEqual(['browser', 'bad', { twice: 'missed' }])
  expect(readMapping({ next: 'KeyX', take: 'KeyF', call: 5, open: 'KeyX' })).toEqual({
    ...FIRST,
    next: 'KeyX',
  })
  expect(readMapping('none')).toEqual(FIRST)
})

test('what a browser kept is read as far as it makes sense', () => {
  expect(readChoices(null)).toEqual(firstChoices)
  const read = readChoices({
    tone: 'loud',
    lang: 'fr',
    volume: 900,
    muted: 'yes',
    blur: true,
    quick: ['a', 5],
    other: 1,
  })
  expect(read).toEqual({ ...firstChoices, volume: 100, blur: true, quick: ['a'] })
})

test('quick answers open with a slash alone at the beginning', () => {
  const answers = ['Здравствуйте!', 'До встречи']
  expect([fitting(answers, '/'), fitting(answers, '/встр'), fitting(answers, '/x')]).toEqual([
    answers,
    ['До встречи'],
    [],
  ])
  expect([fitting(answers, ''), fitting(answers, 'да/нет'), fitting(answers, '/a\nb')]).toEqual([
    null,
    null,
    null,
  ])
})

test('a phone that stands for a name is known as one, however it is written', () => {
  for (const name of ['79161234567', '+7 (916) 123-45-67', '8 916 123 45 67', 'Анна 916.123.45', '123–45–67'])
    expect(f.hasNumber(name), name).toBe(true)
  for (const name of ['Анна', 'Анна 2', 'Client 1024', '']) expect(f.hasNumber(name), name).toBe(false)
})
