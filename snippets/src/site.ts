/** The site script: the visit, and a mark on every way from the salon's site into the booking form. */

import {
  appointmentsOf,
  config,
  doc,
  guard,
  isAllowed,
  isFormHost,
  keep,
  listen,
  MARK,
  onRoute,
  openApi,
  push,
  randomId,
  recall,
  soon,
  startQueue,
  touchVisit,
  visit,
  whenAllowed,
  win,
  wrap,
} from './core'

// --- hits

let shown = ''
const hit = (again?: boolean): void => {
  const address = location.pathname + location.search + (/^#[!/]/.test(location.hash) ? location.hash : '')
  if (address === shown && !again) return
  const from = shown ? '' : doc.referrer
  shown = address
  push('hit', { url: location.href, title: doc.title.slice(0, 300), referrer: from })
}

// --- the mark

const urlOf = (text: any): URL | null => guard(() => new URL(`${text}`, location.href)) || null
const formUrl = (text: any): URL | null => {
  const url = urlOf(text)
  return url && /^https?:$/.test(url.protocol) && isFormHost(url.host) && url.host !== location.host
    ? url
    : null
}
const MARKED = new RegExp(`[?&]${MARK}=\\w*`, 'g')

/** The same address with the mark; query and fragment stay byte for byte. */
export const decorate = (address: string, mark: string): string => {
  const cut = address.indexOf('#')
  const fragment = cut < 0 ? '' : address.slice(cut)
  let base = (cut < 0 ? address : address.slice(0, cut))
    .replace(MARKED, (found) => (found[0] === '?' ? '?' : ''))
    .replace('?&', '?')
  base += base.indexOf('?') < 0 ? '?' : /[?&]$/.test(base) ? '' : '&'
  return `${base}${MARK}=${mark}${fragment}`
}

const markIn = (address: string): string => (address.match(`[?&]${MARK}=(\\w{22})`) || [])[1] || ''

const mint = (address: string, how: string): string => {
  const mark = randomId()
  const url = urlOf(address)!
  push('open', { mark, form_host: url.host, url: url.href.replace(MARKED, ''), how }, true)
  uis()
  return mark
}

// --- yWidget: the loaders' own opener, whenever it appears

const openings: Record<string, string> = Object.create(null)

const wrapWidget = (widget: any): void => {
  if (widget && typeof widget === 'object') {
    wrap(widget, 'show', (call, args) => {
      guard(() => {
        if (isAllowed() && formUrl(args[0]) && !markIn(args[0])) {
          // The same address keeps the same mark: the loader then shows the form as the visitor left it.
          const key = `${touchVisit().id} ${args[0]}`
          openings[key] = openings[key] || mint(args[0], 'show')
          args[0] = decorate(args[0], openings[key]!)
        }
      })
      return call()
    })
  }
}

const watchWidget = (): void => {
  let widget = win.yWidget
  wrapWidget(widget)
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
  const look = (left: number): void => {
    wrapWidget(win.yWidget)
    if (left) soon(() => look(left - 1), 500)
  }
  look(60)
}

// --- links

const decorated = new Map<Element, { was: string; name: string; timer: number }>()

const restore = (link: Element): void => {
  const kept = decorated.get(link)
  if (!kept) return
  decorated.delete(link)
  if (link.getAttribute(kept.name) === kept.was || !markIn(link.getAttribute(kept.name) || '')) return
  link.setAttribute(kept.name, kept.was)
}

const linkOf = (event: Event): Element | null => {
  const path = (event.composedPath && event.composedPath()) || [event.target]
  for (const node of path as any[]) {
    if (node && node.nodeType === 1 && /^(a|area)$/i.test(node.localName)) return node
  }
  return null
}

const onLink = (how: string, lasts: number) => (event: Event) => {
  if (!isAllowed()) return
  wrapWidget(win.yWidget)
  const link = linkOf(event)
  if (!link) return
  const name = link.hasAttribute('href') ? 'href' : 'xlink:href'
  const kept = decorated.get(link)
  const address = kept ? kept.was : link.getAttribute(name)
  if (!address || /^\s*(#|javascript:|mailto:|tel:)/i.test(address)) return
  const own = /(^|\s)yclick(\s|$)/.test(link.getAttribute('class') || '')
  if (!(formUrl(address) || (own && urlOf(address)))) return
  if (kept) {
    clearTimeout(kept.timer)
    // A click that follows its own context menu or drag is the same way in only if that has been used: make a new one.
    link.setAttribute(name, kept.was)
  }
  link.setAttribute(name, decorate(address, mint(address, how)))
  decorated.set(link, { was: address, name, timer: soon(() => restore(link), lasts) })
}

// --- frames

const frames = new WeakSet<Element>()
const onFrame = (frame: any): void => {
  if (!isAllowed() || !frame.getAttribute || /yWidget/.test(frame.className)) return
  const address = frame.getAttribute('src')
  if (!address || frames.has(frame) || !formUrl(address) || markIn(address)) return
  frames.add(frame)
  frame.setAttribute('src', decorate(address, mint(address, 'iframe')))
}

const watchFrames = (): void => {
  const look = (root: any): void => {
    if (root.localName === 'iframe') onFrame(root)
    else if (root.getElementsByTagName)
      for (const frame of Array.from(root.getElementsByTagName('iframe'))) onFrame(frame)
  }
  look(doc)
  new MutationObserver((changes) =>
    guard(() => {
      for (const change of changes) {
        if (change.type === 'attributes') look(change.target)
        else for (const node of Array.from(change.addedNodes)) look(node)
      }
    }),
  ).observe(doc.documentElement, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ['src'],
  })
}

// --- what the form tells its host page

const onMessage = (event: MessageEvent): void => {
  const data = event.data
  if (!isAllowed() || !data || typeof data !== 'object' || !/^https?:/.test(event.origin)) return
  const host = event.origin.replace(/^https?:\/\//, '')
  if (!isFormHost(host)) return
  if (data.yclick === 1 && data.ask === 'mark') {
    for (const frame of Array.from(doc.getElementsByTagName('iframe'))) {
      if (frame.contentWindow !== event.source) continue
      const mark = markIn(frame.getAttribute('src') || '') || mint(frame.src, 'iframe')
      ;(event.source as Window).postMessage({ yclick: 1, mark }, event.origin)
    }
  } else if (Array.isArray(data)) {
    for (const one of data.slice(0, 20)) {
      if (one && one.record_id && one.company) {
        push(
          'record',
          {
            form_host: host,
            company_id: +one.company.id,
            record_id: +one.record_id,
            record_hash: `${one.record_hash || ''}`,
            via: 'message',
          },
          true,
        )
      }
    }
  } else if (typeof data.action === 'string') {
    const params = data.params || {}
    if (data.action === 'booked' || data.action === 'group_record_created') {
      push(
        'booked',
        {
          form_host: host,
          company_id: +params.companyId || null,
          appointments: appointmentsOf(params.appointments),
          group: data.action !== 'booked',
        },
        true,
      )
    } else if (data.action !== 'widget_closed')
      push('step', { form_host: host, name: data.action.slice(0, 60), params: small(params) })
  }
}

/** Ids of a step only: a form's messages may hold what a visitor typed. */
const small = (params: any): any => {
  const kept: any = {}
  for (const name of ['services', 'service_id', 'staff_id', 'datetime', 'companyId', 'appointments']) {
    if (params[name] != null)
      kept[name] = name === 'appointments' ? appointmentsOf(params[name]) : params[name]
  }
  return kept
}

// --- UIS: its session, known late

const uis = (): void => {
  guard(() => {
    const api = win.Comagic
    let session = api && api.getSessionId && api.getSessionId()
    let visitor = api && api.getVisitorId && api.getVisitorId()
    if (!session) {
      const parts = (doc.cookie.match(/(?:^|; )_comagic_id\w{5}=(\d+)\.(\d+)\.\d+/) || []) as string[]
      visitor = parts[1]
      session = parts[2]
    }
    const told = `${(visit as any).id} ${session}`
    if (session && recall('u') !== told) {
      keep('u', told)
      push('uis', { session_id: `${session}`, visitor_id: `${visitor || ''}` })
    }
  })
}

// --- start

guard(() => {
  if (win.__yclickSite) return
  win.__yclickSite = 1
  whenAllowed(() => {
    startQueue()
    touchVisit()
    hit()
    onRoute(() => hit())
    listen(win, 'pageshow', (event) => {
      if (event.persisted) hit(true)
    })
    watchWidget()
    guard(watchFrames)
    listen(win, 'click', onLink('click', 1000))
    listen(win, 'auxclick', onLink('click', 1000))
    listen(win, 'contextmenu', onLink('context', 60000))
    listen(win, 'dragstart', onLink('program', 10000))
    wrap(win, 'open', (call, args) => {
      guard(() => {
        const address = args[0] && `${args[0]}`
        if (isAllowed() && formUrl(address) && !markIn(address))
          args[0] = decorate(address, mint(address, 'program'))
      })
      return call()
    })
    listen(win, 'message', onMessage)
    for (const ms of [0, 1000, 3000, 8000, 20000, 60000]) soon(uis, ms)
  })
  openApi()
  if (config.debug) console.debug('yclick: site script started')
})
