import { describe, expect, it } from 'vitest'
import type { Place } from '../src/messages'
import { type Box, FULL_W, STRIP_H, STRIP_W, stand } from '../src/place'

const VIEW = { width: 1280, height: 800 }
const FULL: Place = { side: 'right', mode: 'full', top: 0.4 }
const box = (left: number, top: number, width: number, height: number): Box => ({
  left,
  top,
  right: left + width,
  bottom: top + height,
})
const crosses = (a: Box, b: Box) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom

describe('the dock', () => {
  it('has a column of its own beside an empty page', () => {
    expect(stand(FULL, VIEW, [])).toEqual({
      box: box(1280 - FULL_W, 0, FULL_W, 800),
      mode: 'full',
      side: 'right',
    })
  })

  it('stands between two buttons', () => {
    const stood = stand(FULL, VIEW, [box(1200, 720, 56, 56), box(1250, 320, 30, 35)])
    expect(stood.mode).toBe('full')
    expect([stood.box.top, stood.box.bottom]).toEqual([355, 720])
  })

  it('goes to the other side, and folds where both are taken', () => {
    const right = [box(1100, 150, 40, 40), box(1100, 400, 40, 40), box(1100, 650, 40, 40)]
    expect(stand(FULL, VIEW, right)).toMatchObject({ mode: 'full', side: 'left' })
    const both = [...right, ...right.map((one) => ({ ...one, left: 100, right: 140 }))]
    expect(stand(FULL, VIEW, both)).toMatchObject({ mode: 'strip', side: 'right' })
  })

  it('covers nothing that can be pressed, whatever lies there', () => {
    let seed = 7
    const random = (most: number) => {
      seed = (seed * 16807) % 2147483647
      return seed % most
    }
    for (let round = 0; round < 500; round++) {
      const view = { width: 320 + random(1600), height: 500 + random(800) }
      const taken = Array.from({ length: random(8) }, () =>
        box(random(view.width), random(view.height), 10 + random(120), 10 + random(60)),
      )
      const place: Place = {
        side: random(2) ? 'left' : 'right',
        mode: random(2) ? 'full' : 'strip',
        top: random(100) / 100,
      }
      const stood = stand(place, view, taken)
      const height = stood.box.bottom - stood.box.top
      if (stood.mode === 'strip' && height < STRIP_H) continue // nothing is free: the smallest corner
      expect(taken.filter((one) => crosses(one, stood.box))).toEqual([])
      expect(stood.box.left).toBeGreaterThanOrEqual(0)
      expect(stood.box.right).toBeLessThanOrEqual(view.width)
    }
  })

  it('keeps the strip as near as it can to where it was put', () => {
    const strip: Place = { side: 'left', mode: 'strip', top: 1 }
    expect(stand(strip, VIEW, []).box).toEqual(box(0, 800 - STRIP_H, STRIP_W, STRIP_H))
    expect(stand(strip, VIEW, [box(0, 700, 30, 30)]).box.bottom).toBe(700)
  })
})
