/** The site script: the visit, and a mark on every way from the salon's site into the booking form. */

import { decorate, isFormHost, markIn, unmark } from './addresses'
import {
  config,
  doc,
  guard,
  idsOf,
  isAllowed,
  keep,
  listen,
  onRoute,
  poll,
  push,
  randomId,
  recall,
  soon,
  start,
  startQueue,
  win,
  wrap,
} from './core'
import { touchVisit } from './visit'

/** An event of this site's visit. */
const tell = (kind: string, fields: Record<string, any>, urgent?: boolean): void => {
  const [visitor, id, started_at, , , landing, referrer] = touchVisit()
  push(
    kind,
    Object.assign({ visit: { id, visitor, started_at: +started_at, landing, referrer } }, fields),
    urgent,
  )
}

// --- hits

let shown = ''
const hit = (again?: boolean): void => {
  const { href, pathname, search, hash } = location
  const address = pathname + search + (/^#[!/]/.test(hash) ? hash : '')
  if (address === shown && !again) return
  tell('hit', {
    url: href,
    title: doc.title,
    referrer: shown ? '' : doc.referrer,
  })
  shown = address
}

// --- addresses of forms

/** The host behind an address of a form (or of any other site, for a link of class yclick); '' if it leads elsewhere. */
const formHost = (address: string, any?: boolean): string => {
  const { protocol, host } = new URL(address, location.href)
  return /^http/.test(protocol) && (any || (isFormHost(host, config.form_hosts) && host !== location.host))
    ? host
    : ''
}

// The marks of this page. Any other mark in an address is someone else's: its owner copied the link, mark and all.
const made: Record<string, number> = {}

/** The address with a new mark, which the server is told at once; one that carries a mark of ours stays as it is. */
const marked = (address: string, how: string, any?: boolean): string => {
  const form_host = formHost(address, any)
  if (!isAllowed() || !form_host || made[markIn(address)]) return address
  const mark = randomId()
  made[mark] = 1
  tell('open', { mark, form_host, url: unmark(address), how }, true)
  uis()
  return decorate(address, mark)
}

// --- yWidget: the loaders' own opener, whenever it appears

// What was asked for last, and what the loader was given for it and keeps on the screen.
let asked = ''
let given = ''

const wrapWidget = (widget: any): void => {
  wrap(widget, 'show', (args) => {
    // The same address again keeps its mark: the loader then shows the form as the visitor left it. One from before the
    // last is loaded anew, maybe by a browser that lets a frame keep nothing and seems another: it needs a new mark.
    const key = touchVisit()[1] + args[0]
    if (key !== asked) given = marked(args[0], 'show')
    asked = key
    args[0] = given
  })
}

const watchWidget = (): void => {
  let widget = win.yWidget
  // The 2018 loader opens by itself in the same script that makes the global: only a setter is in time for that.
  guard(() =>
    Object.defineProperty(win, 'yWidget', {
      configurable: true,
      enumerable: true,
      get: () => widget,
      set: (value) => {
        widget = value
        wrapWidget(value)
      },
    }),
  )
  poll(() => wrapWidget(win.yWidget))
}

// --- links

/** Marks the link among these elements; the page finds it as it was once the way in has been taken, or was not. */
const markLink = (path: EventTarget[], how: string, lasts: number): void => {
  for (const link of path as any[]) {
    if (!/^a(rea)?$/i.test(link.localName)) continue
    const before = unmark(link.getAttribute('href'))
    if (before[0] === '#') return
    const after = marked(before, how, link.classList.contains('yclick'))
    if (after === before) return
    link.setAttribute('href', after)
    soon(() => {
      if (link.getAttribute('href') === after) link.setAttribute('href', before)
    }, lasts)
    return
  }
}

const onLink = (name: string, how: string, lasts: number): void =>
  listen(win, name, (event) => {
    if (event.type === 'auxclick' && event.button === 2) return // after its contextmenu
    wrapWidget(win.yWidget)
    markLink(event.composedPath(), how, lasts)
  })

// iPhones open their menu of a link after half a second of touch, and tell no page.
let held = 0
const onHold = (): void => {
  listen(win, 'touchstart', (event) => {
    const path = event.composedPath()
    held = soon(() => markLink(path, 'touch', 60000), 300)
  })
  for (const name of ['touchmove', 'touchend', 'touchcancel']) listen(win, name, () => clearTimeout(held))
}

// --- frames made by hand

const frames = new WeakSet<Element>()

// Consent given later than we came is mostly given by a hand, which may have been in a form before.
let late = false

/**
 * Marks the frames not seen before. Those of the `first` look may be in the visitor's hands, and a new address would
 * take away what was typed there: such stay as they are, and the form asks for its mark by a message.
 */
const lookAtFrames = (first?: boolean): void => {
  const { readyState, activeElement } = doc
  const old = first && (readyState === 'complete' || (late && readyState !== 'loading'))
  for (const frame of doc.getElementsByTagName('iframe')) {
    guard(() => {
      const address = frame.getAttribute('src')!
      if (frames.has(frame) || /yWidget/.test(frame.className) || !formHost(address)) return
      frames.add(frame)
      if (old || (first && frame === activeElement)) return
      const after = marked(address, 'iframe')
      if (after === address) return
      frame.src = after
      // Put in anew, a frame starts anew: an address changed in mid-load may be lost when Chromium moves the frame to
      // another process, and one changed after the load adds a step to the way back.
      frame.parentNode!.insertBefore(frame, frame.nextSibling)
    })
  }
}

// --- what the form tells its host page

const onMessage = ({ data, origin, source }: MessageEvent): void => {
  const form_host = origin.replace(/.*\//, '')
  if (!isFormHost(form_host, config.form_hosts)) return
  const { action, params = {} } = data
  const group = action === 'group_record_created'
  if (data.yclick) {
    for (const frame of doc.getElementsByTagName('iframe')) {
      if (frame.contentWindow === source) {
        const mark = markIn(marked(frame.src, 'iframe'))
        if (made[mark]) source!.postMessage({ yclick: mark }, origin as any)
      }
    }
  } else if (group || action === 'booked') {
    const { companyId: company_id, appointments } = idsOf(params)
    tell('booked', { form_host, company_id, appointments, group }, true)
  } else if (action) tell('step', { form_host, name: action, params: idsOf(params) })
  else {
    for (const { company, record_id, record_hash } of data) {
      if (record_id)
        tell(
          'record',
          {
            form_host,
            company_id: company.id,
            record_id,
            record_hash,
            via: 'message',
          },
          true,
        )
    }
  }
}

// --- UIS: its session, known late

const uis = (): void => {
  guard(() => {
    if (!isAllowed()) return
    const api = win.Comagic
    const parts = /(?:^|; )_comagic_id\w{5}=(\d+)\.(\d+)/.exec(doc.cookie) || []
    const session_id = guard(() => api && api.getSessionId()) || parts[2]
    const visitor_id = guard(() => api && api.getVisitorId()) || parts[1]
    const told = `${touchVisit()[1]} ${session_id}`
    if (session_id && recall('u') !== told) {
      keep('u', told)
      tell('uis', {
        session_id: `${session_id}`,
        visitor_id: `${visitor_id || ''}`,
      })
    }
  })
}

// --- start

// Whatever is thrown here is caught around the whole script (build.mjs).
if (!win.__yclickSite) {
  win.__yclickSite = 1
  start(() => {
    startQueue()
    hit()
    onRoute(hit)
    listen(win, 'pageshow', (event) => {
      if (event.persisted) hit(true)
    })
    watchWidget()
    guard(() => {
      new MutationObserver(() => lookAtFrames()).observe(doc, {
        childList: true,
        subtree: true,
        attributeFilter: ['src'],
      })
    })
    lookAtFrames(true)
    onLink('click', 'click', 1000)
    onLink('auxclick', 'click', 1000)
    onLink('contextmenu', 'context', 60000)
    onLink('dragstart', 'program', 10000)
    onHold()
    // The click of a link outside the document reaches no listener.
    wrap(HTMLElement.prototype, 'click', (_, link) => {
      if (!link.isConnected) markLink([link], 'program', 1000)
    })
    wrap(win, 'open', (args) => {
      const address = `${args[0] || ''}`
      const after = marked(address, 'program')
      if (after !== address) args[0] = after
    })
    listen(win, 'message', onMessage)
    for (const ms of [0, 1000, 3000, 8000, 20000, 60000]) soon(uis, ms)
  })
  late = true
}
