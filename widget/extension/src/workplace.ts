/** Runs in the workplace's own page, on our origin: carries what the page and the extension say to each other. */
import { asCounts, asId, asMode, asObject, asPhone, asText, tell } from './messages'

if (new URLSearchParams(location.search).get('surface') === 'extension') listen()

function listen(): void {
  const say = (message: Record<string, unknown>) =>
    window.postMessage({ yclick: 'extension', ...message }, location.origin)

  async function session(anew: boolean): Promise<void> {
    const told = await tell({ for: 'worker', kind: 'session', anew })
    if (told.session) say({ type: 'session', session: told.session })
    else say({ type: told.not_paired ? 'not_paired' : 'away' })
  }

  window.addEventListener('message', (event) => {
    if (event.source !== window || event.origin !== location.origin) return
    const told = asObject(event.data)
    if (told.yclick !== 'page') return
    switch (told.type) {
      case 'ready':
        return void session(false)
      case 'renew':
        return void session(true)
      case 'pair':
        return void tell({ for: 'worker', kind: 'show_pairing' })
      case 'leave':
        return void tell({ for: 'worker', kind: 'leave' })
      case 'state':
        return void tell({ for: 'worker', kind: 'state', ...asCounts(told) })
      case 'size':
        return void tell({ for: 'worker', kind: 'size', mode: asMode(told.mode) })
      case 'open_client':
        return void tell({
          for: 'worker',
          kind: 'open_client',
          company_id: asId(told.company_id),
          client_id: asId(told.client_id),
          phone: asPhone(told.phone),
        })
    }
  })

  chrome.runtime.onMessage.addListener((message) => {
    const told = asObject(message)
    if (told.for !== 'workplace') return
    const company = asId(told.company_id)
    const branch = company ? { company_id: company } : {}
    if (told.kind === 'call') say({ type: 'call', phone: asPhone(told.phone), ...branch })
    else if (told.kind === 'client') say({ type: 'client', phone: asPhone(told.phone), ...branch })
    else if (told.kind === 'cabinet') say({ type: 'cabinet', changed: told.changed === true })
    else if (told.kind === 'size') say({ type: 'size', mode: asText(told.mode, 5) })
    else if (told.kind === 'again') void session(false)
    return undefined
  })

  addEventListener('pagehide', () => void tell({ for: 'worker', kind: 'gone' }))
}
