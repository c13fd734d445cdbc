/** What is known of the cabinet's pages. Pure, but for what it is given to look at. */

/**
 * Sections whose address names the branch, and the root their application fills where that is known.
 * A section without a known root is only asked whether there is anything on the page at all.
 */
const SECTIONS: { path: RegExp; root: string }[] = [
  { path: /^\/timetable\/(\d{1,12})(?:\/|$)/, root: '' },
  { path: /^\/clients\/(\d{1,12})\/base(?:\/|$)/, root: '#clients-base-app' },
  { path: /^\/clients\/(\d{1,12})(?:\/|$)/, root: '' },
  { path: /^\/online_booking\/(\d{1,12})(?:\/|$)/, root: '' },
  { path: /^\/finances\/(?:[^/]+\/)*?(\d{1,12})(?:\/|$)/, root: '' },
  { path: /^\/settings\/[a-z_]+\/(\d{1,12})(?:\/|$)/, root: '' },
  { path: /^\/appstore\/(\d{1,12})(?:\/|$)/, root: '' },
]
/** An open card is a dialog with exactly one phone in it; how the vendor marks its dialogs is not known. */
export const DIALOGS = 'dialog[open],[role=dialog],.modal.in,.modal.show'
/** What the page shows must have at least so much in it. */
const LEAST_TEXT = 20

export function companyOf(path: string): number | null {
  for (const { path: pattern } of SECTIONS) {
    const found = pattern.exec(path)
    if (found) return Number(found[1])
  }
  return null
}

/** Whether the page is not as it should be by now. */
export function isChanged(
  path: string,
  page: { has: (root: string) => boolean; text: () => string },
): boolean {
  const section = SECTIONS.find((one) => one.path.test(path))
  if (section?.root && !page.has(section.root)) return true
  return page.text().trim().length < LEAST_TEXT
}
