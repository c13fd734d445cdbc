/** A call to a phone of the page: a button beside the phone under the pointer or in focus, and a list by the keyboard. */
import type { Finder, Target } from './finder'
import type { Word } from './words'

const LINGER_MS = 600
const MOST_LISTED = 30
const STYLE = `
:host{all:initial!important;position:fixed!important;z-index:2147483601!important;left:0;top:0;width:0;height:0}
*{box-sizing:border-box;font:600 14px/1.2 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
button{cursor:pointer;border:0;border-radius:8px;padding:8px 12px;background:#14632f;color:#fff;white-space:nowrap;text-align:left}
button:hover{background:#0f4d25}button:focus-visible{outline:3px solid #ffd55a;outline-offset:1px}
#one{position:fixed;box-shadow:0 3px 12px #14203a59}
#all{position:fixed;right:16px;top:16px;max-height:calc(100vh - 32px);overflow:auto;background:#fff;border-radius:12px;box-shadow:0 8px 32px #14203a59;padding:12px;display:grid;gap:6px;color:#1c2530}
#all p{margin:0 0 4px}[hidden]{display:none!important}`

export class Caller {
  private readonly host = document.createElement('yclick-call')
  private readonly one = document.createElement('button')
  private readonly all = document.createElement('div')
  private phone = ''
  private leaving = 0
  private asked = false
  private back: Element | null = null

  constructor(
    private readonly finder: Finder,
    private readonly word: (word: Word) => string,
    private readonly call: (phone: string) => void,
  ) {
    const root = this.host.attachShadow({ mode: 'closed' })
    const style = new CSSStyleSheet()
    style.replaceSync(STYLE)
    root.adoptedStyleSheets = [style]
    this.one.id = 'one'
    this.one.hidden = true
    this.all.id = 'all'
    this.all.hidden = true
    this.all.setAttribute('role', 'dialog')
    this.all.setAttribute('aria-label', word('phones'))
    root.append(this.one, this.all)
    // The page can dispatch what it likes: only a person's own press counts.
    this.one.addEventListener('click', (event) => event.isTrusted && this.order(this.phone))
    this.one.addEventListener('pointerenter', () => clearTimeout(this.leaving))
    this.one.addEventListener('pointerleave', () => this.leave())
    this.all.addEventListener('keydown', (event) => this.onKey(event))
    addEventListener('pointermove', (event) => this.onMove(event), { passive: true, capture: true })
    addEventListener('focusin', (event) => this.onFocus(event), true)
    addEventListener('scroll', () => this.hide(), { passive: true, capture: true })
  }

  owns(node: Node): boolean {
    return node === this.host
  }

  hide(): void {
    clearTimeout(this.leaving)
    this.leaving = 0
    this.one.hidden = true
  }

  /** All phones that can be seen, to be chosen by the keyboard. Pressed again it closes. */
  list(): void {
    if (!this.all.hidden) {
      this.close()
      return
    }
    this.hide()
    this.attach()
    this.back = document.activeElement
    const title = document.createElement('p')
    const found = this.finder.seen().slice(0, MOST_LISTED)
    title.textContent = this.word(found.length ? 'phones' : 'no_phones')
    this.all.replaceChildren(title, ...found.map((one) => this.button(one.phone)))
    this.all.tabIndex = -1
    this.all.hidden = false
    ;(this.all.querySelector('button') ?? this.all).focus()
  }

  private button(phone: string): HTMLButtonElement {
    const made = document.createElement('button')
    made.textContent = `${this.word('call')} ${shown(phone)}`
    made.addEventListener('click', (event) => event.isTrusted && this.order(phone))
    return made
  }

  private order(phone: string): void {
    this.hide()
    if (!this.all.hidden) this.close()
    if (phone) this.call(phone)
  }

  private close(): void {
    this.all.hidden = true
    if (this.back instanceof HTMLElement) this.back.focus()
    this.back = null
  }

  private onKey(event: KeyboardEvent): void {
    event.stopPropagation()
    const buttons = [...this.all.querySelectorAll('button')]
    const at = buttons.findIndex((one) => one.matches(':focus'))
    if (event.key === 'Escape') this.close()
    else if (event.key === 'ArrowDown') buttons[(at + 1) % buttons.length]?.focus()
    else if (event.key === 'ArrowUp') buttons[(at + buttons.length - 1) % buttons.length]?.focus()
    else return
    event.preventDefault()
  }

  private onMove(event: PointerEvent): void {
    if (this.asked || event.composedPath()[0] === this.host || event.target === this.host) return
    this.asked = true
    requestAnimationFrame(() => {
      this.asked = false
      const target = this.finder.at(
        event.clientX,
        event.clientY,
        event.target instanceof Element ? event.target : null,
      )
      if (target) this.show(target)
      else if (!this.one.hidden && !this.leaving) this.leave()
    })
  }

  private onFocus(event: FocusEvent): void {
    const target = event.target instanceof Element ? this.finder.of(event.target) : null
    if (target) this.show(target)
  }

  private show({ phone, box }: Target): void {
    clearTimeout(this.leaving)
    this.leaving = 0
    this.attach()
    this.phone = phone
    this.one.textContent = `☎ ${this.word('call')}`
    this.one.setAttribute('aria-label', `${this.word('call')} ${shown(phone)}`)
    this.one.hidden = false
    const { width, height } = this.one.getBoundingClientRect()
    const below = box.bottom + height + 4 < innerHeight
    this.one.style.left = `${Math.max(4, Math.min(box.left, innerWidth - width - 4))}px`
    this.one.style.top = `${below ? box.bottom + 1 : Math.max(4, box.top - height - 1)}px`
  }

  private leave(): void {
    clearTimeout(this.leaving)
    this.leaving = setTimeout(() => this.hide(), LINGER_MS)
  }

  private attach(): void {
    if (!this.host.isConnected) document.documentElement.append(this.host)
  }
}

/** `+7 916 123-45-67`; another country's as it is. */
function shown(phone: string): string {
  const found = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(phone)
  return found ? `+7 ${found[1]} ${found[2]}-${found[3]}-${found[4]}` : phone
}
