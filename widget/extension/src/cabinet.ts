/**
 * Runs in the cabinet's page, apart from the page's own scripts. The page is not trusted: it sees two elements of ours
 * with closed insides, gets no message and gives none; whatever goes wrong here stays here.
 */
import { Caller } from './caller'
import { Dock } from './dockplace'
import { Finder } from './finder'
import { companyOf, DIALOGS, isChanged } from './known'
import { asId, asMode, asObject, asPlace, asText, tell } from './messages'
import { words } from './words'

/** A page that is not there after so long is taken for changed. */
const PATIENCE_MS = 6000

function guarded<A extends unknown[]>(work: (...given: A) => void): (...given: A) => void {
  return (...given) => {
    try {
      work(...given)
    } catch {
      changed(true)
    }
  }
}

let said: boolean | null = null
function changed(now: boolean): void {
  if (said === now) return
  said = now
  void tell({ for: 'worker', kind: 'cabinet', changed: now })
}

async function start(): Promise<void> {
  const told = await tell({ for: 'worker', kind: 'hello' })
  const word = words(asText(told.locale, 5) || navigator.language)
  const dock = new Dock(
    asPlace(told.place),
    word('dock'),
    (place) => void tell({ for: 'worker', kind: 'placed', place }),
    (mode) => void tell({ for: 'worker', kind: 'size', mode }),
  )
  const call = (phone: string) => {
    dock.unfold()
    void tell({ for: 'worker', kind: 'call', phone, company_id: companyOf(location.pathname) })
  }
  let caller: Caller | null = null
  const ours = (node: Node) => dock.owns(node) || caller?.owns(node) === true
  const finder = new Finder(
    ours,
    guarded(() => settled()),
  )
  caller = new Caller(finder, word, call)

  let card = ''
  let address = ''
  let since = performance.now()
  const settled = () => {
    dock.keep()
    if (location.href !== address) {
      address = location.href
      since = performance.now()
      caller?.hide()
      setTimeout(guarded(look), PATIENCE_MS + 100)
    }
    dock.settle()
    const dialogs = [...document.querySelectorAll(DIALOGS)].filter((one) => one.getClientRects().length > 0)
    const phones = dialogs.length ? finder.inside(dialogs[dialogs.length - 1]!) : new Set<string>()
    const now = phones.size === 1 ? [...phones][0]! : ''
    if (now !== card) {
      card = now
      void tell({ for: 'worker', kind: 'client', phone: card, company_id: companyOf(location.pathname) })
    }
    look()
  }
  /** A page that came right says so at once; one that did not gets its time. */
  const look = () => {
    const wrong = isChanged(location.pathname, {
      has: (root) => Boolean(document.querySelector(root)?.firstElementChild),
      text: () => visibleText(20),
    })
    if (!wrong || performance.now() - since > PATIENCE_MS) changed(wrong)
  }

  const again = () => {
    dock.again()
    if (said) void tell({ for: 'worker', kind: 'cabinet', changed: true })
    if (card)
      void tell({ for: 'worker', kind: 'client', phone: card, company_id: companyOf(location.pathname) })
  }

  chrome.runtime.onMessage.addListener((message, _, answer) => {
    const told = asObject(message)
    if (told.for !== 'cabinet') return undefined
    guarded(() => {
      if (told.kind === 'size') dock.set({ mode: asMode(told.mode) })
      else if (told.kind === 'toggle') dock.toggle()
      else if (told.kind === 'side') dock.otherSide()
      else if (told.kind === 'again') again()
      else if (told.kind === 'open_client') openClient(asId(told.company_id), asId(told.client_id))
    })()
    answer(true)
    return undefined
  })
  addEventListener(
    'resize',
    guarded(() => dock.settle()),
  )
  addEventListener(
    'keydown',
    guarded((event: KeyboardEvent) => {
      if (!event.isTrusted || !event.altKey || !event.shiftKey || event.ctrlKey || event.metaKey) return
      if (event.code === 'KeyP') caller?.list()
      else if (event.code === 'KeyW') dock.toggle()
      else return
      event.preventDefault()
      event.stopPropagation()
    }),
    true,
  )
  window.navigation?.addEventListener(
    'navigatesuccess',
    guarded(() => settled()),
  )
  dock.keep()
  finder.start()
  settled()
}

/** The first letters that can be seen; a large page is not laid out for it. */
function visibleText(most: number): string {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  let text = ''
  for (let node = walker.nextNode(); node && text.length < most; node = walker.nextNode()) {
    if (node.parentElement?.getClientRects().length) text += (node as Text).data.trim()
  }
  return text
}

/** By a link of the page to that client, else the cabinet's list of clients in a tab of its own: no form is left half-filled. */
function openClient(company: number | null, client: number | null): void {
  const link = client
    ? [...document.querySelectorAll<HTMLAnchorElement>('a[href*="/clients/"],[data-client-id]')].find((one) =>
        new RegExp(`(^|/)${client}(/|\\?|#|$)`).test(one.dataset.clientId ?? one.getAttribute('href') ?? ''),
      )
    : undefined
  if (link) link.click()
  else if (company) void tell({ for: 'worker', kind: 'open_clients', company_id: company })
}

if (document.body && self === top) void start()
