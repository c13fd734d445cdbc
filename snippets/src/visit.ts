/** The site's visit: 30 minutes of silence end it, and so does another campaign. All tabs of a site share it. */

import { campaignOf } from './addresses'
import { config, doc, isAllowed, keep, randomId, recall } from './core'

/** Visitor, id, started, last seen, campaign, landing, referrer. */
export type Visit = [string, string, number, number, string, string, string]

/** The visit that `text` describes goes on; after silence, or with `look` by another campaign, a new one begins. */
export const nextVisit = (
  text: string,
  now: number,
  address: string,
  referrer: string,
  look: boolean,
): Visit => {
  const old: any[] = /^(\w{22}\n){2}(\d+\n){2}.*\n.*\n.*$/.test(text) ? text.split('\n') : []
  const campaign = campaignOf(address)
  if (now - old[3] <= config.visit_timeout_s * 1000 && !(look && campaign && campaign !== old[4])) {
    old[3] = now
    return old as Visit
  }
  return [old[0] || randomId(), randomId(), now, now, campaign, address, referrer]
}

let looked = ''

/** The visit, kept alive; all tabs of a site share it. A campaign is looked at once per address. */
export const touchVisit = (): Visit => {
  const address = location.href
  const visit = nextVisit(recall('v'), Date.now(), address, doc.referrer, address !== looked)
  looked = address
  if (isAllowed()) keep('v', visit.join('\n'))
  return visit
}
