/**
 * The form script, injected into the booking form: whose visit this is, and the number of the record when it is made.
 *
 * It reads no name, phone or e-mail. It may be run twice, in a frame that is thrown away after 250 ms, or without storage.
 */

import {
  allow,
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
  unmark,
  win,
  wrap,
} from './core'

const framed = win.parent !== win
const address = location.href
let session: Record<string, string> = {}
guard(() => {
  session = (sessionStorage as any) || session
})

let mark = ''
let told = false

/** Of this tab only: another tab's form is another way in. */
const remember = (name: string, value: string): void => {
  guard(() => {
    session[`yclick.${name}`] = value
  })
}

const useMark = (found: string): void => {
  mark = found
  remember('m', mark)
  allow()
}

/** An event with the mark where there is one, else with a visit of the form's own. */
const tell = (kind: string, fields: Record<string, any>): void => {
  push(
    kind,
    Object.assign({ mark: mark || null, client: recall('k'), form_host: location.host }, fields),
    true,
    !!mark,
  )
}

const announce = (): void => {
  if (told || !isAllowed()) return
  told = true
  const { referrer } = doc
  const url = address.slice(0, 2000)
  if (!mark) push('hit', { url, title: doc.title.slice(0, 300), referrer })
  tell('form', { url, referrer, framed })
}

/** Without a mark in a frame: the site script around us may know it. Nobody answers: a visit of our own. */
const askParent = (left: number): void => {
  if (mark) return
  if (left) {
    win.parent.postMessage({ yclick: 1 }, '*')
    soon(() => askParent(left - 1), 500)
  } else announce()
}

// --- the record, once each

const place = (): string[] =>
  /\/company[/:](\d+)(?:\/success-order\/(\d+)\/?(\w*))?/.exec(location.pathname) || ([] as any)

export const report = (via: string, company: any, record: any, record_hash: any): void => {
  const company_id = +(company || place()[1])
  const record_id = +record
  const key = `r${record_id}`
  if (!(company_id * record_id > 0) || session[`yclick.${key}`]) return
  remember(key, '1')
  announce()
  tell('record', { company_id, record_id, record_hash: `${record_hash || ''}`, via })
}

/** Answers come as a list, as one object, or as either under `data`; a group's record is named `id`. */
const onSuccess = (via: string, company: any, group: any, answer: any): void => {
  for (const one of [].concat(answer.data || answer) as any[]) {
    const record = one.record_id || (one.record && one.record.id) || (group && one.id)
    report(via, company || (one.company && one.company.id), record, one.record_hash || one.hash)
  }
}

/** POST …/book_record/{company} and …/activity/{company}/{activity}/book. */
export const bookingCall = (method: any, url: any): string[] | null | false =>
  /^post$/i.test(method) && /\/(?:book_record\/(\d+)|activity\/(\d+)\/\d+\/book)\/?(?:[?#]|$)/.exec(url)

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

const subscribed: any[] = []
const watchApi = (): void => {
  for (const name of ['yclientsApi', 'widgetApi', 'altegioApi']) {
    guard(() => {
      const api = win[name]
      if (api && subscribed.indexOf(api) < 0 && api.onRecordSuccess) {
        subscribed[subscribed.length] = api
        api.onRecordSuccess((answer: any) => guard(() => onSuccess('api', 0, 0, answer)))
      }
    })
  }
}

const onAnalytics = (event: any): void => {
  const { target: name, params } = event.detail
  if (name === 'widget_loaded') cleanAddress()
  if (framed && !mark && !told) return // the first, parameterless load of a frame
  const { companyId, appointments } = idsOf(params || {})
  const group = name === 'group_record_created'
  if (group || name === 'booked') {
    announce()
    tell('booked', { company_id: companyId || place()[1], appointments, group })
    report('analytics', companyId, params.record_id, params.record_hash)
  } else tell('step', { name, params: {} })
}

/** Takes the mark out of the address bar, so that a copied link carries nobody; everything else stays. */
const cleanAddress = (): void => {
  const clean = unmark(location.href)
  if (clean !== location.href) history.replaceState(history.state, '', clean)
}

const onAddress = (): void => {
  cleanAddress()
  onSuccessPage()
}
const onSuccessPage = (): void => {
  const [, company, record, hash] = place()
  report('route', company, record, hash)
}

guard(() => {
  if (win.__yclickForm) return
  win.__yclickForm = 1
  mark = markIn(address) || session['yclick.m'] || ''
  if (mark) remember('m', mark)
  start(() => {
    keep('k', recall('k') || randomId())
    startQueue()
    if (framed) askParent(6)
    if (mark || !framed) announce()
  }, mark)
  listen(win, 'message', ({ data, source }) => {
    if (source === win.parent && framed && !mark && data.yclick && /^\w{22}$/.test(data.mark)) {
      useMark(data.mark)
      announce()
    }
  })
  guard(watchNetwork)
  poll(watchApi)
  listen(win, 'onSendAnalytics', onAnalytics)
  onRoute(onAddress)
  onSuccessPage()
  // The form itself reads `yextrafield_…` at its start, so the address is cleaned a little later.
  soon(cleanAddress, 3000)
})
