/**
 * Where the dock stands so that it covers nothing that can be pressed: a pure function of what lies in its column.
 *
 * `taken`: what of the page can be pressed, in the window's coordinates.
 */
import type { Mode, Place, Side } from './messages'

export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}
export interface View {
  width: number
  height: number
}

export const FULL_W = 340
export const STRIP_W = 52
export const STRIP_H = 276
/** Less than this shows no call: the dock folds instead. */
const LEAST_H = 300
/** A window narrower than this has no room for a column beside the page. */
export const NARROW = 760
export const SHEET = 0.55

export function column(side: Side, width: number, view: View): Box {
  const left = side === 'left' ? 0 : view.width - width
  return { left, top: 0, right: left + width, bottom: view.height }
}

/** Free stretches of a column, from the top down. */
export function free(strip: Box, taken: Box[]): [number, number][] {
  const inside = taken
    .filter(
      (one) =>
        one.right > strip.left && one.left < strip.right && one.bottom > strip.top && one.top < strip.bottom,
    )
    .sort((a, b) => a.top - b.top)
  const found: [number, number][] = []
  let from = strip.top
  for (const one of inside) {
    if (one.top > from) found.push([from, one.top])
    from = Math.max(from, one.bottom)
  }
  if (strip.bottom > from) found.push([from, strip.bottom])
  return found
}

const largest = (stretches: [number, number][]): [number, number] =>
  stretches.reduce((best, one) => (one[1] - one[0] > best[1] - best[0] ? one : best), [0, 0])

/** The dock's box, and in which mode and on which side it stands. */
export interface Stood {
  box: Box
  mode: Mode
  side: Side
}

export function stand(place: Place, view: View, taken: Box[]): Stood {
  const other: Side = place.side === 'right' ? 'left' : 'right'
  if (place.mode === 'full') {
    const width = view.width < NARROW ? view.width : FULL_W
    const top = view.width < NARROW ? Math.round(view.height * (1 - SHEET)) : 0
    for (const side of [place.side, other]) {
      const whole = { ...column(side, width, view), top }
      const [from, to] = largest(free(whole, taken))
      if (to - from >= Math.min(LEAST_H, view.height - top)) {
        return { box: { ...whole, top: from, bottom: to }, mode: 'full', side }
      }
    }
  }
  for (const side of [place.side, other]) {
    const strip = column(side, STRIP_W, view)
    const wanted = Math.round(place.top * (view.height - STRIP_H))
    const tops = free(strip, taken)
      .filter(([from, to]) => to - from >= STRIP_H)
      .map(([from, to]) => Math.min(Math.max(wanted, from), to - STRIP_H))
      .sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))
    const top = tops[0]
    if (top !== undefined) return { box: { ...strip, top, bottom: top + STRIP_H }, mode: 'strip', side }
  }
  // No stretch is free anywhere: the smallest box, in the corner the person chose.
  const corner = column(place.side, STRIP_W, view)
  return {
    box: { ...corner, top: Math.max(0, view.height - STRIP_W), bottom: view.height },
    mode: 'strip',
    side: place.side,
  }
}
