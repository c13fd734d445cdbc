/**
 * The form script, injected into the booking form: whose visit this is, and the number of the record when it is made.
 *
 * It reads no name, phone or e-mail. It may be run twice, in a frame that is thrown away after 250 ms, or without storage.
 */

import {
  allow,
  appointmentsOf,
  doc,
  guard,
  isAllowed,
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
  whenAllowed,
  win,
  wrap,
} from './core'

const host = location.host
const framed = win.parent !== win
const pattern = new RegExp(`([?&])${MARK}=(\\w{22})(?=[&#]|$)`)

const session = (name: string, value?: string): string =>
  guard(() => {
    if (value !== undefined) sessionStorage.setItem(`yclick.${name}`, value)
    return sessionStorage.getItem(`yclick.${name}`) || ''
  }) || ''

let mark = ''
let client = ''
let told = false

/** An event with the mark where there is one, else with a visit of the form's own. */
const tell = (kind: string, fields: Record<string, any>, urgent?: boolean): void => {
  push(kind, { mark: mark || null, client, form_host: host, ...fields }, urgent, !!mark)
}

const announce = (): void => {
  if (told || !isAllowed()) return
  told = true
  const fields = { url: address, referrer: doc.referrer, framed }
  if (!mark) push('hit', { url: address, title: doc.title.slice(0, 300), referrer: doc.referrer })
  tell('form', fields, true)
}

// --- the mark: from the address, the session, or the site script around us

const address = location.href

const readMark = (): void => {
  mark = (location.href.match(pattern) || [])[2] || ''
  if (mark) session('m', mark)
  else mark = session('m')
}

/** Takes the mark out of the address bar, so that a copied link carries nobody; everything else stays. */
const cleanAddress = (): void => {
  const clean = location.href
    .replace(pattern, (_, sign) => (sign === '?' ? '?' : ''))
    .replace('?&', '?')
    .replace(/\?(?=#|$)/, '')
  if (clean !== location.href) history.replaceState(history.state, '', clean)
}

const askParent = (left: number): void => {
  if (mark) return
  if (!left) {
    // Nobody answered: a form in a page without our script, with a visit of its own.
    announce()
    return
  }
  win.parent.postMessage({ yclick: 1, ask: 'mark' }, '*')
  soon(() => askParent(left - 1), 500)
}

// --- the record, once each

const reported: Record<string, number> = Object.create(null)

export const report = (company: any, record: any, hash: any, via: string): void => {
  company = +company || companyOfAddress()
  record = +record
  if (!(record > 0) || !(company > 0)) return
  const key = `r${company}.${record}`
  if (reported[key] || session(key)) return
  reported[key] = 1
  session(key, '1')
  announce()
  tell(
    'record',
    { company_id: company, record_id: record, record_hash: `${hash || ''}`.slice(0, 64), via },
    true,
  )
}

const companyOfAddress = (): number => +(location.pathname.match(/\/company[/:](\d+)/) || [])[1]! || 0

const onSuccess = (via: string, company?: any) => (answer: any) => {
  guard(() => {
    const list = Array.isArray(answer)
      ? answer
      : answer && Array.isArray(answer.data)
        ? answer.data
        : [answer && answer.data ? answer.data : answer]
    for (const one of list.slice(0, 20)) {
      if (!one) continue
      const record = one.record_id || (one.record && one.record.id) || (via === 'group' ? one.id : 0)
      report(
        company || one.company_id || (one.company && one.company.id),
        record,
        one.record_hash || one.hash,
        via === 'group' ? 'network' : via,
      )
    }
  })
}

/** POST …/book_record/{company} and …/activity/{company}/{activity}/book. */
export const bookingCall = (method: any, url: any): { company: number; via: string } | null => {
  const found = /\/(?:book_record\/(\d+)|activity\/(\d+)\/\d+\/book)\/?(?:[?#]|$)/.exec(`${url}`)
  if (!found || !/^post$/i.test(`${method}`)) return null
  return { company: +(found[1] || found[2])!, via: found[1] ? 'network' : 'group' }
}

const watchNetwork = (): void => {
  wrap(win.XMLHttpRequest && win.XMLHttpRequest.prototype, 'open', (call, args, self) => {
    const found = bookingCall(args[0], args[1])
    if (found) {
      listen(self, 'load', () => {
        if (self.status >= 200 && self.status < 300) {
          const answer = self.responseType === 'json' ? self.response : JSON.parse(self.responseText)
          onSuccess(found.via, found.company)(answer)
        }
      })
    }
    return call()
  })
  wrap(win, 'fetch', (call, args) => {
    const promise = call()
    guard(() => {
      const input = args[0]
      const found = bookingCall((args[1] && args[1].method) || input.method, input.url || input)
      if (found) {
        promise.then(
          (answer: Response) => {
            if (answer.ok)
              answer
                .clone()
                .json()
                .then(onSuccess(found.via, found.company), () => 0)
          },
          () => 0,
        )
      }
    })
    return promise
  })
}

const watchApi = (left: number): void => {
  for (const name of ['yclientsApi', 'widgetApi', 'altegioApi']) {
    guard(() => {
      const api = win[name]
      if (!api || subscribed[name] === api || typeof api.onRecordSuccess !== 'function') return
      subscribed[name] = api
      api.onRecordSuccess(onSuccess('api'))
    })
  }
  if (left) soon(() => watchApi(left - 1), left > 40 ? 100 : 1000)
}
const subscribed: Record<string, any> = Object.create(null)

const onAnalytics = (event: any): void => {
  const name = event.detail && event.detail.target
  const params = (event.detail && event.detail.params) || {}
  if (typeof name !== 'string') return
  if (name === 'widget_loaded') cleanAddress()
  if (framed && !mark && !told) return // the first, parameterless load of a frame
  if (name === 'booked' || name === 'group_record_created') {
    announce()
    tell(
      'booked',
      {
        company_id: +params.companyId || companyOfAddress() || null,
        appointments: appointmentsOf(params.appointments),
        group: name !== 'booked',
      },
      true,
    )
    if (params.record_id) report(params.companyId, params.record_id, params.record_hash, 'analytics')
  } else tell('step', { name: name.slice(0, 60), params: {} })
}

const onAddress = (): void => {
  cleanAddress()
  const found = location.pathname.match(/\/company[/:](\d+)\/success-order\/(\d+)(?:\/(\w+))?/)
  if (found) report(found[1], found[2], found[3], 'route')
}

guard(() => {
  if (win.__yclickForm) return
  win.__yclickForm = 1
  readMark()
  if (mark) allow()
  whenAllowed(() => {
    client = recall('k') || session('k') || randomId()
    keep('k', client)
    session('k', client)
    startQueue()
    if (mark) announce()
    else if (framed) soon(() => askParent(6), 0)
    else announce()
  })
  listen(win, 'message', (event) => {
    const data = event.data
    if (
      event.source !== win.parent ||
      !framed ||
      !data ||
      data.yclick !== 1 ||
      !/^\w{22}$/.test(data.mark) ||
      mark
    )
      return
    mark = data.mark
    session('m', mark)
    allow()
    announce()
  })
  watchNetwork()
  watchApi(60)
  listen(win, 'onSendAnalytics', onAnalytics)
  onRoute(onAddress)
  // The form itself reads `yextrafield_…` at its start, so the address is cleaned a little later.
  soon(onAddress, 3000)
  if (/success-order/.test(location.pathname)) soon(onAddress, 0)
  openApi()
})
