/**
 * Finds phones in the cabinet's page and keeps up with it: new and changed texts alone are looked at, in slices, while
 * the page has nothing better to do. Nothing is put into the page: phones are marked by the browser's highlights.
 */
import { asE164, mayHold, type Phone, phonesIn } from './phones'

const SKIP = 'script,style,noscript,textarea,iframe,svg,canvas,[contenteditable]:not([contenteditable=false])'
const FIELDS = 'input[type=tel],input[name*=phone i],input[autocomplete=tel]'
const SLICE_MS = 6
const MOST = 3000
const QUIET_MS = 250
const NAME = 'yclick-phone'

export interface Target {
  phone: string
  box: DOMRect
}

interface Marked {
  phone: Phone
  range: Range
}

export class Finder {
  private readonly marks = new Map<Text, Marked[]>()
  private readonly waiting = new Set<Node>()
  private count = 0
  private under = false
  private quiet = 0

  /** `settled`: called some time after the page stopped changing. */
  constructor(
    private readonly ours: (node: Node) => boolean,
    private readonly settled: () => void,
  ) {}

  start(): void {
    this.look(document.body)
    new MutationObserver((changes) => {
      for (const change of changes) {
        if (change.type === 'characterData') this.look(change.target)
        else for (const node of change.addedNodes) this.look(node)
      }
      this.wakeWhenQuiet()
    }).observe(document.documentElement, { childList: true, subtree: true, characterData: true })
  }

  /** Phones that can be seen now, from the top down, each once. */
  seen(): Target[] {
    const found: Target[] = []
    for (const [node, marked] of this.marks) {
      if (!node.isConnected) continue
      for (const one of marked) {
        const box = one.range.getBoundingClientRect()
        if (inWindow(box)) found.push({ phone: one.phone.phone, box })
      }
    }
    for (const field of document.querySelectorAll<HTMLInputElement>(FIELDS)) {
      const phone = asE164(field.value)
      const box = field.getBoundingClientRect()
      if (phone && inWindow(box)) found.push({ phone, box })
    }
    found.sort((a, b) => a.box.top - b.box.top || a.box.left - b.box.left)
    return found.filter((one, at) => found.findIndex((other) => other.phone === one.phone) === at)
  }

  /** The phone at a point of the window, or under the element the pointer is on. */
  at(x: number, y: number, element: Element | null): Target | null {
    const own = element && this.of(element)
    if (own) return own
    const place = document.caretPositionFromPoint(x, y)
    const marked =
      place && place.offsetNode.nodeType === Node.TEXT_NODE
        ? this.marks.get(place.offsetNode as Text)
        : undefined
    for (const one of marked ?? []) {
      const box = one.range.getBoundingClientRect()
      if (x >= box.left - 2 && x <= box.right + 2 && y >= box.top - 2 && y <= box.bottom + 2) {
        return { phone: one.phone.phone, box }
      }
    }
    return null
  }

  /** The phone an element itself is: a field or a link of a phone. */
  of(element: Element): Target | null {
    const field = element.closest<HTMLInputElement>(FIELDS)
    const link = element.closest<HTMLAnchorElement>('a[href^="tel:"]')
    const phone = field ? asE164(field.value) : link ? asE164(decode(link.href.slice(4))) : ''
    return phone ? { phone, box: (field ?? link)!.getBoundingClientRect() } : null
  }

  /** All different phones inside an element. */
  inside(root: Element): Set<string> {
    const found = new Set<string>()
    for (const [node, marked] of this.marks) {
      if (root.contains(node)) for (const one of marked) found.add(one.phone.phone)
    }
    for (const field of root.querySelectorAll<HTMLInputElement>(FIELDS)) {
      const phone = asE164(field.value)
      if (phone) found.add(phone)
    }
    return found
  }

  private look(node: Node): void {
    if (this.ours(node)) return
    this.waiting.add(node)
    if (this.under) return
    this.under = true
    requestIdleCallback((free) => this.slice(free), { timeout: 1500 })
  }

  private slice(free: IdleDeadline): void {
    const until = performance.now() + Math.max(SLICE_MS, Math.min(free.timeRemaining(), 20))
    for (const root of this.waiting) {
      this.waiting.delete(root)
      if (!root.isConnected) continue
      if (root.nodeType === Node.TEXT_NODE) this.text(root as Text)
      else if (root.nodeType === Node.ELEMENT_NODE) this.walk(root as Element, until)
      if (performance.now() > until) break
    }
    this.under = this.waiting.size > 0
    if (this.under) requestIdleCallback((next) => this.slice(next), { timeout: 1500 })
    else this.wakeWhenQuiet()
  }

  /** A tree that is too large for one slice leaves its unread branches for the next. */
  private walk(root: Element, until: number): void {
    const stack: Node[] = [root]
    for (let at = 1; stack.length; at++) {
      const node = stack.pop()!
      if (node.nodeType === Node.TEXT_NODE) this.text(node as Text)
      else if (node.nodeType === Node.ELEMENT_NODE && !(node as Element).matches(SKIP)) {
        for (let child = node.lastChild; child; child = child.previousSibling) stack.push(child)
      }
      if (at % 64 === 0 && performance.now() > until) {
        for (const left of stack) this.waiting.add(left)
        return
      }
    }
  }

  private text(node: Text): void {
    const before = this.marks.get(node)
    if (before) this.forget(node, before)
    if (this.count >= MOST || !mayHold(node.data) || node.parentElement?.closest(SKIP)) return
    const marked = phonesIn(node.data).map((phone) => {
      const range = document.createRange()
      range.setStart(node, phone.start)
      range.setEnd(node, phone.end)
      return { phone, range }
    })
    if (marked.length === 0) return
    this.marks.set(node, marked)
    this.count += marked.length
    for (const one of marked) highlight().add(one.range)
  }

  private forget(node: Text, marked: Marked[]): void {
    this.marks.delete(node)
    this.count -= marked.length
    for (const one of marked) highlight().delete(one.range)
  }

  private wakeWhenQuiet(): void {
    clearTimeout(this.quiet)
    this.quiet = setTimeout(() => {
      for (const [node, marked] of this.marks) if (!node.isConnected) this.forget(node, marked)
      this.settled()
    }, QUIET_MS)
  }
}

/** The page may throw it away; then there is another. */
function highlight(): Highlight {
  const known = CSS.highlights.get(NAME)
  if (known) return known
  const made = new Highlight()
  CSS.highlights.set(NAME, made)
  return made
}

const inWindow = (box: DOMRect): boolean =>
  box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
