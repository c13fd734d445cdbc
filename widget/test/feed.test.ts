import { expect, test } from 'vitest'
import { answering, empty, live, missed, take, talked, talkFrom, waits } from '../src/feed'
import { eventStream, type Item, readTold, type Told } from '../src/wire'

const NOW = Date.parse('2026-11-25T10:00:00Z')
const call = (id: string, state: Item['state'], more: Partial<Item> = {}): Item => ({
  subject: `call:${id}`,
  kind: 'call',
  id,
  state,
  at: '2026-11-25T10:00:00Z',
  ...more,
})
const event = (seq: number, item: Item): Told => ({
  type: 'event',
  seq,
  kind: 'call.ringing',
  subject: item.subject,
  at: item.at,
  event: {},
  item,
})
const reset = (seq: number, ...items: Item[]): Told => ({ type: 'reset', seq, items })

test('each event is taken once and in order, however often and out of turn it comes', () => {
  let feed = take(empty, reset(4)).feed
  const seen: number[] = []
  for (const seq of [5, 5, 4, 7, 6, 6, 7, 8, 3]) {
    const taken = take(feed, event(seq, call(String(seq), 'ringing')))
    if (taken.event) seen.push(seq)
    feed = taken.feed
  }
  expect(seen).toEqual([5, 6, 7, 8])
  expect(feed.seq).toBe(8)
})

test('a gap is asked for from the own number, and nothing is shown before it is filled', () => {
  const feed = take(empty, reset(4)).feed
  const taken = take(feed, event(7, call('7', 'ringing')))
  expect([taken.ask, taken.event, taken.feed]).toEqual([4, null, feed])
  expect(take(feed, { type: 'beat', seq: 4 }).ask).toBe(null)
  expect(take(feed, { type: 'beat', seq: 5 }).ask).toBe(4)
})

test('nothing counts before the first snapshot, and a snapshot replaces everything', () => {
  expect(take(empty, event(1, call('1', 'ringing'))).feed).toBe(empty)
  const before = take(empty, reset(9, call('1', 'missed'), call('2', 'ended'))).feed
  const after = take(before, reset(3, call('3', 'ended'))).feed
  expect([Object.keys(after.items), after.seq]).toEqual([['call:3'], 3])
})

test('what rings too long ago is not live, an outgoing or returned call is not missed', () => {
  const old = call('1', 'ringing', { at: '2026-11-25T09:58:00Z' })
  const feed = take(
    empty,
    reset(
      1,
      old,
      call('2', 'ringing'),
      call('3', 'talking', { at: '2026-11-25T09:30:00Z' }),
      call('4', 'missed'),
      call('5', 'missed', { called_back_by: { person_id: 'p', name: 'Olga' } }),
    ),
  ).feed
  expect(live(feed, NOW).map((item) => item.id)).toEqual(['2', '3'])
  expect(missed(feed).map((item) => item.id)).toEqual(['4'])
})

test('a chat waits while its last word is the client’s', () => {
  const chat = (author: 'visitor' | 'operator', state: Item['state'] = 'open'): Item => ({
    ...call('1', state),
    kind: 'chat',
    last_message: { message_id: 'm', author, author_name: '', text: '', delivered: 'sent' },
  })
  expect([waits(chat('visitor')), waits(chat('operator')), waits(chat('visitor', 'ended'))]).toEqual([
    true,
    false,
    false,
  ])
})

test('a lock of somebody else counts until its time, one’s own never', () => {
  const lock = { subject: 'chat:1', person_id: 'ira', name: 'Ira', until: '2026-11-25T10:00:10Z' }
  const feed = take(empty, { type: 'present', people: [], answering: [lock] }).feed
  expect(answering(feed, 'chat:1', 'olga', NOW)?.name).toBe('Ira')
  expect(answering(feed, 'chat:1', 'ira', NOW)).toBe(null)
  expect(answering(feed, 'chat:1', 'olga', NOW + 11_000)).toBe(null)
})

test('messages that the page already held are not added again, states of delivery are', () => {
  const one = { message_id: 'a', author: 'visitor', text: 'Hi', delivered: 'sent' }
  let talk = talkFrom({ messages: [one], seq: 10 })
  talk = talked(talk, 10, 'chat.message', one)
  talk = talked(talk, 11, 'chat.message', { ...one, message_id: 'b' })
  talk = talked(talk, 12, 'chat.message', { ...one, message_id: 'b' })
  talk = talked(talk, 13, 'chat.message_status', { message_id: 'b', delivered: 'failed', error: 'no' })
  expect(talk.messages.map((message) => [message.message_id, message.delivered])).toEqual([
    ['a', 'sent'],
    ['b', 'failed'],
  ])
  expect(talkFrom({ messages: 'none', seq: null })).toEqual({ messages: [], upto: 0 })
})

test.each([
  '{',
  'null',
  '[]',
  '{"type":"other"}',
  '{"type":"event","seq":"1"}',
  '{"type":"event","seq":1,"item":null}',
  '{"type":"reset","seq":1,"items":{}}',
  '{"type":"present","people":1,"answering":[]}',
])('%s is no message', (text) => {
  expect(readTold(text)).toBe(null)
})

test('a snapshot keeps the items that are some', () => {
  const told = readTold(
    '{"type":"reset","seq":1,"items":[null,1,{"subject":"call:1","kind":"call"},{"kind":"call"}]}',
  )
  expect((told as { items: unknown[] }).items.length).toBe(1)
})

test('a stream is read whatever pieces it comes in', () => {
  const text = 'id: 1\ndata: {"a":1}\n\n: comment\n\ndata: {"b":\ndata: 2}\n\ndata: half'
  for (const size of [1, 3, 1000]) {
    const found: string[] = []
    const feed = eventStream((data) => found.push(data))
    for (let at = 0; at < text.length; at += size) feed(text.slice(at, at + size))
    expect(found).toEqual(['{"a":1}', '{"b":\n2}'])
  }
})
