/**
 * The form script, injected into the booking form: whose visit this is, and the number of the record when it is made.
 *
 * It reads no name, phone or e-mail. It may be run twice, in a frame that is thrown away after 250 ms, or without storage.
 */

import { bookingCall, markIn, unmark } from './addresses'
import {
  doc,
  guard,
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

const framed = win.parent !== win
const address = location.href
const { referrer } = doc
const started_at = Date.now()

// Of this tab only: another tab's form is another way in.
let tab: Record<string, string> = {}
guard(() => {
  tab = (sessionStorage as any) || tab
})
let mark = markIn(address) || tab['yclick.m'] || ''
// Who came without a mark makes a visit of the form's own. It goes on in this tab, through reloads and the way back
// from a payment; an advertisement begins another.
const ownVisit = (!/utm_|cl.?id=/.test(address) && tab['yclick.v']) || randomId()
let told = false

const tell = (kind: string, fields: Record<string, any>): void => {
  const client = recall('k')
  const visit = mark ? null : { id: ownVisit, visitor: client, started_at, landing: address, referrer }
  push(kind, Object.assign({ visit, mark: mark || null, client, form_host: location.host }, fields), true)
}

const announce = (): void => {
  if (told || !isAllowed()) return
  told = true
  guard(() => {
    tab['yclick.m'] = mark
    tab['yclick.v'] = ownVisit
  })
  if (!mark) tell('hit', { url: address, title: doc.title, referrer })
  tell('form', { url: address, referrer, framed })
}

/** Without a mark in a frame: the site script around us may know it. Nobody answers: a visit of our own. */
const askParent = (left: number): void => {
  if (mark || !left) announce()
  else {
    win.parent.postMessage({ yclick: 1 }, '*')
    soon(() => askParent(left - 1), 500)
  }
}

// --- the record, once each

/** Company, record and hash of the page's own address. */
const place = (): any => /\/company[/:](\d+)(?:\/success-order\/(\d+)\/?(\w*))?/.exec(location.pathname) || []

const report = (via: string, company: any, record: any, hash: any): void => {
  const company_id = +(company || place()[1])
  const record_id = +record
  if (!isAllowed() || !(company_id * record_id > 0) || recall(`r${record_id}`)) return
  keep(`r${record_id}`, '1')
  announce()
  tell('record', { company_id, record_id, record_hash: `${hash || ''}`, via })
}

/** Answers come as a list, as one object, or as either under `data`; a group's record is named `id`. */
const onSuccess = (via: string, company: any, group: any, answer: any): void => {
  for (const one of [].concat(answer.data || answer) as any[]) {
    report(
      via,
      company || (one.company || {}).id,
      one.record_id || (group && one.id),
      one.record_hash || one.hash,
    )
  }
}

const watchNetwork = (): void => {
  const booked = ([, one, group]: string[], body: any): void =>
    onSuccess('network', one || group, group, typeof body === 'string' ? JSON.parse(body) : body)
  wrap(win.XMLHttpRequest.prototype, 'open', (args, self) => {
    const found = bookingCall(args[0], args[1])
    if (found) {
      listen(self, 'load', () => {
        if (self.status < 300) booked(found, self.response)
      })
    }
  })
  wrap(win, 'fetch', (args) => {
    const [input, options] = args
    const found = bookingCall((options && options.method) || input.method, input.url || input)
    return (
      found &&
      ((promise: Promise<Response>) =>
        promise
          .then((answer) => answer.ok && answer.clone().json())
          .then((body) => body && booked(found, body))
          .catch(() => 0))
    )
  })
}

const onAnalytics = ({ detail: { target: name, params = {} } }: any): void => {
  if (!told) return // the first, parameterless load of a frame
  const { companyId, appointments = [], record_id, record_hash } = params
  const group = name === 'group_record_created'
  if (group || name === 'booked') {
    tell('booked', {
      company_id: companyId || place()[1],
      appointments: appointments.map(({ services, staff_id, datetime }: any) => ({
        services,
        staff_id,
        datetime,
      })),
      group,
    })
    report('analytics', companyId, record_id, record_hash)
  } else tell('step', { name, params: {} })
}

const onSuccessPage = (): void => {
  const [, company, record, hash] = place()
  report('route', company, record, hash)
}

/** Takes the mark out of the address bar, so that a copied link carries nobody; everything else stays. */
const onAddress = (): void => {
  const clean = unmark(location.href)
  if (clean !== location.href) history.replaceState(history.state, '', clean)
  onSuccessPage()
}

// Whatever is thrown here is caught around the whole script (build.mjs).
if (!win.__yclickForm) {
  win.__yclickForm = 1
  start(
    () => {
      keep('k', recall('k') || randomId())
      startQueue()
      askParent(framed ? 6 : 0)
    },
    mark,
    tab,
  )
  listen(win, 'message', ({ data, source }) => {
    // An answer: who was not allowed did not ask, and no page around a form can agree in the visitor's stead.
    if (isAllowed() && framed && source === win.parent && !mark && /^\w{22}$/.test(data.yclick)) {
      mark = data.yclick
      announce()
    }
  })
  guard(watchNetwork)
  for (const name of ['yclientsApi', 'widgetApi', 'altegioApi']) {
    poll(() => {
      win[name].onRecordSuccess((answer: any) => guard(() => onSuccess('api', 0, 0, answer)))
      return 1
    })
  }
  listen(win, 'onSendAnalytics', onAnalytics)
  onRoute(onAddress)
  onSuccessPage()
  // The form itself reads `yextrafield_…` at its start, so the address is cleaned a little later.
  soon(onAddress, 3000)
}
