/** Addresses, and nothing but addresses: the mark in them, campaigns, hosts of forms, calls that book. Pure. */

const MARK = 'yextrafield_yclick'

export const markIn = (address: string): string => (address.match(`[?&]${MARK}=(\\w{22})`) || [])[1] || ''

/** The same address without a mark; everything else stays byte for byte. */
export const unmark = (address: string): string =>
  address.replace(new RegExp(`([?&])${MARK}=\\w*(&?)`), (_, sign, more) => more && sign)

export const decorate = (address: string, mark: string): string => {
  const [, base, fragment] = /^([^#]*)(.*)/.exec(unmark(address))!
  return `${base + (/[?&]$/.test(base!) ? '' : /\?/.test(base!) ? '&' : '?') + MARK}=${mark}${fragment}`
}

/** What of an address makes it a campaign: its marks and click ids, in order. */
export const campaignOf = (address: string): string =>
  (address.match(/[?&#](utm_\w+|_openstat|\w*cl(ic)?k?id|[gw]braid|li_fat_id)=[^&#]+/gi) || []).join('')

/** The vendors' own hosts, and those of the settings with their subdomains; a setting may name a port. */
export const isFormHost = (host: string, own: string[]): boolean => {
  const name = host.replace(/:\d+$/, '')
  return (
    /^[nbwyo]\d+\.(yclients\.(com|ru)|alteg\.io)$/.test(name) ||
    own.some((one) => `.${/:/.test(one) ? host : name}`.slice(-one.length - 1) === `.${one}`)
  )
}

/** POST …/book_record/{company} and …/activity/{company}/{activity}/book. */
export const bookingCall = (method: any, url: any): string[] | null | false =>
  /^post$/i.test(method) && /\/(?:book_record\/(\d+)|activity\/(\d+)\/\d+\/book)\/?(?:[?#]|$)/.exec(url)
