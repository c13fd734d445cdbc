/** The site script: the visit, and a mark on every way from the salon's site into the booking form. */

import {
  config,
  decorate,
  doc,
  guard,
  idsOf,
  isAllowed,
  keep,
  listen,
  markIn,
  onRoute,
  poll,
  push,
  randomId,
  recall,
  soon,
  start,
  startQueue,
  touchVisit,
  unmark,
  win,
  wrap,
} from './core'

// --- hits

let shown = ''
const hit = (again?: boolean): void => {
  const { href, pathname, search, hash } = location
  const address = pathname + search + (/^#[!/]/.test(hash) ? hash : '')
  if (address === shown && !again) return
  push('hit', {
    url: href.slice(0, 2000),
    title: doc.title.slice(0, 300),
    referrer: shown ? '' : doc.referrer,
  })
  shown = address
}

// --- addresses of forms

/** The vendors' own hosts, and those of the settings with their subdomains; a setting may name a port. */
export const isFormHost = (host: string): boolean => {
  const name = host.replace(/:\d+$/, '')
  return (
    /^[nbwyo]\d+\.(yclients\.(com|ru)|alteg\.io)$/.test(name) ||
    config.form_hosts.some((one) => `.${/:/.test(one) ? host : name}`.slice(-one.length - 1) === `.${one}`)
  )
}

/** The host behind an address of a form (or of any other site, for a link of class yclick); '' if it leads elsewhere. */
const formHost = (address: string, any?: boolean): string => {
  const { protocol, host } = new URL(address, location.href)
  return /^http/.test(protocol) && (any || (isFormHost(host) && host !== location.host)) ? host : ''
}

/** The address with a new mark, which the server is told at once. */
const marked = (address: string, how: string, any?: boolean): string => {
  const form_host = formHost(address, any)
  if (!isAllowed() || !form_host) return address
  const mark = randomId()
  push('open', { mark, form_host, url: unmark(address).slice(0, 2000), how }, true)
  uis()
  return decorate(address, mark)
}

// --- yWidget: the loaders' own opener, whenever it appears

const opened: Record<string, string> = {}

const wrapWidget = (widget: any): void => {
  wrap(widget, 'show', (args) => {
    if (markIn(args[0])) return
    // The same address keeps the same mark: the loader then shows the form as the visitor left it.
    const key = touchVisit()[1] + args[0]
    args[0] = opened[key] = opened[key] || marked(args[0], 'show')
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

const onLink = (name: string, how: string, lasts: number): void =>
  listen(win, name, (event) => {
    wrapWidget(win.yWidget)
    for (const link of event.composedPath()) {
      if (!/^a(rea)?$/i.test(link.localName)) continue
      const before = link.getAttribute('href')
      if (before[0] === '#') return
      const after = marked(before, how, link.classList.contains('yclick'))
      if (after === before) return
      link.setAttribute('href', after)
      // The page finds its link as it was once the way in has been taken, or was not.
      soon(() => {
        if (link.getAttribute('href') === after)
          link.setAttribute('href', markIn(before) ? unmark(before) : before)
      }, lasts)
      return
    }
  })

// --- frames made by hand

const frames = new WeakSet<Element>()
const lookAtFrames = (): void => {
  for (const frame of doc.getElementsByTagName('iframe')) {
    guard(() => {
      const address = frame.getAttribute('src')!
      if (frames.has(frame) || /yWidget/.test(frame.className) || !formHost(address) || markIn(address))
        return
      frames.add(frame)
      frame.src = marked(address, 'iframe')
    })
  }
}

// --- what the form tells its host page

const onMessage = ({ data, origin, source }: MessageEvent): void => {
  const form_host = origin.replace(/.*\//, '')
  if (!isFormHost(form_host)) return
  const { action, params = {} } = data
  const group = action === 'group_record_created'
  if (data.yclick) {
    for (const frame of doc.getElementsByTagName('iframe')) {
      if (frame.contentWindow === source) {
        const mark = markIn(frame.src) || markIn(marked(frame.src, 'iframe'))
        if (mark) source!.postMessage({ yclick: 1, mark }, origin as any)
      }
    }
  } else if (group || action === 'booked') {
    const { companyId: company_id, appointments } = idsOf(params)
    push('booked', { form_host, company_id, appointments, group }, true)
  } else if (action) push('step', { form_host, name: action, params: idsOf(params) })
  else {
    for (const { company, record_id, record_hash } of data) {
      if (record_id)
        push('record', { form_host, company_id: company.id, record_id, record_hash, via: 'message' }, true)
    }
  }
}

// --- UIS: its session, known late

const uis = (): void => {
  guard(() => {
    const api = win.Comagic
    const parts = /(?:^|; )_comagic_id\w{5}=(\d+)\.(\d+)/.exec(doc.cookie) || []
    const session_id = guard(() => api && api.getSessionId()) || parts[2]
    const visitor_id = guard(() => api && api.getVisitorId()) || parts[1]
    const told = `${touchVisit()[1]} ${session_id}`
    if (session_id && recall('u') !== told) {
      keep('u', told)
      push('uis', { session_id: `${session_id}`, visitor_id: `${visitor_id || ''}` })
    }
  })
}

// --- start

guard(() => {
  if (win.__yclickSite) return
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
      new MutationObserver(lookAtFrames).observe(doc, {
        childList: true,
        subtree: true,
        attributeFilter: ['src'],
      })
    })
    lookAtFrames()
    onLink('click', 'click', 1000)
    onLink('auxclick', 'click', 1000)
    onLink('contextmenu', 'context', 60000)
    onLink('dragstart', 'program', 10000)
    wrap(win, 'open', (args) => {
      if (!markIn(`${args[0]}`)) args[0] = marked(`${args[0]}`, 'program')
    })
    listen(win, 'message', onMessage)
    for (const ms of [0, 1000, 3000, 8000, 20000, 60000]) soon(uis, ms)
  })
})
