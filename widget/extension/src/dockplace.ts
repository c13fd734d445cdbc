/** The dock's element in the cabinet's page: a frame of the extension's own page, placed where it covers nothing. */
import type { Mode, Place, Side } from './messages'
import { type Box, column, FULL_W, NARROW, SHEET, STRIP_W, type Stood, stand, type View } from './place'

const PRESSED =
  'a[href],button,input,select,textarea,summary,label,[role=button],[role=tab],[role=menuitem],[role=link],[onclick],[tabindex]:not([tabindex="-1"])'
const STEP = 14
const SIDES: Side[] = ['left', 'right']
/** A page that throws the dock away again and again is left alone. */
const MOST_RETURNS = 20

export class Dock {
  private readonly host = document.createElement('yclick-dock')
  private readonly where = new CSSStyleSheet()
  private returns = 0
  private shown: { mode: Mode; side: Side } | null = null

  constructor(
    private place: Place,
    title: string,
    private readonly keepPlace: (place: Place) => void,
    private readonly tellSize: (mode: Mode) => void,
  ) {
    const root = this.host.attachShadow({ mode: 'closed' })
    const style = new CSSStyleSheet()
    style.replaceSync(
      ':host{all:initial!important;position:fixed!important;z-index:2147483600!important;display:block!important;color-scheme:light!important;background:#fff!important;box-shadow:0 0 14px #14203a38!important;overflow:hidden!important}iframe{width:100%;height:100%;border:0;display:block}',
    )
    root.adoptedStyleSheets = [style, this.where]
    const frame = document.createElement('iframe')
    frame.src = chrome.runtime.getURL('dock.html')
    frame.title = title
    frame.allow = 'autoplay; clipboard-write'
    root.append(frame)
  }

  owns(node: Node): boolean {
    return node === this.host
  }

  /** In the page, whatever the page did with it. */
  keep(): void {
    if (this.host.isConnected || this.returns++ > MOST_RETURNS) return
    // Beside the body: an application that renders its body anew leaves it alone.
    document.documentElement.append(this.host)
  }

  set(change: Partial<Place>): void {
    this.place = { ...this.place, ...change }
    this.settle()
    this.keepPlace(this.place)
  }

  toggle(): void {
    this.set({ mode: this.shown?.mode === 'full' ? 'strip' : 'full' })
  }

  unfold(): void {
    if (this.shown?.mode !== 'full') this.set({ mode: 'full' })
  }

  otherSide(): void {
    this.set({ side: this.shown?.side === 'right' ? 'left' : 'right' })
  }

  /** Looks again at what lies around, and stands there. */
  settle(): void {
    const view = { width: innerWidth, height: innerHeight }
    const wide = view.width >= NARROW
    const full = this.place.mode === 'full' ? this.full(view, wide) : null
    const { box, mode, side } = full ?? this.strip(view)
    // From inside the closed root: what the page says about our element does not count.
    const [width, height] = [box.right - box.left, box.bottom - box.top]
    this.where.replaceSync(
      `:host{left:${box.left}px!important;top:${box.top}px!important;width:${width}px!important;height:${height}px!important}`,
    )
    const before = this.shown
    this.shown = { mode, side }
    if (before?.mode !== mode) this.tellSize(mode)
  }

  /** Says again how it stands: a frame that was loaded later has not heard. */
  again(): void {
    if (this.shown) this.tellSize(this.shown.mode)
  }

  /** The open dock; null where it would have to cover something. Then it folds, and the person's wish stays. */
  private full(view: View, wide: boolean): Stood | null {
    this.reserve(wide ? this.place.side : 'bottom', view)
    // A narrow window has a sheet across it: the page scrolls above it, and what does not scroll is left free.
    const taken = wide
      ? SIDES.flatMap((one) => this.taken(column(one, FULL_W, view), one !== this.place.side))
      : this.taken(column('left', view.width, view), true)
    const stood = stand(this.place, view, taken)
    if (stood.mode !== 'full') return null
    if (wide && stood.side !== this.place.side) this.reserve(stood.side, view)
    return stood
  }

  private strip(view: View): Stood {
    this.reserve(null, view)
    const taken = SIDES.flatMap((one) => this.taken(column(one, STRIP_W, view), false))
    return stand({ ...this.place, mode: 'strip' }, view, taken)
  }

  /** The page keeps its whole width, less the column: nothing in its flow lies under the dock. */
  private reserve(side: Side | 'bottom' | null, view: View): void {
    const style = document.documentElement.style
    for (const one of ['left', 'right', 'bottom'] as const) {
      const room = one === 'bottom' ? Math.round(view.height * SHEET) : FULL_W
      const wanted = one === side ? `${room}px` : ''
      if (style.getPropertyValue(`margin-${one}`) === wanted) continue
      if (wanted) style.setProperty(`margin-${one}`, wanted, 'important')
      else style.removeProperty(`margin-${one}`)
    }
  }

  /** What can be pressed in a column, found by asking what is at its points. */
  private taken(strip: Box, fixedOnly: boolean): Box[] {
    const found = new Map<Element, Box>()
    for (let y = 2; y < strip.bottom; y += STEP) {
      for (let x = strip.left + 2; x < strip.right; x += STEP) {
        for (const one of document.elementsFromPoint(x, y)) {
          if (one === this.host) continue
          const pressed = one.closest(PRESSED)
          if (!pressed || found.has(pressed) || (fixedOnly && !isFixed(pressed))) continue
          const { left, top, right, bottom } = pressed.getBoundingClientRect()
          found.set(pressed, { left, top, right, bottom })
        }
      }
    }
    return [...found.values()]
  }
}

function isFixed(element: Element): boolean {
  for (let one: Element | null = element; one; one = one.parentElement) {
    if (getComputedStyle(one).position === 'fixed') return true
  }
  return false
}
